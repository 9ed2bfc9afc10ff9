"""Which prompts a choice may learn from, and which ones judge it: by the block of their cluster.

Blocks 0 to 47 are the target: human texts on these prompts are what is matched. Blocks 48 to 55
are for validation, 56 to 63 for the referee: samples are chosen there too, against the target, and
held against human texts that no choice has seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TARGET, VALIDATION, REFEREE = "target", "validation", "referee"
SPLITS = (TARGET, VALIDATION, REFEREE)
_FIRST = (0, 48, 56)  # block of each
_LAST = 64


def blocks_of(split: str) -> range:
    """The blocks of a split."""
    ends = (*_FIRST[1:], _LAST)
    at = SPLITS.index(split)
    return range(_FIRST[at], ends[at])


def split_of(blocks: NDArray[np.integer]) -> NDArray[np.int64]:
    """The place in SPLITS of each block."""
    return np.searchsorted(_FIRST, blocks, side="right").astype(np.int64) - 1
