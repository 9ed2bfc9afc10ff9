"""Rates and means of the structure lens: values, tests, bands and intervals of ratios, all at once.

Cost     some ten thousand additions and a test a measure, whatever the corpora
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.inference import blocks
from dftspark.inference.effective_counts import (
    FEWEST_CLUSTERS,
    FEWEST_EXPECTED,
    Score,
    Squares,
    score,
)
from dftspark.lenses.structure import measures
from dftspark.lenses.structure.catalogue import OTHER_SCRIPT, StructureMeasure
from dftspark.lenses.structure.document_vectors import columns
from dftspark.lenses.structure.statistic import StructureSums

Floats = NDArray[np.float64]

_OWN = 20.0  # documents at which a side's own design effect weighs as much as the common one


@dataclass(frozen=True, eq=False)
class BlockRates:
    """Numerators, denominators, and documents that have any, by raw block `(64, R)`; and all
    documents `(64,)`.
    """

    top: Floats
    bottom: Floats
    present: Floats
    documents: Floats

    @cached_property
    def count(self) -> Floats:
        return np.asarray(self.top.sum(axis=0))

    @cached_property
    def size(self) -> Floats:
        return np.asarray(self.bottom.sum(axis=0))

    @cached_property
    def filled(self) -> Floats:
        return np.asarray((self.bottom > 0).sum(axis=0), np.float64)

    def residual(self, rate: Floats) -> Floats:
        """Returns the excess of each block over its share of `rate` `(R,)`: `(64, R)`."""
        return self.top - rate * self.bottom

    @cached_property
    def own_squares(self) -> Floats:
        """The variance of the numerator about the side's own rate, `(R,)`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = (self.residual(self.count / self.size) ** 2).sum(axis=0)
            return np.asarray(squares * self.filled / (self.filled - 1))


