"""The history of audits that no nightly run made: every run of one name, by its date.

Cost    a listing, which reads every manifest, and the columns asked for of each run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import FileType

from dftspark import schema
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location
from dftspark.store.listing import RunInfo, open_run, runs

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_KINDS = ("audit", "compare")


def rows(
    root: str,
    name: str | None,
    table: str,
    columns: list[str],
    where: ds.Expression | None,
    dates: tuple[str, str],
) -> pa.Table:
    """Returns rows of a table of every audit from the first of `dates` to the last, by date
    and the time of its making.

    An audit without a date has the day on which it was made, in UTC. Raises InputError for a store
    without audits, ConfigError for several names and for a table that none of the audits has.
    """
    listed = sorted(_named(root, name), key=lambda info: (_day(info), info.created_at))
    within = [info for info in listed if dates[0] <= _day(info) <= dates[1]]
    opened = [(info, open_run(root, info.id)) for info in within]
    have = [(info, run) for info, run in opened if table in run.tables]
    if opened and not have:
        tables = sorted(set().union(*(run.tables for _, run in opened)))
        raise ConfigError(f"no audit there has a table {table!r}; they have {', '.join(tables)}")
    of = pa.schema([schema.TABLES[table].field(column) for column in columns])
    parts = [of.empty_table()]
    for info, run in have:
        part = run.table(table, columns, where).cast(of)
        at = part.schema.get_field_index("date")
        if at >= 0:
            day = pa.array([_day(info)] * len(part), pa.string())
            undated = pc.equal(part["date"], "")
            part = part.set_column(at, of.field(at), pc.if_else(undated, day, part["date"]))
        parts.append(part)
    return pa.concat_tables(parts)


def _named(root: str, name: str | None) -> list[RunInfo]:
    there = Location.parse(root).kind == FileType.Directory
    found = [i for i in runs(root) if i.state == "finished" and i.kind in _KINDS] if there else []
    names = sorted({info.audit for info in found})
    if not names:
        raise InputError(f"{Location.parse(root)}: no night and no audit is there")
    if name is None and len(names) > 1:
        raise ConfigError(f"{root} has several audits, {names}; name one of them with --name")
    if name is not None and name not in names:
        raise ConfigError(f"{root} has no audit {name!r}; it has {names}")
    return [info for info in found if name in (None, info.audit)]


def _day(info: RunInfo) -> str:
    return info.date or info.created_at[:10]
