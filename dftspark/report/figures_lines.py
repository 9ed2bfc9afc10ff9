"""Curves: sampler settings, nights, and the judge's dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from dftspark.report.figure import Figure
from dftspark.store import Run


def samplers(run: Run) -> list[Figure]:
    return []


def history(runs: Sequence[Run]) -> list[Figure]:
    return []


def judge(run: Run, model: str) -> Figure | None:
    return None
