"""What a run that did not finish says of its input: why rows were rejected, with examples.

Bounds  the page has at most REASONS reasons and ROWS rejected rows
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from dftspark import __version__
from dftspark.report.figure import asset, environment
from dftspark.report.page import policy
from dftspark.report.text import count, visible
from dftspark.store.run import Run

REASONS = 40
ROWS = 200
_TOLD = ["corpus", "reason", "file", "position", "detail", "excerpt"]

Row = dict[str, Any]


def lines(run: Run, most: int = 3) -> list[str]:
    """The most frequent reasons, a line each, with an example."""
    return [
        f"  {count(row['rows'])} {visible(row['corpus'])} {visible(row['reason'])}, as in "
        f"{visible(row['file'])} {visible(row['position'])}: {visible(row['detail'], 160)}"
        for row in _reasons(run)[:most]
    ]


def page(run: Run) -> str:
    """HTML: what was read of each corpus, the reasons by how frequent they are, rejected rows."""
    style = asset("style.css")
    corpora = run.table("corpora").to_pylist() if "corpora" in run.tables else []
    rows = _rejected(run, _TOLD) if "rejects" in run.tables else None
    return environment().get_template("rejected.html").render(
        title=visible(run.id),
        corpora=corpora[:REASONS],
        reasons=_reasons(run)[:REASONS],
        rows=rows.slice(0, ROWS).to_pylist() if rows else [],
        more=max(0, rows.num_rows - ROWS) if rows else 0,
        style=style,
        policy=policy(style, ""),
        version=__version__,
    )  # fmt: skip


def _rejected(run: Run, columns: list[str]) -> Any:
    return run.table("rejects", columns, pc.field("action") == "rejected")


def _reasons(run: Run) -> list[Row]:
    if "rejects" not in run.tables:
        return []
    told = [(name, "first") for name in ("file", "position", "detail")]
    grouped = _rejected(run, _TOLD).group_by(["corpus", "reason"], use_threads=False)
    found = grouped.aggregate([*told, ([], "count_all")]).rename_columns(
        ["corpus", "reason", "file", "position", "detail", "rows"]
    )
    rows: list[Row] = found.to_pylist()
    return sorted(rows, key=lambda row: (-row["rows"], row["corpus"], row["reason"]))
