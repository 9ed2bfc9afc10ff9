"""A run whose tables are read once, for the many figures of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dftspark.store.run import Run

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_DRAWN = (
    "metrics", "ngrams", "document_ratios", "regions", "witness", "copies", "patterns", "cloud_map",
    "variety", "differences", "win_rates",
)  # fmt: skip
_OF_ALL = ("metrics", "cloud_map", "win_rates")  # the last for its controls
_UNUSED = ("run_id", "date", "human", "tokens", "exemplars_human", "exemplars_model",
           "exemplars_human_id", "exemplars_model_id", "example_human", "example_model",
           "example_human_id", "example_model_id")  # fmt: skip


@dataclass(frozen=True)
class Loaded(Run):
    """The same run; of the tables that are held, `table` gives what is in memory."""

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
    """What figures of these models draw, with the rows of other models in _OF_ALL alone."""
    held = {}
    for name in _DRAWN:
        if name not in run.tables:
            continue
        unused = () if name in ("metrics", "patterns") else _UNUSED
        columns = [column for column in run.columns(name) if column not in unused]
        where = None if name in _OF_ALL else pc.field("model").isin(list(models))
        if name == "differences":
            where &= pc.field("other").isin(list(models))
        held[name] = run.table(name, columns, where)
    return Loaded(run.id, run.manifest, run._location, held)
