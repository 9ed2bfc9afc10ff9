"""The structure lens: every measure of a pair of corpora, with its interval and its human band.

Cost     milliseconds a pair, whatever the corpora; the distributions' tests are most of it
Source   intervals by the block jackknife, tests with the variances that hold under equality
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark import config
from dftspark.distances.wasserstein import steps, wasserstein
from dftspark.features import measures
from dftspark.inference import blocks, halves
from dftspark.inference.estimate import infer, on_groups
from dftspark.inference.halves import Parts, Splits
from dftspark.inference.intervals import Inference, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.permutation import upper
from dftspark.inference.proportions import wilson
from dftspark.lenses.metric import Metric
from dftspark.lenses.structure_bands import Floats, band_factor, between_halves, upper_draw, widened
from dftspark.lenses.structure_measures import Measure, all_measures, labeled
from dftspark.lenses.structure_rates import compared_rates, rate_parts
from dftspark.stats.structure import StructureSums

_NONE = Splits()


@dataclass(frozen=True)
class Row:
    """One measure of a pair; differences are model minus human, nan is what cannot be said.

    human, model          value on each side, in the measure's unit
    ratio                 model / human, half an occurrence added to each count, and its interval
    distance              |model - human|, for a distribution its Wasserstein distance
    band                  95% quantile of that between random halves of the human side
    outside               distance > band, of what enough documents have to be tested
    share_human, _model   share of documents that have any; nan for means and distributions
    """

    measure: Measure
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
class Compared:
    """rows in the order of `all_measures`; metrics are the distributions' distances and the
    summary: the share of measures outside the human band, and by which factor on average; rates
    are |model - human| of the measures that a sweep follows, `rate_MEASURE`."""

    rows: list[Row]
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
) -> Compared:
    """With `splits`, metrics and the rates `followed` are taken on parts of the blocks too."""
    count = blocks.adapt(min(len(human.clusters), len(model.clusters)))
    factor = band_factor(human, model)
    rates = [m for m in all_measures() if m.kind != "distribution"]
    found = compared_rates(rates, human, model, count, factor, settings)
    distances = [
        _distribution(i, human, model, count, paired, settings, splits)
        for i in range(len(measures.HISTOGRAMS))
    ]
    p_values = np.r_[found["p_value"], [metric.inference.p_value for metric in distances]]
    q_values = benjamini_hochberg(p_values)
    rows = [
        _row(m, {name: column[i] for name, column in found.items()}, q_values[i])
        for i, m in enumerate(rates)
    ]
    spread = [m for m in all_measures() if m.kind == "distribution"]
    for i, (m, metric) in enumerate(zip(spread, distances, strict=True)):
        values = _spread(i, metric, human, model, _distribution_band(i, human, factor, settings))
        rows.append(_row(m, values, q_values[len(rates) + i]))
    on_parts = rate_parts(rates, human, model, splits) if count else {}
    summary = _summary(rows, found, count, settings)
    summary[0] = replace(summary[0], parts=_outside_parts(rows, on_parts, distances))
    chosen = [row for row in rows if row.measure.id in followed]
    return Compared(
        rows, [*distances, *summary], [_rate(row, on_parts, count, settings) for row in chosen]
    )


def _rate(row: Row, on_parts: dict[str, Parts], count: int, settings: config.Inference) -> Metric:
    found = no_inference(count)
    if count:
        reach = float(special.stdtrit(count - 1, (1 + settings.confidence) / 2)) * row.std_error
        low, high = max(row.distance - reach, 0.0), row.distance + reach
        found = Inference(
            row.std_error, low, high, row.p_value, row.band, float("nan"), count
        )  # fmt: skip
    name = f"rate_{row.measure.id}"
    return Metric(name, row.distance, row.measure.unit, found, on_parts.get(row.measure.id))


def _outside_parts(
    rows: list[Row], rates: dict[str, Parts], distances: list[Metric]
) -> Parts | None:
    """The share of measures outside on parts of the blocks, among those judged on all of them and
    against the same bands; half as many documents leave more outside."""
    of = rates | {
        metric.name.removeprefix("wasserstein_"): metric.parts for metric in distances
        if metric.parts is not None
    }  # fmt: skip
    judged = [row for row in rows if np.isfinite(row.band) and np.isfinite(row.p_value)]
    if not of or not judged:
        return None
    known = [(of[row.measure.id], row.band) for row in judged if row.measure.id in of]
    return Parts(
        np.mean([parts.left_out > band for parts, band in known], axis=0),
        np.mean([parts.halves > band for parts, band in known], axis=0),
    )


def _row(measure: Measure, values: dict[str, Any], q_value: float) -> Row:
    right, number = labeled().get(measure.id, (0, 0)) if measure.kind == "pattern" else (0, 0)
    low, high = wilson(right / max(number, 1), number)
    distance, band = float(values["distance"]), float(values["band"])
    numbers: dict[str, Any] = {
        name: int(value) if name.startswith("count") else float(value)
        for name, value in values.items()
        if name in Row.__dataclass_fields__ and name not in ("distance", "band")
    }
    return Row(
        measure=measure,
        q_value=float(q_value),
        outside=bool(distance > band and np.isfinite(values["p_value"])),
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
    i: int,
    human: StructureSums,
    model: StructureSums,
    count: int,
    paired: bool,
    settings: config.Inference,
    splits: Splits,
) -> Metric:
    h = measures.HISTOGRAMS[i]
    sides = [_bins(side, i) for side in (human, model)]
    sizes = [side.sum() for side in sides]
    with np.errstate(invalid="ignore"):
        value = float(
            wasserstein(*(steps(side.sum(0), h.width) / n
                          for side, n in zip(sides, sizes, strict=True)))
        )  # fmt: skip
    found: Inference = no_inference(count)
    on_parts = None
    if count and np.isfinite(value):
        raw = [*(steps(side, h.width) for side in sides), *(side.sum(axis=1) for side in sides)]
        on_parts = halves.parts(on_groups(wasserstein, *raw), splits)
        data = [blocks.coarsen(each, count) for each in raw]
        found = infer(
            wasserstein, *data, value=value, paired=paired, permutations=settings.permutations,
            splits=settings.splits, confidence=settings.confidence, seed=settings.seed,
        )  # fmt: skip
    return Metric(f"wasserstein_{h.id}", value, h.unit, found, on_parts)


def _distribution_band(
    i: int, human: StructureSums, factor: float, settings: config.Inference
) -> float:
    count = blocks.adapt(len(human.clusters))
    if not count:
        return float("nan")
    bins = _bins(human, i)
    top = steps(bins, measures.HISTOGRAMS[i].width)
    bottom = np.repeat(bins.sum(axis=1)[:, None], top.shape[1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        null = wasserstein(*between_halves(top, bottom, human, settings))
    return float(widened(factor, count - 1)) * upper_draw(np.asarray(null))


def _spread(
    i: int, metric: Metric, human: StructureSums, model: StructureSums, band: float
) -> dict[str, Any]:
    h = measures.HISTOGRAMS[i]
    centers = h.first + h.width * (np.arange(h.bins) + (0.5 if h.width != 1 else 0.0))
    sides = [_bins(side, i).sum(0) for side in (human, model)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [float(side @ centers / side.sum()) for side in sides]
        ratio = float(np.divide(means[1], means[0]))
    nan = float("nan")
    return {
        "human": means[0], "model": means[1], "std_error": metric.inference.std_error,
        "ratio": ratio, "ci_low": nan, "ci_high": nan, "p_value": metric.inference.p_value,
        "distance": metric.value, "band": band,
        "share_human": nan, "share_model": nan,
        "count_human": sides[0].sum(), "count_model": sides[1].sum(),
    }  # fmt: skip


# --- summary -------------------------------------------------------------------------------------


def _summary(
    rows: list[Row], found: dict[str, NDArray[Any]], count: int, settings: config.Inference
) -> list[Metric]:
    """How many measures lie outside the human band, and by which factor on average.

    structure_outside  share of the measures with enough documents that lie outside; its floor is
                       the 95% quantile of the same between halves of the human side
    structure_factor   geometric mean of model / human, or its inverse where below 1, over those
                       outside that are no distributions; 1 where none is; its floor is that of
                       the same measures between halves of the human side
    """
    judged = np.array([np.isfinite(row.band) and np.isfinite(row.p_value) for row in rows])
    outside = np.array([row.outside for row in rows])
    share = float(outside[judged].mean()) if judged.any() else float("nan")
    rates = len(found["human"])
    known, out = judged[:rates], (outside & judged)[:rates]
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.abs(np.log(found["ratio"][out]))
    factor = float(_factor(logs[:, None])[0]) if judged.any() else float("nan")
    if not count:
        nothing = no_inference(count)
        return [
            Metric("structure_outside", share, "share of measures", nothing),
            Metric("structure_factor", factor, "factor", nothing),
        ]
    spread = judged[rates:].sum(), outside[rates:].sum()
    bands = found["band"][known, None]
    left = ((found["left_distance"][known] > bands).sum(axis=0) + spread[1]) / judged.sum()
    null = (found["halves"][known] > bands).mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left_logs = np.abs(found["left_ratio"][out])
        null_logs = np.abs(np.log(found["half_ratios"][out]))
    return [
        _summarized("structure_outside", share, "share of measures", left, null, settings),
        _summarized(
            "structure_factor", factor, "factor", _factor(left_logs), _factor(null_logs), settings
        ),
    ]


def _factor(logs: Floats) -> Floats:
    """exp of the mean over rows that are finite, `(R, n)` to `(n,)`; 1 without rows."""
    finite = np.isfinite(logs)
    number = finite.sum(axis=0)
    return np.asarray(np.exp(np.where(finite, logs, 0.0).sum(axis=0) / np.maximum(number, 1)))


def _summarized(
    name: str, value: float, unit: str, left: Floats, null: Floats, settings: config.Inference
) -> Metric:
    error, low, high = jackknife(left, value, settings.confidence)
    beyond = int((null >= value).sum())
    p = (1 + beyond) / (len(null) + 1)
    return Metric(
        name, value, unit, Inference(error, low, high, p, upper(null), float("nan"), len(left))
    )
