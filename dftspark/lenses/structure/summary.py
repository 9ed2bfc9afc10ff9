"""All measures of structure as one: is anything off, how much of it, and by how much on average.

The omnibus is the squared difference of all rates, each in units of the spread between documents,
without what sampling adds to it. Many small tells add up in it: it needs far fewer documents than
the clearest single measure.

Cost     a few milliseconds, except for the interval of the tell size
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks, halves
from dftspark.inference.gram import Gram, between_blocks, gram
from dftspark.inference.halves import Parts, Splits
from dftspark.inference.intervals import Design, Inferred, agreeing, jackknife, no_inference
from dftspark.inference.null_moments import moments
from dftspark.inference.permutation import upper
from dftspark.inference.proportions import NORMAL_95
from dftspark.inference.squared import infer_grams, tell_sizes
from dftspark.lenses.metric import Metric
from dftspark.lenses.structure.rates import Rates

Floats = NDArray[np.float64]
_Measure = Callable[[Floats, Floats], Floats]

_CASES = 20.0  # expected documents with a measure at the tell size; with fewer it is left out
_PASSES = 6
_PRIOR = 5.0  # effective occurrences that draw a factor towards 1


def summary(
    of: Rates, clusters: tuple[float, float], design: Design, splits: Splits
) -> list[Metric]:
    """Returns structure_omnibus, structure_outside and structure_factor of all judged measures.

    structure_omnibus  mean over measures of the squared difference in units of the spread between
                       clusters, unbiased: 0 at equality, and it may be a little below
    structure_outside  share of measures whose difference leaves the human band; 5% at equality
    structure_factor   typical factor by which a rate differs, rare measures shrunk; 1 at equality
    """
    count = blocks.adapt(int(min(clusters)))
    units = ("squared sd", "share of measures", "factor")
    names = ("structure_omnibus", "structure_outside", "structure_factor")
    if not count or not of.judged.any():
        return [
            Metric(name, math.nan, unit, no_inference(count))
            for name, unit in zip(names, units, strict=True)
        ]
    whole = _omnibus(of, clusters, design, splits)
    drawn = _Relabeled.of(of, count, design)
    p = whole.inference.p_value
    outside = drawn.metric(names[1], units[1], drawn.outside, None, design)
    factor = drawn.metric(names[2], units[2], partial(_factor, of), p, design)
    return [whole, replace(outside, parts=_outside_parts(of, splits)), factor]


def products_of(of: Rates, chosen: NDArray[Any] | list[int], scale: Floats) -> Gram:
    """Returns products of blocks' residuals from common rates, for measures `chosen`, scaled."""
    documents = of.human.documents, of.model.documents
    human, model = (
        each[:, chosen] * scale * size.sum()
        for each, size in zip(of.residuals(), documents, strict=True)
    )
    return gram(human, model, *documents)


def _coordinates(of: Rates, variance: Floats, kept: NDArray[np.bool_]) -> Gram:
    """Does the same as a mean over measures, each over the root of its `variance` `(R,)`."""
    return products_of(of, kept, 1 / np.sqrt(variance[kept] * kept.sum()))


