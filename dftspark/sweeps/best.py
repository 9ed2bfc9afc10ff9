"""The table `super_baseline`: the best setting by each measure, and the challenger against it."""

from __future__ import annotations

import numpy as np

from dftspark.config import Audit
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.super_baseline import Grid, SuperBaseline, challenge
from dftspark.sweeps.measure import Row, SweptMeasure, best_of, interval, ranks_of
from dftspark.sweeps.settings import SweepCorpora, judged


def baseline_row(
    sweep: SweepCorpora, measure: SweptMeasure, found: SuperBaseline | None, config: Audit
) -> Row:
    """Returns the row of one measure; without `found` there are no halves, and no honest value."""
    ranks = ranks_of(measure, sweep)
    best = best_of(measure, ranks, found)
    some = measure.any_row
    row: Row = {
        **{name: some[name] for name in ("run_id", "date", "human", "stratum", "lens", "unit")},
        "better": some["better"],
        "sweep": sweep.name,
        "metric": measure.metric,
        "judged": judged(measure.metric, config),
        "settings": len(ranks),
        "best": best,
        "naive": None if best is None else measure.rows[best]["value"],
        "naive_low": None if best is None else measure.rows[best]["ci_low"],
        "naive_high": None if best is None else measure.rows[best]["ci_high"],
        "challenger": sweep.challenger,
    }
    if sweep.challenger in measure.rows:
        row["challenger_value"] = measure.rows[sweep.challenger]["value"]
    if measure.grid is not None and found is not None:
        row |= _honest(measure, measure.grid, found, config.inference.confidence)
    return row


def _honest(measure: SweptMeasure, grid: Grid, found: SuperBaseline, confidence: float) -> Row:
    row = {
        "settings": int(grid.candidates.sum()),
        "honest": found.honest.value,
        "std_error": found.honest.std_error,
        "ci_low": found.honest.low,
        "ci_high": found.honest.high,
        "optimism": found.optimism,
        "optimism_if_alike": found.expected,
        "may_be_best": [
            c for c, p in zip(measure.corpora, measure.p_best, strict=True) if p > 1 - confidence
        ],
    }
    if measure.challenger is not None:
        against = challenge(grid, measure.challenger, confidence=confidence)
        row |= interval("difference", against) | {"p_value": against.p_value}
    return row


def add_verdicts(rows: list[Row], config: Audit) -> None:
    """Adds q_value and verdict to rows that are judged against a challenger."""
    asked = [row for row in rows if row["judged"] and row.get("p_value") is not None]
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in asked], np.float64))
    for row, q_value in zip(asked, q_values, strict=True):
        told = q_value <= 1 - config.inference.confidence
        row["q_value"] = float(q_value)
        row["verdict"] = (
            "not distinguishable" if not told else "better" if row["difference"] < 0 else "worse"
        )
