"""The structure lens: every measure of a pair of corpora, with its interval and its human band.

Cost     milliseconds a pair, whatever the corpora; the distributions' tests are most of it
Source   statistics.md 3 and 5.4: block jackknife, and variances under equality for the tests
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dftspark import config
from dftspark.distances.wasserstein import steps, wasserstein
from dftspark.features import measures
from dftspark.features.document_vectors import columns
from dftspark.inference import blocks
from dftspark.inference.estimate import infer
from dftspark.inference.intervals import Inference, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.permutation import upper
from dftspark.inference.proportion import wilson
from dftspark.lenses.metric import Metric
from dftspark.lenses.structure_measures import OTHER_SCRIPT, Measure, all_measures, labeled
from dftspark.stats.structure import CLUSTERS, StructureSums

Floats = NDArray[np.float64]

TESTED_DOCUMENTS = 20  # of both sides together that have it, or it is neither tested nor judged
BAND = 0.95


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
    rows: list[Row]
    metrics: list[Metric]


def compared(
    human: StructureSums, model: StructureSums, *, paired: bool, settings: config.Inference
) -> Compared:
    """Rows in the order of `all_measures`; metrics are the distributions' distances and the
    summary: the share of measures outside the human band, and by which factor on average."""
    count = blocks.adapt(min(len(human.clusters), len(model.clusters)))
    factor = _band_factor(human, model)
    rates = [m for m in all_measures() if m.kind != "distribution"]
    found = _rates(rates, human, model, count, factor, settings)
    distances = [
        _distribution(i, human, model, count, paired, settings)
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
        values = _spread(i, metric, human, model, factor * _distribution_band(i, human, settings))
        rows.append(_row(m, values, q_values[len(rates) + i]))
    return Compared(rows, [*distances, *_summary(rows, found, count, settings)])


def _row(measure: Measure, values: dict[str, Any], q_value: float) -> Row:
    right, number = labeled().get(measure.id, (0, 0)) if measure.kind == "pattern" else (0, 0)
    low, high = wilson(right, number)
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


def _clusters(side: StructureSums) -> float:
    """How many clusters: exact below CLUSTERS, else estimated from the least hashes."""
    if len(side.clusters) < CLUSTERS:
        return float(len(side.clusters))
    return (CLUSTERS - 1) * 2.0**64 / float(side.clusters[-1])


def _band_factor(human: StructureSums, model: StructureSums) -> float:
    """What widens the band where the model side is so small that its own noise would leave it.

    Halves of n clusters differ with variance 4 v / n, a side of m from one of n with
    v / n + v / m.
    """
    n, m = _clusters(human), _clusters(model)
    return float(np.sqrt(max(1.0, n / 4 * (1 / n + 1 / m)))) if n and m else float("nan")


# --- rates and means -----------------------------------------------------------------------------


def _sides(
    chosen: list[Measure], side: StructureSums, script: int
) -> tuple[Floats, Floats, Floats]:
    """By block: numerators, denominators and documents that have any, `(64, R)` each."""
    index = {name: i for i, name in enumerate(columns())}
    tops: list[NDArray[Any]] = []
    bottoms: list[NDArray[Any]] = []
    present: list[NDArray[Any]] = []
    for m in chosen:
        if m.kind == "mean":
            at = measures.MEANS.index(m.id)
            tops.append(side.means[:, at] / measures.ONE)
            bottoms.append(side.defined[:, at])
            present.append(side.defined[:, at])
        elif m.id == OTHER_SCRIPT:
            scripts = side.counts[:, [index[f"words_{name}"] for name in measures.SCRIPTS]]
            tops.append(scripts.sum(axis=1) - scripts[:, script])
            bottoms.append(side.counts[:, index[m.denominator]])
            present.append(side.counts[:, index[f"documents_not_{measures.SCRIPTS[script]}"]])
        else:
            tops.append(side.counts[:, index[m.numerator]])
            bottoms.append(side.counts[:, index[m.denominator]])
            present.append(side.present[:, index[m.numerator]])
    scales = np.array([m.scale for m in chosen])
    top, bottom, any_of = (np.stack(each, axis=1).astype(np.float64)
                           for each in (tops, bottoms, present))  # fmt: skip
    return top * scales, bottom, any_of


def _rates(
    chosen: list[Measure],
    human: StructureSums,
    model: StructureSums,
    count: int,
    factor: float,
    settings: config.Inference,
) -> dict[str, NDArray[Any]]:
    index = {name: i for i, name in enumerate(columns())}
    scripts = [int(human.counts[:, index[f"words_{name}"]].sum()) for name in measures.SCRIPTS]
    script = int(np.argmax(scripts))
    sides = [_sides(chosen, side, script) for side in (human, model)]
    is_mean = np.array([m.kind == "mean" for m in chosen])
    scale = np.array([m.scale for m in chosen])
    half = np.where(is_mean, 0.0, scale / 2)
    documents = [side.counts[:, 0].sum() for side in (human, model)]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [top.sum(0) / bottom.sum(0) for top, bottom, _ in sides]
        shares = [present.sum(0) / n for (_, _, present), n in zip(sides, documents, strict=True)]
        ratio = _log_ratio(sides[0][0].sum(0), sides[0][1].sum(0), sides[1][0].sum(0),
                           sides[1][1].sum(0), half)  # fmt: skip
        nowhere = sides[0][0].sum(0) + sides[1][0].sum(0) == 0
        ratio[nowhere] = np.nan
        present = sides[0][2].sum(0) + sides[1][2].sum(0)
        counts = [np.round(top.sum(0) / np.where(is_mean, 1, scale)) for top, _, _ in sides]
        difference = values[1] - values[0]
        out = {
            "human": values[0], "model": values[1], "ratio": np.exp(ratio),
            "distance": np.abs(difference), "count_human": counts[0], "count_model": counts[1],
            "share_human": np.where(is_mean, np.nan, shares[0]),
            "share_model": np.where(is_mean, np.nan, shares[1]),
        }  # fmt: skip
        unknown = np.full(len(chosen), np.nan)
        out |= dict.fromkeys(("std_error", "ci_low", "ci_high", "p_value", "band"), unknown)
        if count:
            merged = [
                [blocks.coarsen(array, count) for array in (top, bottom)]
                for top, bottom, _ in sides
            ]
            out |= _uncertainty(merged, difference, ratio, half, count, settings)
            first, second = _between_halves(sides[0][0], sides[0][1], human, settings)
            out |= {"halves": np.abs(first - second).T, "half_ratios": (first / second).T}
            out["band"] = factor * np.array([upper(distance) for distance in out["halves"]])
            out["p_value"] = np.where(present >= TESTED_DOCUMENTS, out["p_value"], np.nan)
    return out


def _between_halves(
    top: Floats, bottom: Floats, human: StructureSums, settings: config.Inference
) -> tuple[Floats, Floats]:
    """Rates of random halves of the human side's blocks, of which it has its own number, so that
    a small model side does not make the band coarse."""
    count = blocks.adapt(len(human.clusters))
    rng = np.random.default_rng(settings.seed)
    first, second = (group[:, :count] for group in blocks.human_halves(count, settings.splits, rng))
    top, bottom = blocks.coarsen(top, count), blocks.coarsen(bottom, count)
    return (first @ top) / (first @ bottom), (second @ top) / (second @ bottom)


def _log_ratio(
    h_top: Floats, h_bottom: Floats, m_top: Floats, m_bottom: Floats, half: Floats
) -> Floats:
    return np.asarray(np.log((m_top + half) / m_bottom) - np.log((h_top + half) / h_bottom))


def _uncertainty(
    merged: list[list[Floats]],
    difference: Floats,
    ratio: Floats,
    half: Floats,
    count: int,
    settings: config.Inference,
) -> dict[str, NDArray[Any]]:
    (h_top, h_bottom), (m_top, m_bottom) = merged
    left = [whole.sum(0) - whole for whole in (h_top, h_bottom, m_top, m_bottom)]
    reach = float(stats.t.ppf((1 + settings.confidence) / 2, count - 1))
    left_difference = left[2] / left[3] - left[0] / left[1]
    left_ratio = _log_ratio(left[0], left[1], left[2], left[3], half)
    error, log_error = _jackknife_error(left_difference), _jackknife_error(left_ratio)
    # Under equality both sides have the pooled rate: residuals about it, not about each side's own,
    # keep the level where occurrences are few.
    pooled = (h_top.sum(0) + m_top.sum(0)) / (h_bottom.sum(0) + m_bottom.sum(0))
    residual = (m_top - pooled * m_bottom) / m_bottom.sum(0)
    residual -= (h_top - pooled * h_bottom) / h_bottom.sum(0)
    spread = residual - residual.mean(axis=0)
    under_equality = np.sqrt(count / (count - 1) * (spread**2).sum(axis=0))
    t = np.where(under_equality > 0, difference / under_equality, np.nan)
    return {
        "std_error": error,
        "ci_low": np.exp(ratio - reach * log_error),
        "ci_high": np.exp(ratio + reach * log_error),
        "p_value": 2 * stats.t.sf(np.abs(t), count - 1),
        "left_distance": np.abs(left_difference).T,
        "left_ratio": left_ratio.T,
    }


def _jackknife_error(left_out: Floats) -> Floats:
    count = len(left_out)
    squares = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((count - 1) / count * squares))


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
    if count and np.isfinite(value):
        data = [blocks.coarsen(steps(side, h.width), count) for side in sides]
        data += [blocks.coarsen(side.sum(axis=1), count) for side in sides]
        found = infer(
            wasserstein, *data, value=value, paired=paired, permutations=settings.permutations,
            splits=settings.splits, confidence=settings.confidence, seed=settings.seed,
        )  # fmt: skip
    return Metric(f"wasserstein_{h.id}", value, h.unit, found)


def _distribution_band(i: int, human: StructureSums, settings: config.Inference) -> float:
    if not blocks.adapt(len(human.clusters)):
        return float("nan")
    bins = _bins(human, i)
    top = steps(bins, measures.HISTOGRAMS[i].width)
    bottom = np.repeat(bins.sum(axis=1)[:, None], top.shape[1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return upper(wasserstein(*_between_halves(top, bottom, human, settings)))


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
