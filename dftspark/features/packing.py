"""Rows of n-grams in few bytes: one of a single document is its key, count and length.

At high orders nearly all rows are such; the other columns follow from count and length, and are
kept only for the rest.

Cost     a pass over the rows each way, about 15 ns a row
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.features.ngrams import RATE_BITS, Rows


def packed(rows: Rows) -> list[NDArray[Any]]:
    """key, count and single `(K,)`, length `(s,)` of the single rows, the others `(5, K - s)`."""
    single, length, rest = _pack(*rows)
    return [rows.key, rows.count, single, length, *rest]


def unpacked(arrays: list[NDArray[Any]]) -> Rows:
    """What `packed` was given."""
    key, count, single, length, *rest = arrays
    columns = _unpack(count, single, length, np.stack(rest))
    return Rows(key, count, *columns)


@numba.njit(cache=True, nogil=True)
def _pack(
    key: Any, count: Any, squares: Any, weighted: Any, rate: Any, docs: Any, clusters: Any
) -> Any:
    single = np.zeros(len(key), np.uint8)
    length = np.empty(len(key), np.uint32)
    rest = np.empty((5, len(key)), np.int64)
    singles = others = 0
    for i in range(len(key)):
        if docs[i] == 1 and clusters[i] == 1 and weighted[i] < count[i] << 31:
            n = weighted[i] // count[i]
            if rate[i] == (count[i] << RATE_BITS) // n:
                single[i] = 1
                length[singles] = n
                singles += 1
                continue
        rest[0, others] = squares[i]
        rest[1, others] = weighted[i]
        rest[2, others] = rate[i]
        rest[3, others] = docs[i]
        rest[4, others] = clusters[i]
        others += 1
    return single, length[:singles].copy(), rest[:, :others].copy()


@numba.njit(cache=True, nogil=True)
def _unpack(count: Any, single: Any, length: Any, rest: Any) -> Any:
    out = np.empty((5, len(count)), np.int64)
    s = r = 0
    for i in range(len(count)):
        if single[i]:
            c, n = count[i], np.int64(length[s])
            out[0, i] = c * c
            out[1, i] = c * n
            out[2, i] = (c << RATE_BITS) // n
            out[3, i] = 1
            out[4, i] = 1
            s += 1
        else:
            for column in range(5):
                out[column, i] = rest[column, r]
            r += 1
    return out
