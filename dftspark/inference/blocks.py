"""Blocks of clusters: their number, how they merge, and how they are relabeled.

A block holds the clusters whose hash falls in it, on both sides alike; `human` and `model` below
are its sums, `(S, m)`, and their sizes (tokens or documents), `(S,)`. Groups of blocks are rows of
0/1 weights over the 2S blocks, the S of the human side first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]

MOST = 64
FEWEST = 8  # four paired blocks can be exchanged in 8 ways: no p below 1/8
CLUSTERS_PER_BLOCK = 2


def adapt(clusters: int) -> int:
    """Returns how many blocks suit the side with fewer clusters: a power of two in 8 .. 64, or 0.

    A block has at least two clusters on average; below sixteen clusters the number is 0, and there
    is no interval or test. Hashed clusters leave some blocks empty, which costs nothing
    (docs/limits.md).
    """
    if clusters < FEWEST * CLUSTERS_PER_BLOCK:
        return 0
    return min(MOST, 1 << (clusters // CLUSTERS_PER_BLOCK).bit_length() - 1)


def coarsen(sums: NDArray[np.generic], blocks: int) -> Floats:
    """Adds block j of `sums` `(S, ...)` into block j mod `blocks`; `(0, ...)` for 0 blocks.

    Raises ShapeError unless `blocks` divides S.
    """
    if blocks == 0:
        return np.zeros((0, *sums.shape[1:]))
    if len(sums) % blocks:
        raise ShapeError(f"{len(sums)} blocks do not merge into {blocks}; give a divisor")
    merged = sums.reshape(len(sums) // blocks, blocks, *sums.shape[1:]).sum(
        axis=0, dtype=np.float64
    )
    return np.asarray(merged)


def sides(blocks: int) -> tuple[Floats, Floats]:
    """Returns the human and the model group, `(1, 2S)` each."""
    human = np.repeat([1.0, 0.0], blocks)[None]
    return human, 1 - human


def all_but_one(blocks: int) -> tuple[Floats, Floats]:
    """Returns the sides without block j, for every j: `(S, 2S)` each."""
    keep, none = 1 - np.eye(blocks), np.zeros((blocks, blocks))
    return np.hstack([keep, none]), np.hstack([none, keep])


def relabelings(
    blocks: int, count: int, rng: np.random.Generator, *, paired: bool
) -> tuple[Floats, Floats]:
    """Draws random groups under equality, `(count, 2S)` each.

    paired exchanges the two sides of a block with probability 1/2, which is right whatever its two
    sides share; otherwise S of the 2S blocks are drawn for the first group.
    """
    if paired:
        kept = rng.integers(0, 2, (count, blocks)).astype(np.float64)
        first = np.hstack([kept, 1 - kept])
    else:
        first = _halves(2 * blocks, count, rng)
    return first, 1 - first


def balanced(
    blocks: int, share: float, count: int, rng: np.random.Generator, *, paired: bool
) -> tuple[Floats, Floats]:
    """Draws relabelings whose groups take the same share of both sides, `(count, 2S)` each.

    The first group has `share` of the human and of the model blocks, at least one of each, the
    second the rest. Any difference of the sides is in both groups alike, so these show the noise
    alone. They are not a group of permutations: a p-value from them would be too small. paired
    never puts both sides of a block in the smaller group.
    """
    smaller = min(max(1, round(min(share, 1 - share) * blocks)), blocks // 2)
    row = np.repeat([1, 2, 0], [smaller, smaller, blocks - 2 * smaller])
    drawn = rng.permuted(np.tile(row, (count, 1)), axis=1)
    other = drawn if paired else rng.permuted(drawn, axis=1)
    group = np.hstack([drawn == 1, other == 2]).astype(np.float64)
    return (group, 1 - group) if share <= 0.5 else (1 - group, group)


def as_large(
    human: float, model: float, blocks: int, count: int, rng: np.random.Generator
) -> Floats:
    """Draws groups as large as the human side of sizes `human` and `model`, `(count, 2S)`.

    Each has the human side's share of the blocks of either side, rounded up or down at random so
    that the share is right on average. No rows where that share is less than one block, or all.
    """
    share = human / (human + model) * blocks if human + model > 0 else 0.0
    if not 1 <= share <= blocks - 1:
        return np.empty((0, 2 * blocks))
    taken = np.floor(share + rng.random((count, 2)))
    ranks = rng.permuted(np.tile(np.arange(blocks), (2 * count, 1)), axis=1)
    return np.asarray((ranks < taken.reshape(-1, 1)).reshape(count, -1), np.float64)


def human_halves(blocks: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws random halves of the human blocks, `(count, 2S)` each, without model blocks."""
    first, none = _halves(blocks, count, rng), np.zeros((count, blocks))
    return np.hstack([first, none]), np.hstack([1 - first, none])


def _halves(blocks: int, count: int, rng: np.random.Generator) -> Floats:
    """Draws rows of 0 and 1, half of each, in random order: `(count, blocks)`."""
    row = np.repeat([1.0, 0.0], [blocks // 2, blocks - blocks // 2])
    return rng.permuted(np.tile(row, (count, 1)), axis=1)
