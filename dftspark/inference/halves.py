"""A measure of a pair on parts of the blocks: without each of them, and on random halves.

A half has the same blocks of both sides, so that prompts which the sides share stay together. A
split has the same blocks whatever the corpora and the measure, so that a choice made on one half
can be reported on the other. Blocks are not merged first, since corpora of unlike size would then
have other halves.

Cost     64 + 2 splits more evaluations of the measure
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Splits:
    """The number of random splits of the blocks into halves, and their seed; 0 for none."""

    count: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Parts:
    """A measure `(64,)` without block j of either side, and `(splits, 2)` on both halves."""

    left_out: Floats
    halves: Floats


def parts(
    measure: Callable[[Floats, Floats], Floats], splits: Splits, left_out: Floats | None = None
) -> Parts | None:
    """Evaluates `measure`, which takes two groups of blocks, `(R, 128)` weights each, human blocks
    first, and gives `(R,)`, nan where undefined. `left_out` saves its evaluation where better
    known. None without splits.
    """
    if not splits.count:
        return None
    if left_out is None:
        left_out = measure(*both_sides(1 - np.eye(blocks.MOST)))
    found = measure(*both_sides(halves(splits).reshape(-1, blocks.MOST)))
    return Parts(left_out, found.reshape(splits.count, 2))


def both_sides(kept: Floats) -> tuple[Floats, Floats]:
    """Returns the human and the model group, `(R, 128)` each, of the blocks `kept` `(R, 64)`."""
    none = np.zeros_like(kept)
    return np.hstack([kept, none]), np.hstack([none, kept])


def halves(splits: Splits) -> Floats:
    """Draws weights `(splits, 2, 64)` of 0 and 1; the halves of a split share no block."""
    first, second = blocks.human_halves(
        blocks.MOST, splits.count, np.random.default_rng([splits.seed, splits.count])
    )
    return np.stack([first, second], axis=1)[:, :, : blocks.MOST]
