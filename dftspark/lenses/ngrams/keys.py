"""N-gram rows: the key of an n-gram, and its counts.

A key is 64 bits: 58 of the n-gram's hash above 6 of its block, so that sorting by key groups an
n-gram's blocks and one sorted array holds the counts of every block. With `d` distinct n-grams,
`d**2 / 2**59` pairs are expected to share a hash: 0.0004 at 15 million, 1.7 at a billion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.text.hashing import BLOCK_BITS, mix64

RATE_BITS = 40
RATE_ONE = (
    1 << RATE_BITS
)  # a document's relative frequency c / N is held as the integer (c << 40) // N
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BLOCK_MASK = np.uint64((1 << int(BLOCK_BITS)) - 1)


class GramRows(NamedTuple):
    """Rows of n-grams, `(K,)` each; every column except `key` adds up over documents.

    key       uint64  hash of the n-gram and, in the low 6 bits, the block
    count     int64   C, occurrences
    squares   int64   Q, sum over clusters of the squared cluster count
    weighted  int64   H, sum over clusters of cluster count x cluster length
    rate      int64   F, sum over documents of (count << 40) // length
    docs      int64   documents that contain it
    clusters  int64   clusters that contain it
    """

    key: NDArray[np.uint64]
    count: NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.count
    squares: NDArray[np.int64]
    weighted: NDArray[np.int64]
    rate: NDArray[np.int64]
    docs: NDArray[np.int64]
    clusters: NDArray[np.int64]


def each(rows: GramRows, change: Callable[[NDArray[Any]], NDArray[Any]]) -> GramRows:
    """Returns the rows with every column changed alike."""
    return GramRows._make(change(column) for column in rows)


@numba.njit(inline="always")
def ngram_key(hashes: Any, first: Any, n: Any, block: Any) -> Any:
    """Returns the key of the n tokens from `first` on."""
    h = np.uint64(n)
    for k in range(n):
        h = (h ^ hashes[first + k]) * _MULTIPLIER
        h ^= h >> np.uint64(29)
    return (mix64(h) & ~_BLOCK_MASK) | block


@compiled
def ngram_keys(hashes: Any, offsets: Any, n: int) -> Any:
    """Returns the n-gram's key at each token, block bits zero; 0 where a document ends before."""
    out = np.zeros(len(hashes), np.uint64)
    for d in range(len(offsets) - 1):
        for i in range(offsets[d], offsets[d + 1] - n + 1):
            out[i] = ngram_key(hashes, i, n, np.uint64(0))
    return out
