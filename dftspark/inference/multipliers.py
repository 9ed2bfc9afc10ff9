"""The null distribution of an L1 distance of distribution functions, by multipliers of blocks.

The excess of each block over its share of both sides' common distribution is multiplied by a random
normal number: sums of these vary as the difference of two samples of one source would.

Source   van der Vaart and Wellner (1996), chapter 2.9
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_BLOCKS = 20  # on both sides together that have any mass
_DRAWS = 400


def multiplier_null(
    human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats, *, seed: int
) -> Floats:
    """Draws `(400,)` values of sum |p - q| under one source, from raw block sums `(S, m)` and their
    masses `(S,)`. Empty below twenty blocks with mass, and where a side has none.
    """
    sums, sizes = np.concatenate([human, model]), np.concatenate([human_sizes, model_sizes])
    filled = int((sizes > 0).sum())
    totals = human_sizes.sum(), model_sizes.sum()
    if filled < FEWEST_BLOCKS or not all(totals):
        return np.empty(0)
    residual = sums - sizes[:, None] * (sums.sum(axis=0) / sizes.sum())
    rng = np.random.default_rng([seed, _DRAWS])
    drawn = np.abs(rng.standard_normal((_DRAWS, len(sizes))) @ residual).sum(axis=1)
    scale = (1 / totals[0] + 1 / totals[1]) / sizes.sum() * filled / (filled - 1)
    return np.asarray(drawn * np.sqrt(scale))
