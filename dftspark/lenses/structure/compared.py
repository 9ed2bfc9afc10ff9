"""The structure lens: every measure of a pair of corpora, with its interval and its human band.

Cost     milliseconds a pair, whatever the corpora; the distributions' tests are most of it
Source   intervals by the block jackknife, tests with the variances that hold under equality
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference import blocks, halves
from dftspark.inference.estimate import on_groups, replicates
from dftspark.inference.gram import between_blocks
from dftspark.inference.halves import Splits
from dftspark.inference.intervals import Design, Inferred, agreeing, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.multipliers import multiplier_null
from dftspark.inference.permutation import p_value, upper
from dftspark.inference.proportions import wilson
from dftspark.inference.squared import infer_grams
from dftspark.lenses.metric import Metric, design
from dftspark.lenses.structure import measures
from dftspark.lenses.structure.catalogue import StructureMeasure, all_measures, labeled
from dftspark.lenses.structure.distance_wasserstein import steps, wasserstein
from dftspark.lenses.structure.rates import Rates, compared_rates, rates_of
from dftspark.lenses.structure.statistic import StructureSums
from dftspark.lenses.structure.summary import products_of, summary
from dftspark.stats import cluster_hashes

Floats = NDArray[np.float64]

_NONE = Splits()


@dataclass(frozen=True)
class MeasureRow:
    """One measure of a pair; differences are model minus human, nan is unknown.

    human, model          value on each side, in the measure's unit
    ratio                 model / human, half an effective occurrence added to each count, and its
                          interval, open where a side has none
    distance              |model - human|, for a distribution its Wasserstein distance
    band                  the distance at which p_value is .05
    outside               p_value < .05: distance > band
    share_human, _model   share of documents that have any; nan for means and distributions
    """

    measure: StructureMeasure
    human: float
    model: float
    std_error: float
    ratio: float
    ci_low: float
    ci_high: float
    p_value: float
    q_value: float
    distance: float
    band: float
    outside: bool
    share_human: float
    share_model: float
    count_human: int
    count_model: int
    precision: float
    precision_low: float
    precision_high: float


@dataclass(frozen=True)
class StructureCompared:
    """`rows` are in the order of `all_measures`; `metrics` are the distributions' distances and the
    summary of all rates; `rates` are the signed roots of (model - human)^2 without noise, for the
    measures that a sweep follows, `rate_MEASURE`.
    """

    rows: list[MeasureRow]
    metrics: list[Metric]
    rates: list[Metric]


def compared(
    human: StructureSums,
    model: StructureSums,
    *,
    paired: bool,
    settings: config.Inference,
    splits: Splits = _NONE,
    followed: Sequence[str] = (),
) -> StructureCompared:
    """Compares a pair; with `splits`, metrics and rates `followed` on parts of the blocks too."""
    clusters = cluster_hashes.count_of(human), cluster_hashes.count_of(model)
    count = blocks.adapt(int(min(clusters)))
    tested = design(settings, paired=paired)
    of = rates_of([m for m in all_measures() if m.kind != "distribution"], human, model)
    found = compared_rates(of, count, settings.confidence)
    distances = [
        _distribution(i, human, model, count, tested, splits)
        for i in range(len(measures.HISTOGRAMS))
    ]
    p_values = np.r_[found["p_value"], [metric.inference.p_value for metric in distances]]
    q_values = benjamini_hochberg(p_values)
    rows = [
        _row(m, {name: column[i] for name, column in found.items()}, q_values[i])
        for i, m in enumerate(of.chosen)
    ]
    spread = [m for m in all_measures() if m.kind == "distribution"]
    for i, (m, metric) in enumerate(zip(spread, distances, strict=True)):
        rows.append(_row(m, _spread(i, metric, human, model), q_values[len(of.chosen) + i]))
    return StructureCompared(
        rows,
        [*distances, *summary(of, clusters, tested, splits)],
        [
            _followed(of, i, rows[i], clusters, tested, splits)
            for i, m in enumerate(of.chosen)
            if m.id in followed
        ],
    )


def _followed(
    of: Rates,
    i: int,
    row: MeasureRow,
    clusters: tuple[float, float],
    tested: Design,
    splits: Splits,
) -> Metric:
    """Returns a rate without noise, which would put settings with fewer documents farther away."""
    products = products_of(of, [i], np.ones(1))
    value = float(between_blocks(products, *blocks.sides(products.blocks), paired=tested.paired)[0])
    found = infer_grams([products], value=value, clusters=clusters, design=tested)
    found = replace(found, p_value=row.p_value, floor=agreeing(found.floor, value, row.p_value))
    on_parts = halves.parts(partial(between_blocks, products, paired=tested.paired), splits)
    name, unit = f"rate_{row.measure.id}", row.measure.unit
    return Metric(name, value, unit, found, on_parts).rooted(name, unit)


def _row(measure: StructureMeasure, values: dict[str, Any], q_value: float) -> MeasureRow:
    right, number = labeled().get(measure.id, (0, 0)) if measure.kind == "pattern" else (0, 0)
    low, high = wilson(right / max(number, 1), number)
    distance, band = float(values["distance"]), float(values["band"])
    numbers: dict[str, Any] = {
        name: int(value) if name.startswith("count") else float(value)
        for name, value in values.items()
        if name in MeasureRow.__dataclass_fields__ and name not in ("distance", "band")
    }
    return MeasureRow(
        measure=measure,
        q_value=float(q_value),
        outside=bool(values["p_value"] < 0.05),
        precision=right / number if number else float("nan"),
        precision_low=low,
        precision_high=high,
        distance=distance,
        band=band,
        **numbers,
    )


# --- distributions -------------------------------------------------------------------------------


def _bins(side: StructureSums, i: int) -> Floats:
    return side.histograms[:, measures.STARTS[i] : measures.STARTS[i + 1]].astype(np.float64)


def _distribution(
    i: int, human: StructureSums, model: StructureSums, count: int, tested: Design, splits: Splits
) -> Metric:
    h = measures.HISTOGRAMS[i]
    sides = [_bins(side, i) for side in (human, model)]
    raw = [*(steps(side, h.width) for side in sides), *(side.sum(axis=1) for side in sides)]
    whole = [side[None].sum(axis=1) for side in raw]
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(wasserstein(whole[0] / whole[2], whole[1] / whole[3])[0])
    found, on_parts = no_inference(count), None
    if count and np.isfinite(value):
        on_parts = halves.parts(on_groups(wasserstein, *raw), splits)
        left_out = replicates(wasserstein, *(blocks.coarsen(each, count) for each in raw))
        error, low, high = jackknife(left_out, value, tested.confidence)
        null = multiplier_null(*raw, seed=tested.seed)
        p = p_value(value, null)
        found = Inferred(
            std_error=error,
            ci_low=max(low, 0.0),
            ci_high=high,
            p_value=p,
            floor=agreeing(upper(null), value, p),
            blocks=count,
        )
    return Metric(f"wasserstein_{h.id}", value, h.unit, found, on_parts)


def _spread(i: int, metric: Metric, human: StructureSums, model: StructureSums) -> dict[str, Any]:
    h = measures.HISTOGRAMS[i]
    centers = h.first + h.width * (np.arange(h.bins) + (0.5 if h.width != 1 else 0.0))
    sides = [_bins(side, i).sum(0) for side in (human, model)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [float(side @ centers / side.sum()) for side in sides]
        ratio = float(np.divide(means[1], means[0]))
    nan = float("nan")
    return {
        "human": means[0],
        "model": means[1],
        "std_error": metric.inference.std_error,
        "ratio": ratio,
        "ci_low": nan,
        "ci_high": nan,
        "p_value": metric.inference.p_value,
        "distance": metric.value,
        "band": metric.inference.floor,
        "share_human": nan,
        "share_model": nan,
        "count_human": sides[0].sum(),
        "count_model": sides[1].sum(),
    }
