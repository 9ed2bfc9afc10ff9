"""Inference for the squared L2 distance without noise, from the Gram matrix of block sums.

The estimate is the mean product of block sums from unlike blocks, so nothing that clusters share
inside a block can bias it. Its p-value is the larger of two: from relabeled blocks, and from the
tail that the moments of one source give at these sizes. Relabeling alone rejects one source too
often where the sides are of unlike sizes, the moments alone where clusters are few.

Cost     (2S)^2 for a relabeling, whatever the coordinates
Source   block permutation: Domingo-Enrich, Dwivedi and Mackey (2025); for shared prompts the two
         sides of a block are exchanged, a sign-flip test of block differences
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks
from dftspark.inference.gram import Gram, between_blocks, gram, squared_replicates
from dftspark.inference.intervals import Design, Inferred, jackknife, no_inference
from dftspark.inference.null_moments import combined, moments, tell_interval
from dftspark.inference.permutation import distinct_relabelings, p_value, upper

Floats = NDArray[np.float64]

_UNTOLD = (math.nan, math.nan, math.nan)


def infer_squared(
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    *,
    value: float,
    clusters: tuple[float, float],
    design: Design,
    tells: bool = False,
) -> Inferred:
    """Infers |p - q|^2 without noise, from raw block sums `(S, m)` and sizes `(S,)`.

    Blocks may be empty; they are merged to as many as the `clusters` of the smaller side allow.
    `value` is the exact corrected square. It and the ends of its interval may be below 0. All nan
    below sixteen clusters. With `tells` n_tell has its value and interval.
    """
    return infer_grams(
        [gram(human, model, human_sizes, model_sizes)],
        value=value,
        clusters=clusters,
        design=design,
        tells=tells,
    )


def infer_grams(
    grams: Sequence[Gram],
    *,
    value: float,
    clusters: tuple[float, float],
    design: Design,
    weights: Sequence[float] = (1.0,),
    tells: bool = False,
) -> Inferred:
    """Infers a sum of squares times `weights`, each from a Gram of the same raw blocks.

    Arguments and nan as in `infer_squared`. A block is left out and relabeled in all Grams at once,
    so they may share clusters; only one Gram has a tell size.
    """
    count = blocks.adapt(int(min(clusters)))
    if not count or not all(np.isfinite(each.sizes).all() for each in grams):
        return no_inference(count)
    count = min(count, grams[0].blocks)
    coarse = [each.coarsen(count) for each in grams]

    def between(of: Sequence[Gram], groups: tuple[Floats, Floats]) -> Floats:
        found = [between_blocks(each, *groups, paired=design.paired) for each in of]
        return np.asarray(np.tensordot(np.asarray(weights, np.float64), np.stack(found), 1))

    rng = np.random.default_rng(design.seed).spawn(1)[0]
    error, low, high = jackknife(
        between(coarse, blocks.all_but_one(count)), value, design.confidence
    )
    drawn = between(
        coarse, blocks.relabelings(count, design.permutations, rng, paired=design.paired)
    )
    rounding = sum(w * each.rounding for w, each in zip(weights, grams, strict=True))
    relabeled = p_value(
        float(between(coarse, blocks.sides(count))[0]),
        drawn,
        distinct_relabelings(count, paired=design.paired),
        rounding,
    )
    null = combined(
        [moments(each, clusters, paired=design.paired).null() for each in grams], weights
    )
    p = max(null.p_value(value, rounding), relabeled)
    floor = null.quantile()
    if not relabeled < 0.05:
        floor = max(floor, upper(drawn), value)
    sizes = tell_sizes(grams[0], value, p, clusters, paired=design.paired) if tells else _UNTOLD
    return Inferred(
        std_error=error,
        ci_low=low,
        ci_high=high,
        p_value=p,
        floor=floor,
        mde=null.detectable(),
        n_tell=sizes[0],
        n_tell_low=sizes[1],
        n_tell_high=sizes[2],
        blocks=count,
    )


def tell_sizes(
    products: Gram, value: float, p: float, clusters: tuple[float, float], *, paired: bool
) -> tuple[float, float, float]:
    """Returns n_tell of the corrected square `value` of raw blocks, and its 95% interval.

    Where p > .05 no difference was detected: only the lower end is finite, "more than".
    """
    if math.isnan(p):
        return _UNTOLD
    if p > 0.05:
        low, _ = moments(products, clusters, paired=paired).tell_between(value)
        return math.inf, low, math.inf
    left_out = squared_replicates(products, paired=paired)
    shift = value - float(
        between_blocks(products, *blocks.sides(products.blocks), paired=paired)[0]
    )
    return tell_interval(products, clusters, value, left_out + shift, paired=paired)


def block_test(
    products: Gram, *, paired: bool, permutations: int, rng: np.random.Generator
) -> float:
    """Returns the p-value that both sides come from one source, by relabeling blocks alone."""
    return fused_test([products], paired=paired, permutations=permutations, rng=rng)


def fused_test(
    grams: Sequence[Gram], *, paired: bool, permutations: int, rng: np.random.Generator
) -> float:
    """Tests several kernels or bandwidths at once: returns the p-value of the largest of their
    squares, each over its standard deviation among all labelings, the observed one included.

    It is one test, at the level of one. Source: after MMD-FUSE, Biggs, Schrab and Gretton (2023).
    """
    count = grams[0].blocks
    groups = [
        np.concatenate(pair)
        for pair in zip(
            blocks.sides(count),
            blocks.relabelings(count, permutations, rng, paired=paired),
            strict=True,
        )
    ]
    largest, tie = np.full(len(groups[0]), -np.inf), 0.0
    for each in grams:
        values = between_blocks(each, groups[0], groups[1], paired=paired)
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else np.nan
        # A kernel without a spread above rounding tells nothing; alone, it shows that all is equal.
        scale = spread if spread > each.rounding else np.inf
        scale = 1.0 if len(grams) == 1 else scale
        largest = np.fmax(largest, values / scale)
        tie = max(tie, each.rounding / scale)
    distinct = distinct_relabelings(count, paired=paired)
    return p_value(float(largest[0]), largest[1:], distinct, tie)
