"""Tokens to n-gram rows: per cluster, then summed by key. The two hot loops of the package.

A key is 64 bits: 58 of the n-gram's hash above 6 of its block, so that sorting by key groups an
n-gram's blocks and one sorted array holds the counts of every block. With `d` distinct n-grams,
`d**2 / 2**59` pairs are expected to share a hash: 0.0004 at 15 million, 1.7 at a billion.

Cost     about 25 ns a token and order in `cluster_rows`, 70 ns a row in `by_range`, 15 ns a row
         and doubling of runs in `summed`; no allocation grows with anything but the rows given
Source   Amble and Knuth (1974) for the ordered hash table, which leaves its rows sorted
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.features.hashing import BLOCK_BITS, mix64

RATE_BITS = 40
RATE_ONE = (
    1 << RATE_BITS
)  # a document's relative frequency c / N is held as the integer (c << 40) // N
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BLOCK_MASK = np.uint64((1 << int(BLOCK_BITS)) - 1)
_BUCKET_ROWS = 2048  # a bucket's table, 200 KB, stays in a core's second-level cache
_ONE_OVER = (1 << RATE_BITS) // np.maximum(np.arange(1 << 14), 1)  # spares most divisions


class Rows(NamedTuple):
    """Rows of n-grams, `(K,)` each; every column but `key` adds up over documents.

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


