"""The table `tradeoffs`: whether one setting can be the best by two measures, or by all."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from dftspark.config import Audit
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.super_baseline import Grid, front, may_be_best, no_common_best, regret
from dftspark.sweeps.measure import Row, SweptMeasure, interval
from dftspark.sweeps.settings import SweepCorpora, judged

ALL = ""  # `metric` and `other` in the row of all judged measures at once


def tradeoff_rows(sweep: SweepCorpora, measures: list[SweptMeasure], config: Audit) -> list[Row]:
    """Returns a row for each pair of judged measures, over the settings that have all of them on
    halves."""
    main = [m for m in measures if m.grid is not None and judged(m.metric, config)]
    if len(main) < 2:
        return []
    common = [c for c in sweep.settings if all(c in m.corpora for m in main)]
    if len(common) < 2:
        return []
    grids = {m.metric: _only(m, common) for m in main}
    seed, confidence = config.inference.seed, config.inference.confidence
    p_best = {
        m.metric: m.p_best[: len(common)]
        if _settings_of(m, sweep) == common
        else may_be_best(grids[m.metric], seed=seed)
        for m in main
    }
    some = main[0].any_row
    shared = {
        **{name: some[name] for name in ("run_id", "date", "human", "stratum")},
        "sweep": sweep.name,
    }
    out: list[Row] = [
        {
            **shared,
            "metric": first,
            "other": second,
            "p_value": no_common_best([p_best[first], p_best[second]]),
            **_of_two(grids[first], grids[second], common, confidence),
        }
        for first, second in combinations(grids, 2)
    ]
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in out], np.float64))
    for row, q_value in zip(out, q_values, strict=True):
        row |= {"q_value": float(q_value), "differ": bool(q_value <= 1 - confidence)}
    together = no_common_best(list(p_best.values()))
    everywhere = front(np.stack([grid.values for grid in grids.values()]))
    return [
        {
            **shared,
            "metric": ALL,
            "other": ALL,
            "p_value": together,
            "q_value": together,
            "differ": bool(together <= 1 - confidence),
            "front": [c for c, own in zip(common, everywhere, strict=True) if own],
        },
        *out,
    ]


def _of_two(own: Grid, other: Grid, settings: list[str], confidence: float) -> Row:
    inside = front(np.stack([own.values, other.values]))
    order = np.argsort(own.values, kind="stable")
    return {
        "best": settings[own.best],
        "best_other": settings[other.best],
        **interval("regret", regret(own, other, confidence=confidence)),
        **interval("regret_other", regret(other, own, confidence=confidence)),
        "front": [settings[i] for i in order if inside[i]],
    }


def _settings_of(measure: SweptMeasure, sweep: SweepCorpora) -> list[str]:
    return [c for c in measure.corpora if c != sweep.challenger]


def _only(measure: SweptMeasure, corpora: list[str]) -> Grid:
    grid = measure.grid
    assert grid is not None
    at = np.array([measure.corpora.index(c) for c in corpora])
    return Grid(
        grid.values[at], grid.left_out[at], grid.halves[at], grid.blocks[at], grid.candidates[at]
    )
