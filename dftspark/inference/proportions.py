"""Intervals of shares, for independent cases and for cases that come in clusters.

Source   Wilson (1927); the effective size after Korn and Graubard (1998)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

NORMAL_95 = 1.959963984540054  # standard errors on either side in a 95% interval


def wilson(share: float, size: float, quantile: float = NORMAL_95) -> tuple[float, float]:
    """Returns the interval in [0, 1] of a share of `size` independent cases.

    `quantile` is normal or t. The interval is never empty: at a share of 0 it reaches up to
    quantile^2 / (size + quantile^2). nan without cases.
    """
    if not size > 0:
        return math.nan, math.nan
    square = quantile**2 / size
    middle = (share + square / 2) / (1 + square)
    reach = quantile / (1 + square) * math.sqrt(share * (1 - share) / size + square / size / 4)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


@dataclass(frozen=True)
class ClusterSums:
    """Sums over clusters of c cases in d documents each; additive.

    clusters, documents, cases                their numbers squared_cases, squared_documents, cross
    sums of c^2, d^2 and c d
    """

    clusters: int
    documents: int
    cases: int
    squared_cases: int
    squared_documents: int
    cross: int

    @classmethod
    def of(cls, cases: NDArray[np.bool_], clusters: NDArray[Any]) -> ClusterSums:
        """Sums documents that are cases or not `(n,)`, by their clusters `(n,)`."""
        _, numbers = np.unique(clusters, return_inverse=True)
        d = np.bincount(numbers)
        c = np.bincount(numbers[cases], minlength=len(d))
        sums = d.sum(), c.sum(), (c * c).sum(), (d * d).sum(), (c * d).sum()
        return cls(len(d), *map(int, sums))


def clustered_share(sums: ClusterSums, confidence: float) -> tuple[float, float, float, float]:
    """Returns the share of documents that are cases, its error by cluster, and interval ends.

    The interval is Wilson's at as many independent cases as would give that error, but no more than
    there are, nor than clusters where all cases are alike; t with clusters - 1 degrees of freedom.
    nan below two clusters.
    """
    count, n = sums.clusters, sums.documents
    if count < 2:
        return (math.nan,) * 4
    share = sums.cases / n
    squares = sums.squared_cases - 2 * share * sums.cross + share**2 * sums.squared_documents
    error = math.sqrt(count / (count - 1) * max(squares, 0.0)) / n
    size = min(n, share * (1 - share) / error**2) if 0 < share < 1 and error > 0 else count
    low, high = wilson(share, size, float(special.stdtrit(count - 1, (1 + confidence) / 2)))
    return share, error, low, high
