"""Whether two shares, or two rates, differ: a score test at effective counts, from block sums.

Occurrences come in clumps, within documents and within clusters. What a block has too many or too
few of them, by the rate of both sides, tells how large a clump is, and a count divided by that is
tested as if its occurrences were one by one. No side's own variance is used, so that a small side
that happens to have none is not taken for one that is sure to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Ints = NDArray[np.int64]


def difference_p(human: tuple[Ints, Ints], model: tuple[Ints, Ints], *, share: bool) -> float:
    """The two-sided mid-p that both sides have one rate; 1 where there is nothing to tell by.

    Each side is (occurrences, cases) by block, `(64,)`. With `share` the occurrences are cases, of
    which the rarer of having and lacking is tested.
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
    return mid_p(float(top[of_model].sum()) / clump, float(top[~of_model].sum()) / clump, pi)


def mid_p(x: float, y: float, pi: float) -> float:
    """Two-sided, of x of x + y that are expected to be the share pi; counts need not be whole."""
    upper, lower = _tail(x, y, pi), _tail(y, x, 1 - pi)
    return min(1.0, 2 * min(upper, lower))


def _tail(x: float, y: float, pi: float) -> float:
    """P(more than x) + P(x) / 2 for whole counts."""
    at_least = 1.0 if x == 0 else float(betainc(x, y + 1, pi))
    more = 0.0 if y == 0 else float(betainc(x + 1, y, pi))
    return (at_least + more) / 2
