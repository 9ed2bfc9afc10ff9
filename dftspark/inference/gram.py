"""Gram matrices of block sums, and the squared distances that are read off them.

Block sums are first scaled to the same total size on both sides, so that unequal corpora weigh
alike in every relabeling; weighted by their sizes, equal sources would be rejected too often
(docs/limits.md). They are then centered at the rates of both sides together: with blocks of equal
size this changes nothing, with others it removes the part of their noise that points along the
rates.

Cost     (2S)^2 m multiplications for m coordinates; a square costs (2S)^2 more, whatever m
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference import blocks

Floats = NDArray[np.float64]

Sides = tuple[Floats, Floats, Floats, Floats]  # human, model, human sizes, model sizes

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Gram:
    """Products `(2S, 2S)` of centered block sums, and sizes `(2S,)`; each side's sizes sum to 1.

    Squares that differ by at most `rounding` are equal: centering has lost what lies below.
    """

    products: Floats
    sizes: Floats
    rounding: float = 0.0

    @property
    def blocks(self) -> int:
        """Blocks per side, S."""
        return len(self.sizes) // 2

    def coarsen(self, count: int) -> Gram:
        """Adds block j of either side into block j mod `count`."""
        sides = np.eye(2)
        merged = np.kron(sides, np.tile(np.eye(count), self.blocks // count))
        products = merged @ self.products @ merged.T
        return Gram(products, merged @ self.sizes, self.rounding)

    def without(self, block: int) -> Gram:
        """Leaves out block `block` of both sides; each side's sizes again sum to 1."""
        kept = np.delete(np.arange(2 * self.blocks), [block, self.blocks + block])
        sizes = self.sizes[kept]
        totals = np.repeat(sizes.reshape(2, -1).sum(axis=1), self.blocks - 1)
        totals[totals == 0] = np.nan
        products = self.products[np.ix_(kept, kept)] / np.outer(totals, totals)
        return Gram(products, sizes / totals, self.rounding)


def squared_replicates(products: Gram, *, paired: bool) -> Floats:
    """Returns the estimate without block j of either side, `(S,)`, for `intervals.jackknife`."""
    return between_blocks(products, *blocks.all_but_one(products.blocks), paired=paired)


def sampling_noise(products: Gram, *, paired: bool) -> float:
    """Returns what sampling adds to the plug-in |p - q|^2; subtract it from the exact square.

    A squared rate. `paired` counts what the two sides of a block share, which lowers it. From
    Count-Sketches its relative standard deviation is at most sqrt(2 / width). nan with an empty
    side.
    """
    both = blocks.sides(products.blocks)
    noise = plug_in(products, *both) - between_blocks(products, *both, paired=paired)
    return float(noise[0])


def gram(human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats) -> Gram:
    """Computes the Gram of block sums `(S, m)` and sizes `(S,)`; the m coordinates are n-grams, the
    buckets of one Count-Sketch, or random features.
    """
    return stratified_gram([(human, model, human_sizes, model_sizes)], [1.0])


def gram_of_products(products: Floats, sizes: Floats) -> Gram:
    """Computes `gram` where only products `(2S, 2S)` of block sums are known. Those of a kernel are
    sums of its values over all pairs of documents of two blocks. Sizes `(2S,)`, human blocks first.
    """
    count = len(sizes) // 2
    totals = np.repeat([sizes[:count].sum(), sizes[count:].sum()], count)
    totals[totals == 0] = np.nan
    shares = sizes / totals
    centering = np.eye(2 * count) - shares[:, None] / 2
    scaled = products / np.outer(totals, totals)
    return Gram(centering @ scaled @ centering.T, shares, _ROUNDING * float(np.trace(scaled)))


def stratified_gram(strata: Sequence[Sides], weights: Sequence[float]) -> Gram:
    """Computes the Gram of a weighted mean of strata, |sum of w (p - q)|^2 for any mix of a side.

    Each stratum has (human, model, human sizes, model sizes) as in `gram`, the same blocks, and is
    centered at its rates, so that uneven numbers of its documents across blocks add no noise.
    `weights` sum to 1.
    """
    totals, shares, rounding = None, None, 0.0
    for side, weight in zip(strata, weights, strict=True):
        sums, sizes = stacked(*side)
        rounding += weight**2 * _ROUNDING * float((sums**2).sum())
        sums -= sizes[:, None] * (sums.sum(axis=0) / 2)
        totals = weight * sums if totals is None else totals + weight * sums
        shares = weight * sizes if shares is None else shares + weight * sizes
    if totals is None or shares is None:
        raise ShapeError("no stratum is on both sides; compare all documents together")
    return Gram(totals @ totals.T, shares, rounding)


