"""Splits prompts, by the block of their cluster, into those to learn from and those to judge by.

Blocks 0 to 47 are the target: human texts on these prompts are matched. Blocks 48 to 55 are for
validation, and 56 to 63 for the referee: samples are chosen there too, against the target, and
compared with human texts that no choice has seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TARGET, VALIDATION, REFEREE = "target", "validation", "referee"
SPLITS = (TARGET, VALIDATION, REFEREE)
_FIRST = (0, 48, 56)  # block of each
_LAST = 64


def blocks_of(split: str) -> range:
    """Returns the blocks of a split."""
    ends = (*_FIRST[1:], _LAST)
    at = SPLITS.index(split)
    return range(_FIRST[at], ends[at])


def named(split: str) -> str:
    """Returns the blocks of a split in words."""
    blocks = blocks_of(split)
    return f"blocks {blocks.start} to {blocks.stop - 1}"


def split_of(blocks: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the place in SPLITS of each block."""
    return np.searchsorted(_FIRST, blocks, side="right").astype(np.int64) - 1
