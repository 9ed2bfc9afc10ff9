"""A score test of whether two shares, or two rates, differ, at effective counts from block sums.

Occurrences come in clumps, within documents and within clusters. The excess or deficit of each
block against the rate of both sides shows how large a clump is; a count divided by that is tested
as if its occurrences were independent. The test never uses one side's variance alone, so a small
side that happens to have none is not mistaken for a certain one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dftspark.inference.effective_counts import mid_p

Ints = NDArray[np.int64]


def difference_p(human: tuple[Ints, Ints], model: tuple[Ints, Ints], *, share: bool) -> float:
    """Returns the two-sided mid-p that both sides have one rate; 1 where there are no data to tell.

    Each side is (occurrences, cases) by block, `(64,)`. With `share` the occurrences are cases; the
    rarer of having and lacking is tested.
    """
    top = np.concatenate([human[0], model[0]]).astype(np.float64)
    cases = np.concatenate([human[1], model[1]]).astype(np.float64)
    of_model = np.arange(len(cases)) >= len(human[1])
    total = cases.sum()
    if share and 2 * top.sum() > total:
        top = cases - top
    rate = top.sum() / total if total else 0.0
    pi = float(cases[of_model].sum() / total) if total else 0.0
    if not 0 < pi < 1 or not rate or (share and rate >= 1):
        return 1.0
    filled = cases > 0
    blocks = int(filled.sum())
    squares = float(((top - rate * cases)[filled] ** 2).sum()) * blocks / max(blocks - 1, 1)
    least = 1 - rate if share else 0.0
    clump = max(squares / total / rate, least)
    if not clump:
        return 1.0
    x, y = (np.array([top[side].sum() / clump]) for side in (of_model, ~of_model))
    return float(mid_p(x, y, pi)[0])
