"""Checks files of stored states: whether a run's are whole and of this format, and if not, why.

Cost     `check_files` reads footers; `damaged_states` reads everything, once something has failed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.errors import DamagedRun, StateFormatError
from dftspark.location import Location
from dftspark.state import decode_arrays
from dftspark.store import publish
from dftspark.store.run import Run

_STATES = ("state", "sketch", "totals")


def check_files(run: Run, tables: list[str]) -> None:
    """Raises DamagedRun if a table of states is missing, cut short, changed or of an older
    schema."""
    for name in tables:
        if name not in run.tables:
            raise DamagedRun(_told(run, f"it has no table {name}"))
        try:
            parts = run.dataset(name).get_fragments()
        except DamagedRun as error:
            raise DamagedRun(_told(run, str(error))) from error
        for part in parts:
            found = part.physical_schema.names
            absent = [column for column in schema.STATES[name].names if column not in found]
            if absent:
                raise DamagedRun(_told(run, f"{part.path} is of another version: no {absent}"))


@contextmanager
def naming_damage(runs: Iterable[Run]) -> Iterator[None]:
    """Names the profile whose states cannot be read, if that is what went wrong."""
    try:
        yield
    except Exception as error:
        for run in runs:
            if said := damaged_states(run):
                raise DamagedRun(said) from error
        raise


def damaged_states(run: Run) -> str:
    """Returns what is wrong with the run's states, or an empty string."""
    for name in (name for name in schema.STATES if name in run.tables):
        table = Location.parse(run.path) / f"{name}.parquet"
        for part in publish.parts_of(table):
            try:
                with table.filesystem.open_input_file(part.path) as file:
                    _decode_all(name, pq.read_table(file, page_checksum_verification=True))
            except (OSError, pa.ArrowException, StateFormatError) as error:
                return _told(run, f"{part.path} cannot be read: {error}")
    return ""


def _decode_all(name: str, rows: pa.Table) -> None:
    for column in (column for column in _STATES if column in rows.column_names):
        for state in rows[column]:
            decode_arrays(state.as_buffer(), f"{name}.{column}")


def _told(run: Run, what: str) -> str:
    date = run.manifest.get("date", "")
    of = date or ("the human side" if "version" in run.manifest else "")
    return (
        f"the profile {run.path}{f' of {of}' if of else ''} cannot be used: {what}\n"
        f"  make it anew from the documents: {_remedy(run)}"
    )


def _remedy(run: Run) -> str:
    """Returns the remedy; a profile with a version belongs to a night."""
    date = run.manifest.get("date", "")
    if "version" not in run.manifest:
        return "dftspark profile CONF" + (f" --date {date}" if date else "")
    return f"dftspark nightly CONF {f'--date {date}' if date else '--reference --date DATE'}"
