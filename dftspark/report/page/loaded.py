"""A run whose tables are read once, for the many figures of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dftspark.report.words.lenses import tables
from dftspark.report.words.shown import Table
from dftspark.store.run import Run

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_OF_ALL = ("metrics", "differences")  # tables over all lenses
_UNREAD = ("run_id", "date", "human")


@dataclass(frozen=True)
class Loaded(Run):
    """A run for which `table` returns the held tables from memory."""

    held: dict[str, pa.Table]

    def table(
        self, name: str, columns: list[str] | None = None, where: ds.Expression | None = None
    ) -> pa.Table:
        if name not in self.held:
            return super().table(name, columns, where)
        found = self.held[name]
        found = found if where is None else found.filter(where)
        return found if columns is None else found.select(columns)


def loaded(run: Run, models: Sequence[str]) -> Loaded:
    """Reads what figures of these models draw, and the rows of all models where those are drawn."""
    held = {}
    wanted = pc.field("model").isin(list(models))
    for name, table in [*((name, Table(of_all=True)) for name in _OF_ALL), *tables().items()]:
        if name not in run.tables or not (table.drawn or table.of_all):
            continue
        unread = (*_UNREAD, *table.unread.split()) if name != "metrics" else ()
        columns = [column for column in run.columns(name) if column not in unread]
        where = None if table.of_all else wanted
        if name == "differences":
            where = wanted & pc.field("other").isin(list(models))
        held[name] = run.table(name, columns, where)
    return Loaded(run.id, run.manifest, run._location, held)