def _under_one_source(of: Rates) -> Floats:
    """Returns the variance of each rate's difference `(R,)`, whichever side a block is of."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(of.score.spread * (1 / of.human.size + 1 / of.model.size))


def _omnibus(of: Rates, clusters: tuple[float, float], design: Design, splits: Splits) -> Metric:
    per_cluster = _under_one_source(of) / (1 / clusters[0] + 1 / clusters[1])
    products = _coordinates(of, per_cluster, of.judged)
    value = _square(products, design)
    found = infer_grams([products], value=value, clusters=clusters, design=design)
    size, low, high = _tell(of, clusters, design, found.p_value)
    found = replace(found, n_tell=size, n_tell_low=low, n_tell_high=high)
    on_parts = halves.parts(partial(between_blocks, products, paired=design.paired), splits)
    return Metric("structure_omnibus", value, "squared sd", found, on_parts)


def _tell(
    of: Rates, clusters: tuple[float, float], design: Design, p: float
) -> tuple[float, float, float]:
    """Returns the tell size from spreads within sides, without what the difference adds."""
    with np.errstate(invalid="ignore", divide="ignore"):
        within = sum(
            side.own_squares / side.size**2 * number / 2
            for side, number in zip((of.human, of.model), clusters, strict=True)
        )
    within = np.asarray(within)
    share = np.mean(
        [side.present.sum(axis=0) / side.documents.sum() for side in (of.human, of.model)], axis=0
    )
    usable = np.isfinite(within) & (within > 0)
    documents = (of.human.documents.sum() + of.model.documents.sum()) / sum(clusters)
    kept = of.judged & usable
    if not kept.any():
        return math.nan, math.nan, math.nan
    for _ in range(_PASSES if p <= 0.05 else 0):
        products = _coordinates(of, within, kept)
        size = moments(products, clusters, paired=design.paired).tell(_square(products, design))
        if not math.isfinite(size):
            break
        wanted = usable & (share * 2 * size * documents >= _CASES)
        if not wanted.any() or (wanted == kept).all():
            break
        kept = wanted
    products = _coordinates(of, within, kept)
    return tell_sizes(products, _square(products, design), p, clusters, paired=design.paired)


def _square(products: Gram, design: Design) -> float:
    both = blocks.sides(products.blocks)
    return float(between_blocks(products, *both, paired=design.paired)[0])


@dataclass(frozen=True, eq=False)
class _Relabeled:
    """Each side's rates less the common ones, over both: as they are, without each block, and under
    relabelings of the blocks; `(R,)`, `(S, R)` and `(permutations, R)`.
    """

    rates: Rates
    whole: tuple[Floats, Floats]
    left_out: tuple[Floats, Floats]
    drawn: tuple[Floats, Floats]

    @classmethod
    def of(cls, rates: Rates, count: int, design: Design) -> _Relabeled:
        human, model = (blocks.coarsen(each[:, rates.judged], count) for each in rates.residuals())
        both = np.concatenate([human, model])
        rng = np.random.default_rng(design.seed).spawn(1)[0]
        first, second = blocks.relabelings(count, design.permutations, rng, paired=design.paired)
        left = [(each.sum(axis=0) - each) * count / (count - 1) for each in (human, model)]
        return cls(
            rates,
            (human.sum(axis=0), model.sum(axis=0)),
            (left[0], left[1]),
            (first @ both, second @ both),
        )

    def outside(self, human: Floats, model: Floats) -> Floats:
        spread = np.sqrt(_under_one_source(self.rates)[self.rates.judged])
        return np.asarray((np.abs(model - human) > NORMAL_95 * spread).mean(axis=-1))

    def metric(
        self, name: str, unit: str, measure: _Measure, p: float | None, design: Design
    ) -> Metric:
        value = float(measure(*self.whole))
        null = np.asarray(measure(*self.drawn))
        if p is None:
            p = (1 + int((null >= value).sum())) / (len(null) + 1)
        error, low, high = jackknife(np.asarray(measure(*self.left_out)), value, design.confidence)
        floor = agreeing(upper(null), value, p)
        found = Inferred(
            std_error=error,
            ci_low=low,
            ci_high=high,
            p_value=p,
            floor=floor,
            blocks=len(self.left_out[0]),
        )
        return Metric(name, value, unit, found)


def _factor(of: Rates, human: Floats, model: Floats) -> Floats:
    """Returns exp of the root mean squared log ratio, less what chance adds to it, for each row."""
    kept = of.judged
    rate, design = of.rate[kept], of.score.design[kept]
    logs, chance = [], np.zeros(len(rate))
    for side, beyond in ((of.human, human), (of.model, model)):
        expected = rate * side.size[kept] / design
        found = expected * np.maximum(1 + beyond / rate, 0.0)
        logs.append(np.log((found + _PRIOR) / (expected + _PRIOR)))
        chance = chance + expected / (expected + _PRIOR) ** 2
    squares = ((logs[1] - logs[0]) ** 2 - chance).mean(axis=-1)
    return np.asarray(np.exp(np.sqrt(np.maximum(squares, 0.0))))


def _outside_parts(of: Rates, splits: Splits) -> Parts | None:
    """Evaluates the share on parts of the blocks, where smaller parts have more variable rates."""
    human, model = (each[:, of.judged] for each in of.residuals())
    spread = np.sqrt(_under_one_source(of)[of.judged])

    def outside(first: Floats, second: Floats) -> Floats:
        own, other = first[:, : blocks.MOST], second[:, blocks.MOST :]
        scale = np.sqrt(blocks.MOST / own.sum(axis=1))[:, None]
        return np.asarray(
            (np.abs(other @ model - own @ human) * scale > NORMAL_95 * spread).mean(axis=1)
        )

    return halves.parts(outside, splits)