@dataclass(frozen=True, eq=False)
class Rates:
    """The measures `chosen` of a pair, their rates under one source and their test."""

    chosen: list[StructureMeasure]
    human: BlockRates
    model: BlockRates
    rate: Floats  # of both sides together
    score: Score

    @cached_property
    def present(self) -> Floats:
        """The number of documents of both sides that have any, `(R,)`."""
        return np.asarray(self.human.present.sum(axis=0) + self.model.present.sum(axis=0))

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """True for measures with enough cases for a test, `(R,)`."""
        return (
            (self.present >= FEWEST_CLUSTERS)
            & (self.score.expected >= FEWEST_EXPECTED)
            & np.isfinite(self.score.p)
            & (self.human.filled > 1)
            & (self.model.filled > 1)
        )

    def residuals(self) -> tuple[Floats, Floats]:
        """Returns residuals by block `(64, R)`, each side over its size: they sum to the rate less
        the common one.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            human, model = (
                side.residual(self.rate) / side.size for side in (self.human, self.model)
            )
        return human, model


def rates_of(chosen: list[StructureMeasure], human: StructureSums, model: StructureSums) -> Rates:
    script = _script(human)
    h, m = (_side(chosen, side, script) for side in (human, model))
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = (h.count + m.count) / (h.size + m.size)
        present = h.present.sum(axis=0) + m.present.sum(axis=0)
        squares = [
            Squares(side.count, (side.residual(rate) ** 2).sum(axis=0), side.size, side.filled)
            for side in (h, m)
        ]
        own = [np.minimum(present * side.size / (h.size + m.size), side.filled) for side in (h, m)]
    return Rates(chosen, h, m, rate, score(squares[0], squares[1], own[0], own[1]))


def compared_rates(of: Rates, count: int, confidence: float) -> dict[str, NDArray[Any]]:
    """Returns by name, for each measure `(R,)`, the values of structure.Row for rates. The standard
    error uses `count` blocks; tests and ratios use all.
    """
    h, m = of.human, of.model
    is_mean = np.array([measure.kind == "mean" for measure in of.chosen])
    scale = np.array([measure.scale for measure in of.chosen])
    unknown = np.full(len(of.chosen), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = m.count / m.size - h.count / h.size
        shares = [side.present.sum(axis=0) / side.documents.sum() for side in (h, m)]
        counts = [np.round(side.count / np.where(is_mean, 1, scale)) for side in (h, m)]
        out = {
            "human": h.count / h.size,
            "model": m.count / m.size,
            "distance": np.abs(difference),
            "count_human": counts[0],
            "count_model": counts[1],
            "share_human": np.where(is_mean, np.nan, shares[0]),
            "share_model": np.where(is_mean, np.nan, shares[1]),
        }
        out |= dict.fromkeys(
            ("std_error", "ratio", "ci_low", "ci_high", "p_value", "band"), unknown
        )
        log_ratio, reach = _ratio(of, confidence)
        nowhere = h.count + m.count == 0
        out["ratio"] = np.where(nowhere, np.nan, np.exp(log_ratio))
        if count:
            out["std_error"] = _jackknife_error(of, count)
            out["p_value"], band = _test(of)
            low, high = np.exp(log_ratio - reach), np.exp(log_ratio + reach)
            out["ci_low"] = np.where(nowhere, np.nan, np.where(m.count == 0, 0.0, low))
            out["ci_high"] = np.where(nowhere, np.nan, np.where(h.count == 0, np.inf, high))
            told = out["p_value"] < 0.05
            below = np.nextafter(out["distance"], -np.inf)
            out["band"] = np.where(told, np.minimum(band, below), np.maximum(band, out["distance"]))
    return out


def _test(of: Rates) -> tuple[Floats, Floats]:
    """Returns p and the difference at which it would be .05; nan for measures not judged."""
    size = of.human.size + of.model.size
    degrees = np.maximum(of.human.filled + of.model.filled - 2, 1)
    p = 2 * special.stdtr(degrees, -np.abs(of.score.z))
    band = special.stdtrit(degrees, 0.975) * np.sqrt(of.score.variance)
    band = band * size / (of.human.size * of.model.size)
    return np.where(of.judged, p, np.nan), np.where(of.judged, band, np.nan)


def _ratio(of: Rates, confidence: float) -> tuple[Floats, Floats]:
    """Returns the log of model / human with half an effective occurrence added to each, and its
    half-width.
    """
    logs, variance = [], np.zeros(len(of.chosen))
    for side in (of.human, of.model):
        own = np.where(side.count > 0, side.own_squares / side.count, 0.0)
        present = side.present.sum(axis=0)
        weight = present / (present + _OWN)
        design = weight * own + (1 - weight) * np.fmax(own, of.score.design)
        effective = side.count / design + 0.5
        logs.append(np.log(effective * design / side.size))
        variance = variance + 1 / effective
    degrees = np.maximum(np.minimum(of.human.filled, of.model.filled) - 1, 1)
    reach = special.stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(variance)
    return logs[1] - logs[0], np.asarray(reach)


def _jackknife_error(of: Rates, count: int) -> Floats:
    left = []
    for side in (of.human, of.model):
        top, bottom = blocks.coarsen(side.top, count), blocks.coarsen(side.bottom, count)
        left.append((side.count - top) / (side.size - bottom))
    difference = left[1] - left[0]
    squares = ((difference - difference.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((count - 1) / count * squares))


def _side(chosen: list[StructureMeasure], side: StructureSums, script: int) -> BlockRates:
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
    top, bottom, any_of = (
        np.stack(each, axis=1).astype(np.float64) for each in (tops, bottoms, present)
    )
    return BlockRates(top * scales, bottom, any_of, side.counts[:, 0].astype(np.float64))


def _script(human: StructureSums) -> int:
    """Returns the script of most words of the human side."""
    index = {name: i for i, name in enumerate(columns())}
    scripts = [int(human.counts[:, index[f"words_{name}"]].sum()) for name in measures.SCRIPTS]
    return int(np.argmax(scripts))
