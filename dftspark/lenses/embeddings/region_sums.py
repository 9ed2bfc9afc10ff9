"""Documents and witness scores by block and region: the state of a corpus for the region lens.

State    (64, k) int64 twice; its size is a setting, whatever the corpus
Cost     two additions a document

Scores are counted in units of 2**-36, so that sums are exact and merging in any order gives the
same bits. A cell of block and region holds at least 2**24 - 1 documents: a score is in [-8, 8], and
with unit features in about [-2, 2].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.state import SumState
from dftspark.text.hashing import BLOCKS

SCORE_ONE = 1 << 36
_LARGEST = 8.0


@dataclass(frozen=True, eq=False)
class RegionSums(SumState):
    """Documents by block and region `(64, k)`, and the sum of their scores x 2**36."""

    count: NDArray[np.int64]
    score: NDArray[np.int64]


def no_regions(regions: int) -> RegionSums:
    """Returns the state of no document."""
    return RegionSums(*(np.zeros((BLOCKS, regions), np.int64) for _ in range(2)))


def region_sums(
    blocks: NDArray[np.integer[Any]],
    regions: NDArray[np.integer[Any]],
    scores: NDArray[np.float64],
    count: int,
) -> RegionSums:
    """Returns the state of documents with block, region below `count` and score, `(B,)` each.

    Raises ShapeError for unlike lengths, numbers out of range and scores that are not finite.
    """
    if not len(blocks) == len(regions) == len(scores):
        raise ShapeError(
            f"{len(blocks)} blocks, {len(regions)} regions and {len(scores)} scores; give one of "
            f"each a document"
        )
    if not (np.abs(scores) <= _LARGEST).all():
        bad = scores[~(np.abs(scores) <= _LARGEST)]
        raise ShapeError(
            f"{len(bad)} of {len(scores)} witness scores are nan or beyond {_LARGEST:g}, such as "
            f"{bad[0]}; scores need unit features and two filled blocks a side"
        )
    for name, numbers, below in (("block", blocks, BLOCKS), ("region", regions, count)):
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < below):
            raise ShapeError(
                f"{name} numbers run from {numbers.min()} to {numbers.max()}; they are 0 .. "
                f"{below - 1}"
            )
    cells = np.asarray(blocks, np.int64) * count + regions
    out = np.zeros((2, BLOCKS * count), np.int64)
    for row, column in zip(out, (np.ones(len(cells)), scores * SCORE_ONE), strict=True):
        np.add.at(row, cells, np.rint(column).astype(np.int64))
    return RegionSums(*out.reshape(2, BLOCKS, count))
