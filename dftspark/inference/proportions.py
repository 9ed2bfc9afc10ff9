"""Intervals of shares whose cases come in clusters.

Source   Wilson (1927); the effective size after Korn and Graubard (1998)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def wilson(share: float, size: float, quantile: float) -> tuple[float, float]:
    """Interval in [0, 1] of a share of `size` independent cases, at a normal or t `quantile`.

    Never empty: at a share of 0 it reaches up to quantile^2 / (size + quantile^2). nan for no
    case.
    """
    if not size > 0:
        return math.nan, math.nan
    square = quantile**2 / size
    middle = (share + square / 2) / (1 + square)
    reach = quantile / (1 + square) * math.sqrt(share * (1 - share) / size + square / size / 4)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def clustered_share(
    cases: NDArray[np.bool_], clusters: NDArray[Any], confidence: float
) -> tuple[float, float, float, float]:
    """Share of true `cases` `(n,)`, its standard error by `clusters` `(n,)`, and interval ends.

    Wilson's interval at as many cases as would give that error if they were independent, but no
    more than there are, nor than clusters where all cases are alike; t with clusters - 1 degrees
    of freedom. nan below two clusters.
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    count = int(numbers.max(initial=-1)) + 1
    if count < 2:
        return (math.nan,) * 4
    share = float(cases.mean())
    sums = np.bincount(numbers, cases - share)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(cases))
    size = min(len(cases), share * (1 - share) / error**2) if error > 0 else count
    low, high = wilson(share, size, float(stats.t.ppf((1 + confidence) / 2, count - 1)))
    return share, error, low, high