def by_range(words: NDArray[np.uint64], ranges: int) -> Iterator[Rows]:
    """Cluster rows summed: one Rows for each key range, sorted by key.

    ranges is a power of two; range r holds the keys whose top bits are r.
    """
    range_bits = ranges.bit_length() - 1
    bits = max(range_bits, (len(words) // _BUCKET_ROWS).bit_length())
    bucketed, ends = _bucketed(words, bits)
    step = 1 << (bits - range_bits)
    for r in range(ranges):
        yield Rows(*_sum_buckets(bucketed, ends, bits, r * step, (r + 1) * step))


def summed(runs: Sequence[Rows]) -> Rows:
    """Runs of rows, each sorted by key without repeats, as one such run: equal keys added up."""
    if not runs:
        return no_rows()
    level = [each(run, _read_only) for run in runs]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        merged = [_merged(first, second) for first, second in pairs]
        level = merged + level[len(merged) * 2 :]
    return level[0]


def _merged(first: Rows, second: Rows) -> Rows:
    key, columns = _merge(first.key, tuple(first[1:]), second.key, tuple(second[1:]))
    return each(Rows(key, *columns), _read_only)


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    """One kind of array for the compiled merge, whoever made it."""
    view = column.view()
    view.setflags(write=False)
    return view


def each(rows: Rows, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
    """The rows with every column changed alike."""
    return Rows._make(change(column) for column in rows)


def no_rows() -> Rows:
    return Rows(np.empty(0, np.uint64), *(np.empty(0, np.int64) for _ in range(6)))


@numba.njit(inline="always")
def _ngram_key(hashes: Any, first: Any, n: Any, block: Any) -> Any:
    h = np.uint64(n)
    for k in range(n):
        h = (h ^ hashes[first + k]) * _MULTIPLIER
        h ^= h >> np.uint64(29)
    return (mix64(h) & ~_BLOCK_MASK) | block


@numba.njit(inline="always")
def _rate(count: Any, length: Any) -> Any:
    if count == 1 and length < len(_ONE_OVER):
        return np.int64(_ONE_OVER[length])
    return (np.int64(count) << RATE_BITS) // np.int64(length)


@numba.njit(cache=True, nogil=True)
def ngram_keys(hashes: Any, offsets: Any, n: int) -> Any:
    """The key, block bits zero, of the n-gram at each token; 0 where a document ends before."""
    out = np.zeros(len(hashes), np.uint64)
    for d in range(len(offsets) - 1):
        for i in range(offsets[d], offsets[d + 1] - n + 1):
            out[i] = _ngram_key(hashes, i, n, np.uint64(0))
    return out


@numba.njit(cache=True, nogil=True)
def cluster_rows(hashes: Any, offsets: Any, clusters: Any, blocks: Any, n: int) -> Any:
    """The n-grams of each cluster, unsorted, as packed words; and each cluster's squared norm.

    words  (K, 2)  uint64  key, count << 32 | cluster length, where every cluster is one document
           (K, 4)          else: also documents, and the sum of rates
    norms  (G,)    int64   sum over n-grams of the squared sum of c / N, times 2**40
    """
    longest = 0
    total = 0
    width = 2
    for g in range(len(blocks)):
        length = 0
        for d in range(clusters[g], clusters[g + 1]):
            length += max(0, offsets[d + 1] - offsets[d] - n + 1)
        longest = max(longest, length)
        total += length
        if clusters[g + 1] - clusters[g] > 1:
            width = 4
    size = 16
    while size < 2 * longest:
        size *= 2
    table = np.full(size, -1, np.int32)  # the cluster's row in each slot
    used = np.empty(longest, np.int32)
    count = np.empty(longest, np.int64)
    here = np.empty(longest, np.int64)  # occurrences in the last document that had the row
    where = np.empty(longest, np.int64)  # that document
    docs = np.empty(longest, np.int64)
    rate = np.empty(longest, np.int64)
    words = np.empty((total, width), np.uint64)
    norms = np.zeros(len(blocks), np.int64)
    base = 0
    for g in range(len(blocks)):
        block = np.uint64(blocks[g])
        rows = 0
        length = 0
        for d in range(clusters[g], clusters[g + 1]):
            length += max(0, offsets[d + 1] - offsets[d] - n + 1)
        mask = 16
        while mask < 2 * length:
            mask *= 2
        mask -= 1
        for d in range(clusters[g], clusters[g + 1]):
            for i in range(offsets[d], offsets[d + 1] - n + 1):
                k = _ngram_key(hashes, i, n, block)
                slot = np.int64(k >> np.uint64(8)) & mask
                r = table[slot]
                while r >= 0 and words[base + r, 0] != k:
                    slot = (slot + 1) & mask
                    r = table[slot]
                if r < 0:
                    table[slot] = rows
                    used[rows] = slot
                    words[base + rows, 0] = k
                    count[rows] = 1
                    if width == 4:
                        docs[rows] = 1
                        rate[rows] = 0
                        here[rows] = 1
                        where[rows] = d
                    rows += 1
                    continue
                count[r] += 1
                if width == 2:
                    continue
                if where[r] == d:
                    here[r] += 1
                else:
                    length_there = offsets[where[r] + 1] - offsets[where[r]] - n + 1
                    rate[r] += (here[r] << RATE_BITS) // length_there
                    docs[r] += 1
                    here[r] = 1
                    where[r] = d
        norm = 0.0
        for r in range(rows):
            table[used[r]] = -1
            words[base + r, 1] = np.uint64((count[r] << 32) | length)
            if width == 2:
                norm += (_rate(count[r], length) / RATE_ONE) ** 2
            else:
                length_there = offsets[where[r] + 1] - offsets[where[r]] - n + 1
                rate[r] += (here[r] << RATE_BITS) // length_there
                words[base + r, 2] = np.uint64(docs[r])
                words[base + r, 3] = np.uint64(rate[r])
                norm += (rate[r] / RATE_ONE) ** 2
        norms[g] = np.int64(norm * RATE_ONE + 0.5)
        base += rows
    return words[:base], norms


@numba.njit(inline="always")
def _bucket(key: Any, bits: Any) -> Any:
    return np.int64(key >> np.uint64(64 - bits)) if bits else np.int64(0)


@numba.njit(cache=True, nogil=True)
def _bucketed(words: Any, bits: int) -> Any:
    """The rows grouped by the first `bits` bits of their key, and where each bucket ends."""
    ends = np.zeros((1 << bits) + 1, np.int64)
    for i in range(len(words)):
        ends[_bucket(words[i, 0], bits) + 1] += 1
    for b in range(1 << bits):
        ends[b + 1] += ends[b]
    fill = ends[:-1].copy()
    out = np.empty_like(words)
    for i in range(len(words)):
        b = _bucket(words[i, 0], bits)
        for w in range(words.shape[1]):
            out[fill[b], w] = words[i, w]
        fill[b] += 1
    return out, ends


@numba.njit(cache=True, nogil=True)
def _sum_buckets(words: Any, ends: Any, bits: int, first: int, last: int) -> Any:
    """Sums rows with equal keys, bucket by bucket: small enough tables to stay in cache.

    The table is ordered: a key's home is its leading bits and runs are kept sorted, so that
    reading it from the start gives the bucket's rows in key order.
    """
    total = ends[last] - ends[first]
    largest = 0
    for b in range(first, last):
        largest = max(largest, ends[b + 1] - ends[b])
    table_bits = 4
    while (1 << table_bits) < 2 * largest:
        table_bits += 1
    slots = (1 << table_bits) + largest + 1
    table = np.full(slots, _EMPTY, np.uint64)
    entry = np.empty(slots, np.int32)
    sums = np.empty((largest, 6), np.int64)
    key = np.empty(total, np.uint64)
    out = np.empty((6, total), np.int64)
    width = words.shape[1]
    low = np.uint64(0xFFFFFFFF)
    rows = 0
    for b in range(first, last):
        entries = 0
        end: Any = 0
        for i in range(ends[b], ends[b + 1]):
            k = words[i, 0]
            count = np.int64(words[i, 1] >> np.uint64(32))
            length = np.int64(words[i, 1] & low)
            if width == 4:
                docs = np.int64(words[i, 2])
                rate = np.int64(words[i, 3])
            else:
                docs = np.int64(1)
                rate = _rate(count, length)
            slot: Any = np.int64((k << np.uint64(bits)) >> np.uint64(64 - table_bits))
            while table[slot] < k:
                slot += 1
            if table[slot] == k:
                e = np.int64(entry[slot])
                sums[e, 0] += count
                sums[e, 1] += count * count
                sums[e, 2] += count * length
                sums[e, 3] += rate
                sums[e, 4] += docs
                sums[e, 5] += 1
                continue
            e = np.int64(entries)
            sums[e, 0] = count
            sums[e, 1] = count * count
            sums[e, 2] = count * length
            sums[e, 3] = rate
            sums[e, 4] = docs
            sums[e, 5] = 1
            entries += 1
            while table[slot] != _EMPTY:
                other = table[slot]
                table[slot] = k
                k = other
                moved = np.int64(entry[slot])
                entry[slot] = e
                e = moved
                slot += 1
            table[slot] = k
            entry[slot] = e
            end = max(end, slot + 1)
        for slot in range(end):
            if table[slot] == _EMPTY:
                continue
            key[rows] = table[slot]
            e = np.int64(entry[slot])
            for c in range(6):
                out[c, rows] = sums[e, c]
            rows += 1
            table[slot] = _EMPTY
    sliced = out[:, :rows]
    return key[:rows], sliced[0], sliced[1], sliced[2], sliced[3], sliced[4], sliced[5]


@numba.njit(cache=True, nogil=True)
def _merge(first_key: Any, first: Any, second_key: Any, second: Any) -> Any:
    """Two sorted runs as one."""
    total = len(first_key) + len(second_key)
    key = np.empty(total, np.uint64)
    out = np.empty((6, total), np.int64)
    i = j = rows = 0
    while i < len(first_key) or j < len(second_key):
        ours = j >= len(second_key) or (i < len(first_key) and first_key[i] <= second_key[j])
        theirs = i >= len(first_key) or (j < len(second_key) and second_key[j] <= first_key[i])
        key[rows] = first_key[i] if ours else second_key[j]
        for c in range(6):
            out[c, rows] = (first[c][i] if ours else 0) + (second[c][j] if theirs else 0)
        i += ours
        j += theirs
        rows += 1
    sliced = out[:, :rows]
    return key[:rows], (sliced[0], sliced[1], sliced[2], sliced[3], sliced[4], sliced[5])
