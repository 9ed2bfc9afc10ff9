"""One measure over the corpora of a sweep, on all blocks and on parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Audit
from dftspark.inference.super_baseline import Grid, SuperBaseline, Value, front, may_be_best
from dftspark.lenses.metric import comparable
from dftspark.sweeps.settings import RATE, SweepCorpora, judged

Row = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SweptMeasure:
    """One measure over the corpora of a sweep that have it; `grid` over those with parts.

    `ranked` says whether settings may be ranked, which excludes plug-in distances of different
    sizes.
    """

    metric: str
    rows: dict[str, Row]  # settings in their order, then the challenger
    grid: Grid | None
    corpora: list[str]  # of the grid
    challenger: int | None  # in the grid
    p_best: Floats
    ranked: bool = True

    @property
    def any_row(self) -> Row:
        return next(iter(self.rows.values()))


def measured(
    sweep: SweepCorpora, metric: str, found: dict[str, Row], config: Audit
) -> SweptMeasure:
    """Makes it from rows `found` by corpus; without a grid if fewer than two settings have
    parts."""
    order = [*sweep.settings, *([sweep.challenger] if sweep.challenger else [])]
    rows = {corpus: found[corpus] for corpus in order if corpus in found}
    sizes = [row["n_model"] for corpus, row in rows.items() if corpus != sweep.challenger]
    if not comparable(metric, sizes):
        return SweptMeasure(metric, rows, None, [], None, np.empty(0), ranked=False)
    within = [c for c, row in rows.items() if row.get("halves") and np.isfinite(row["value"])]
    candidates = np.array([c != sweep.challenger for c in within], np.bool_)
    if candidates.sum() < 2:
        return SweptMeasure(metric, rows, None, [], None, np.empty(0))
    grid = Grid(
        values=np.array([rows[c]["value"] for c in within]),
        left_out=np.array([rows[c]["left_out"] for c in within], np.float64),
        halves=np.array([rows[c]["halves"] for c in within], np.float64).reshape(
            len(within), -1, 2
        ),
        blocks=np.array([rows[c]["blocks"] for c in within], np.int64),
        candidates=candidates,
    )
    last = None if candidates.all() else len(within) - 1
    return SweptMeasure(
        metric, rows, grid, within, last, may_be_best(grid, seed=config.inference.seed)
    )


def signed(row: Row) -> float:
    """Returns the value, with the sign that makes smaller better."""
    return -float(row["value"]) if row["better"] == "higher" else float(row["value"])


def ranks_of(measure: SweptMeasure, sweep: SweepCorpora) -> dict[str, int]:
    """Returns ranks from 1, the best; equal values share a rank, settings without a value have
    none."""
    if not measure.ranked:
        return {}
    values = {c: signed(measure.rows[c]) for c in sweep.settings if c in measure.rows}
    known = np.sort([v for v in values.values() if np.isfinite(v)])
    return {c: int(np.searchsorted(known, v)) + 1 for c, v in values.items() if np.isfinite(v)}


def best_of(
    measure: SweptMeasure, ranks: dict[str, int], found: SuperBaseline | None
) -> str | None:
    """Returns the first setting of rank 1, or for a measure with halves the one that `found`
    describes."""
    if found is not None:
        return measure.corpora[found.best]
    return next((corpus for corpus, rank in ranks.items() if rank == 1), None)


def front_of(sweep: SweepCorpora, measures: list[SweptMeasure], config: Audit) -> set[str]:
    """Returns settings that no other beats by all judged measures, leaving out those followed one
    by one."""
    main = [
        m
        for m in measures
        if m.ranked
        and judged(m.metric, config)
        and not m.metric.startswith(RATE)
        and all(corpus in m.rows for corpus in sweep.settings)
    ]
    if not main:
        return set()
    values = np.array([[signed(m.rows[c]) for c in sweep.settings] for m in main])
    return {c for c, own in zip(sweep.settings, front(values), strict=True) if own}


def interval(name: str, value: Value) -> Row:
    """Returns the columns of a value that has an interval."""
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