def between_documents(
    human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats, *, paired: bool
) -> float:
    """Returns |p - q|^2 without noise of the two sides as they are: the `value` of `infer_squared`.

    With blocks of equal size and unpaired, it is the plain mean over pairs of documents of unlike
    blocks of either side, less the mean over all pairs of both. Sides that share only some prompts
    need the centering: without it the paired form is off (docs/limits.md). Shapes, nan and errors
    as in `gram`.
    """
    both = blocks.sides(len(human))
    products = gram(human, model, human_sizes, model_sizes)
    return float(between_blocks(products, *both, paired=paired)[0])


def stacked(
    human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats
) -> tuple[Floats, Floats]:
    """Stacks sums `(2S, m)` and sizes `(2S,)` of both sides, each scaled to a total size of 1.

    nan on a side without size. Raises ShapeError.
    """
    if human.ndim != 2 or human.shape != model.shape or len(human) % 2:
        raise ShapeError(
            f"block sums have shapes {human.shape} and {model.shape}; give both sides the same "
            f"even number of blocks and the same coordinates"
        )
    if human_sizes.shape != (len(human),) or model_sizes.shape != (len(human),):
        raise ShapeError(
            f"block sizes have shapes {human_sizes.shape} and {model_sizes.shape}; give one size "
            f"for each of {len(human)} blocks"
        )
    totals = np.repeat([human_sizes.sum(), model_sizes.sum()], len(human)).astype(np.float64)
    totals[totals == 0] = np.nan
    sums = np.concatenate([human, model]) / totals[:, None]
    return sums, np.concatenate([human_sizes, model_sizes]) / totals


def between_blocks(products: Gram, first: Floats, second: Floats, *, paired: bool) -> Floats:
    """Returns |p - q|^2 without noise of two groups of blocks, `(R, 2S)` 0/1 weights each: `(R,)`.

    Unpaired, with c_j the sums and s_j the sizes of a group's blocks and s their sum, each group
    gives (|sum c_j|^2 - sum |c_j|^2) / (s^2 - sum s_j^2), less 2 p.q. Paired, with B_j the
    difference of both sides' shares of p and q in block j, (|p - q|^2 - sum |B_j|^2) / (1 - sum
    s_j^2), s_j the mean size of block j. nan where a group has not two filled blocks.
    """
    if paired:
        return _between_pairs(products, first, second)
    a, b = _sizes(products, first), _sizes(products, second)
    total = -2 * ((first @ products.products) * second).sum(axis=1) / (a * b)
    for group, size in ((first, a), (second, b)):
        all_pairs = ((group @ products.products) * group).sum(axis=1)
        same = group @ np.diag(products.products)
        pairs = size**2 - group @ products.sizes**2
        total += (all_pairs - same) / np.where(pairs > _ROUNDING * size**2, pairs, np.nan)
    return np.asarray(total)


def _between_pairs(products: Gram, first: Floats, second: Floats) -> Floats:
    """Computes the paired form; each group holds at most one side of a block."""
    size, partner = products.sizes, np.roll(second, products.blocks, axis=1)
    diagonal = np.diag(products.products)
    across = np.diag(np.roll(products.products, products.blocks, axis=1))
    a, b = _sizes(products, first), _sizes(products, second)
    same = first @ diagonal / a**2 + second @ diagonal / b**2
    same -= 2 * ((first * partner) @ across) / (a * b)
    share = first * size / a[:, None]
    share += np.roll(second * size / b[:, None], products.blocks, axis=1)
    pairs = 1 - ((share / 2) ** 2).sum(axis=1)
    pairs = np.where(pairs > _ROUNDING, pairs, np.nan)
    return np.asarray((plug_in(products, first, second) - same) / pairs)


def plug_in(products: Gram, first: Floats, second: Floats) -> Floats:
    """Returns |p - q|^2, with noise, of groups of blocks, `(R, 2S)` 0/1 weights each: `(R,)`."""
    weights = first / _sizes(products, first)[:, None]
    weights -= second / _sizes(products, second)[:, None]
    return np.asarray(((weights @ products.products) * weights).sum(axis=1))


def _sizes(products: Gram, group: Floats) -> Floats:
    size = group @ products.sizes
    return np.where(size > 0, size, np.nan)
