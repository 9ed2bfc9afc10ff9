"""Rows of a run's tables about one model, and which of them are findings."""

from __future__ import annotations

import math
from typing import Any

import pyarrow.compute as pc

from dftspark.report.words.text import real
from dftspark.store.run import Run

Row = dict[str, Any]

LEVEL = 0.05  # below which a p or a q is a finding


def of_pair(
    run: Run, table: str, model: str, stratum: str = "", columns: list[str] | None = None
) -> list[Row]:
    """Reads the rows of a table about one pair; none if the run has no such table."""
    if table not in run.tables:
        return []
    where = (pc.field("model") == model) & (pc.field("stratum") == stratum)
    found: list[Row] = run.table(table, columns, where).to_pylist()
    return found


def confidence_of(run: Run) -> float:
    """Returns the level of the run's intervals, 0.95 if its settings do not say."""
    return float(run.manifest.get("config", {}).get("inference", {}).get("confidence", 0.95))


def told_apart(row: Row) -> bool:
    """Returns whether a row has a valid test that finds a difference."""
    return real(row["q_value"]) < LEVEL


def most_apart(rows: list[Row], most: int) -> list[Row]:
    """Keeps the farthest rows: half for what the model does more, half for what it does less."""
    far = sorted(rows, key=lambda row: -abs(math.log(row["ratio"])))
    more = [row for row in far if row["ratio"] > 1][: most - most // 2]
    return [*more, *[row for row in far if row["ratio"] <= 1][: most // 2]]


def test_of(row: Row) -> str:
    """Says that a row has no test, or gives its q if that is not significant; empty for a
    finding."""
    q = real(row["q_value"])
    return "no test" if math.isnan(q) else "" if q < LEVEL else f"q = {q:.2g}"
