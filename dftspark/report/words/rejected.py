"""The problems with the input of a run that did not finish: why rows were rejected, with
examples."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dftspark.report.words.text import count, visible
from dftspark.store.run import Run

_TOLD = ["corpus", "reason", "file", "position", "detail", "excerpt"]

Row = dict[str, Any]


def lines(run: Run, most: int = 3) -> list[str]:
    """Returns the most frequent reasons, one per line, with an example."""
    return [
        f"  {count(row['rows'])} {visible(row['corpus'])} {visible(row['reason'])}, as in "
        f"{visible(row['file'])} {visible(row['position'])}: {visible(row['detail'], 160)}"
        for row in reasons(run)[:most]
    ]


def rejected(run: Run) -> pa.Table:
    """Returns the rows of the table rejects that were left out, rather than repaired."""
    return run.table("rejects", _TOLD, pc.field("action") == "rejected")


def reasons(run: Run) -> list[Row]:
    """Returns corpus, reason, number of rows and a first example, the most frequent first."""
    if "rejects" not in run.tables:
        return []
    told = [(name, "first") for name in ("file", "position", "detail")]
    grouped = rejected(run).group_by(["corpus", "reason"], use_threads=False)
    found = grouped.aggregate([*told, ([], "count_all")]).rename_columns(
        ["corpus", "reason", "file", "position", "detail", "rows"]
    )
    rows: list[Row] = found.to_pylist()
    return sorted(rows, key=lambda row: (-row["rows"], row["corpus"], row["reason"]))
