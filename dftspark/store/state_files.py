"""Files of stored states: whether a run's are whole, of this format, and what is wrong where not.

Cost     `check_files` reads footers; `damaged_states` reads everything, once something has failed
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.errors import InputError, StateFormatError
from dftspark.location import Location
from dftspark.state import decode_arrays
from dftspark.store import publish
from dftspark.store.run import Run

_STATES = ("state", "sketch", "totals")


def check_files(run: Run, tables: list[str]) -> None:
    """Raises InputError where a table of states is missing, cut short, changed or of an older
    schema."""
    for name in tables:
        if name not in run.tables:
            raise InputError(_told(run, f"it has no table {name}"))
        written = run.manifest["tables"][name]
        table = Location.parse(run.path) / f"{name}.parquet"
        parts = publish.parts_of(table)
        rows = 0
        for part in parts:
            try:
                footer = pq.ParquetFile(table.filesystem.open_input_file(part.path))
            except (OSError, pa.ArrowInvalid) as error:
                raise InputError(_told(run, f"{part.path} cannot be read: {error}")) from error
            with footer:
                found, rows = footer.schema_arrow, rows + footer.metadata.num_rows
            absent = [c for c in schema.STATES[name].names if c not in found.names]
            if absent:
                raise InputError(_told(run, f"{part.path} is of another version: no {absent}"))
        size = sum(part.size for part in parts)
        if (rows, size) != (written["rows"], written["bytes"]):
            raise InputError(
                _told(
                    run,
                    f"table {name} has {rows} rows in {size} bytes, and had {written['rows']} in "
                    f"{written['bytes']} when it was published",
                )
            )


def damaged_states(run: Run) -> str:
    """What is wrong with the run's states, or nothing."""
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
    date = run.manifest["date"]
    remedy = f"--date {date}" if date else "--reference --date DATE"
    return (
        f"the profile {run.id} of {date or 'the human side'} cannot be used: {what}\n"
        f"  make it anew from the documents: dftspark nightly CONF {remedy}"
    )
