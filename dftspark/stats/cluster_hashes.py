"""The number of clusters of a corpus, from the least of their hashes.

State    at most 1,024 uint64, sorted
Source   Bar-Yossef et al. (2002): the k-th least of uniform hashes tells their number
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 1024


def least(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the least distinct hashes `(k,)`, at most KEPT, sorted."""
    return np.unique(hashes)[:KEPT]


def merged(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the least hashes of both."""
    return np.union1d(left, right)[:KEPT]


def count(hashes: NDArray[np.uint64]) -> float:
    """Counts clusters: exact below KEPT, otherwise with a relative error of 3%."""
    if len(hashes) < KEPT:
        return float(len(hashes))
    return (KEPT - 1) * 2.0**64 / float(hashes[-1])


def count_of(*states: Any) -> float:
    """Counts the clusters that states with `clusters` have together."""
    return count(least(np.concatenate([state.clusters for state in states])))
