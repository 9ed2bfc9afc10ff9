"""Tokens to exact n-gram rows, and runs of rows to one run: the two hot loops of the package.

An occurrence is 64 bits: the bits of the n-gram's hash above those of its document, whose numbers
go by block. Occurrences are grouped by the first bits of their hash; the group stands for these
bits, and so makes room for the document. In a group, sorted as plain integers, an n-gram's
occurrences in a block lie side by side, in order of document.

Most n-grams of high order occur in one document, and everything in such a row follows from its
count and the document's length. `Counted` keeps just those two for it.

Cost     about 40 ns an occurrence in `count`, 35 ns a row in `summed`, measured on a loaded
         machine; 16 bytes an occurrence
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled, kept, ready
from dftspark.lenses.ngrams.keys import RATE_BITS, RATE_ONE, GramRows, ngram_key
from dftspark.text.hashing import BLOCK_BITS, BLOCKS

_BLOCK_MASK = np.uint64(BLOCKS - 1)
_HASH_BITS = 64 - int(BLOCK_BITS)
_GROUP, _MOST_GROUP_BITS = 1024, 12  # occurrences of a group: few enough to sort in the cache
# Columns of an n-gram's sums while they grow: first the six columns of Rows without the key, then
# those of the open cluster.
_COUNT, _SQUARES, _WEIGHTED, _RATE, _DOCS, _CLUSTERS, _OPEN_COUNT, _OPEN_RATE = range(8)


class Counted(NamedTuple):
    """Rows of n-grams in few bytes, sorted by key without repeats.

    key      (K,)    uint64  hash of the n-gram and, in the low 6 bits, the block
    count    (K,)    uint32  occurrences in its only document; 0 where `several` has the row
    length   (K,)    uint32  n-grams of that document, which is all of its cluster; else 0
    several  (6, M)  int64   the columns of Rows except key, for the rows with count 0, in order
    """

    key: NDArray[np.uint64]
    count: NDArray[np.uint32]  # type: ignore[assignment]  # hides tuple.count
    length: NDArray[np.uint32]
    several: NDArray[np.int64]


class Count(NamedTuple):
    """`rows` of one key range; `norms` (64,) int64, by block: what the range adds to the sum over
    clusters and n-grams of the squared sum of rates, times 2**40.
    """

    rows: Counted
    norms: NDArray[np.int64]


def none_counted() -> Counted:
    return Counted(
        np.empty(0, np.uint64),
        np.empty(0, np.uint32),
        np.empty(0, np.uint32),
        np.empty((6, 0), np.int64),
    )


def count(
    hashes: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    clusters: NDArray[np.int64],
    blocks: NDArray[np.int64],
    n: int,
    ranges: int,
) -> Iterator[Count]:
    """Counts the n-grams of whole clusters, as in protocol.Batch: a Count for each key range.

    ranges is a power of two; range r holds the keys whose top bits are r.
    """
    documents = _by_block(offsets, clusters, blocks, n)
    document_bits = len(documents.length).bit_length()
    range_bits = ranges.bit_length() - 1
    small = min((len(hashes) // _GROUP).bit_length(), _MOST_GROUP_BITS)
    bits = max(range_bits, _HASH_BITS + document_bits - 64, small)
    occurrences, ends = _grouped(hashes, *documents[:2], n, bits, document_bits)
    for first, last in pairwise(ends.tolist()):
        occurrences[first:last].sort()
    step = 1 << (bits - range_bits)
    for r in range(ranges):
        groups = ends[r * step : (r + 1) * step + 1]
        *rows, norms = _counted(
            occurrences, groups, r * step, bits, document_bits, tuple(documents[1:])
        )
        yield Count(Counted(*rows), norms)


class _Documents(NamedTuple):
    """Documents in order of block, clusters together, `(D,)` each."""

    start: NDArray[np.int64]  # first token
    length: NDArray[np.int64]  # n-grams
    cluster: NDArray[np.int64]
    in_cluster: NDArray[np.int64]  # n-grams of the cluster
    block: NDArray[np.int64]


def _by_block(
    offsets: NDArray[np.int64], clusters: NDArray[np.int64], blocks: NDArray[np.int64], n: int
) -> _Documents:
    length = np.maximum(np.diff(offsets) - n + 1, 0)
    in_cluster = np.diff(np.r_[0, np.cumsum(length)][clusters])
    cluster = np.repeat(np.arange(len(blocks)), np.diff(clusters))
    order = np.argsort(blocks[cluster], kind="stable")
    cluster = cluster[order]
    return _Documents(
        offsets[:-1][order], length[order], cluster, in_cluster[cluster], blocks[cluster]
    )


def uncompiled() -> tuple[str, str] | None:
    """Returns what `compiled.kept` says of the kernel of `count`, if its next call compiles it and
    thereby all that come before it in an audit; None if it is compiled."""
    return None if ready(_counted) else kept(_counted)


def summed(runs: Sequence[Counted]) -> Counted:
    """Merges runs of rows into one run: equal keys are added up."""
    runs = [run for run in runs if len(run.key)]
    if len(runs) < 2:
        return runs[0] if runs else none_counted()
    keys, counts, lengths = (np.concatenate([run[field] for run in runs]) for field in range(3))
    several = np.concatenate([run.several for run in runs], axis=1)
    order = np.argsort(keys, kind="stable")  # merges the runs
    return Counted(*_summed(order, keys, counts, lengths, several))


def expanded(rows: Counted) -> GramRows:
    """Returns every column of every row."""
    columns = _expanded(rows.count, rows.length, rows.several)
    return GramRows(rows.key, *columns)


def gram_counts(rows: Counted) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Returns key with zero block bits and occurrences of each n-gram, blocks added up, by key."""
    key, total = _gram_counts(rows.key, rows.count, rows.several)
    return key, total


@numba.njit(inline="always")
def rate_of(count: Any, length: Any) -> Any:
    """Returns the relative frequency count / length, as the integer that sums use."""
    return (np.int64(count) << RATE_BITS) // np.int64(length)


@numba.njit(inline="always")
def _squared(rate: Any) -> Any:
    return np.int64((rate / RATE_ONE) ** 2 * RATE_ONE + 0.5)


@compiled
def _grouped(hashes: Any, start: Any, length: Any, n: int, bits: int, document_bits: int) -> Any:
    """Returns (T,) uint64 occurrences by the first bits of their hash, and the groups' ends."""
    total = 0
    for d in range(len(start)):
        total += length[d]
    found = np.empty(total, np.uint64)
    ends = np.zeros((1 << bits) + 1, np.int64)
    shift = np.uint64(64 - bits)
    no_block = np.uint64(0)
    at = 0
    for d in range(len(start)):
        for i in range(start[d], start[d] + length[d]):
            h = ngram_key(hashes, i, n, no_block)
            found[at] = h
            ends[(h >> shift if bits else no_block) + np.uint64(1)] += 1
            at += 1
    for b in range(1 << bits):
        ends[b + 1] += ends[b]
    fill = ends[:-1].copy()
    out = np.empty(total, np.uint64)
    up = np.uint64(document_bits)
    at = 0
    for d in range(len(start)):
        for _ in range(length[d]):
            h = found[at]
            group = h >> shift if bits else no_block
            out[fill[group]] = (h >> BLOCK_BITS << up) | np.uint64(d)
            fill[group] += 1
            at += 1
    return out, ends


@numba.njit(inline="always")
def _close_document(sums: Any, count: Any, length: Any) -> None:
    rate = rate_of(count, length)
    sums[_RATE] += rate
    sums[_DOCS] += 1
    sums[_OPEN_COUNT] += count
    sums[_OPEN_RATE] += rate


@numba.njit(inline="always")
def _close_cluster(sums: Any, length: Any) -> Any:
    """Adds the open cluster, of `length` n-grams, to the sums; returns its squared rate."""
    c = sums[_OPEN_COUNT]
    sums[_COUNT] += c
    sums[_SQUARES] += c * c
    sums[_WEIGHTED] += c * length
    sums[_CLUSTERS] += 1
    norm = _squared(sums[_OPEN_RATE])
    sums[_OPEN_COUNT] = 0
    sums[_OPEN_RATE] = 0
    return norm


@numba.njit
def _singles(length: Any) -> Any:
    """Returns the squared rate of an n-gram that occurs once, for each document."""
    norm = np.zeros(len(length), np.int64)
    for i in range(len(length)):
        if length[i]:
            norm[i] = _squared(rate_of(1, length[i]))
    return norm


@compiled
def _counted(
    occurrences: Any, ends: Any, first: int, bits: int, document_bits: int, documents: Any
) -> Any:
    """Returns the rows of sorted groups, from `first` on, which end at `ends`, and their norms."""
    length, cluster, in_cluster, block = documents
    total = ends[-1] - ends[0]
    one_norm = _singles(length)
    norms = np.zeros(BLOCKS, np.int64)
    key = np.empty(total, np.uint64)
    count = np.zeros(total, np.uint32)
    only = np.zeros(total, np.uint32)
    several = np.empty((total, 6), np.int64)
    sums = np.zeros(8, np.int64)
    down = np.uint64(document_bits)
    document_mask = (np.uint64(1) << down) - np.uint64(1)
    hash_mask = (np.uint64(1) << np.uint64(_HASH_BITS - bits)) - np.uint64(1)
    rows: Any = 0
    kept: Any = 0
    for g in range(len(ends) - 1):
        prefix = np.uint64(first + g) << np.uint64(64 - bits) if bits else np.uint64(0)
        i, end = ends[g], ends[g + 1]
        while i < end:
            j = _run_end(occurrences, i, end)
            d = np.int64(occurrences[i] & document_mask)
            gram = occurrences[i] >> down
            here = block[d]
            key[rows] = prefix | ((gram & hash_mask) << BLOCK_BITS) | np.uint64(here)
            alone = j == end or occurrences[j] >> down != gram
            if not alone:
                alone = block[np.int64(occurrences[j] & document_mask)] != here
            rows += 1
            if alone and length[d] == in_cluster[d]:
                count[rows - 1], only[rows - 1] = j - i, length[d]
                norms[here] += one_norm[d] if j - i == 1 else _squared(rate_of(j - i, length[d]))
                i = j
                continue
            sums[:] = 0
            while True:
                _close_document(sums, j - i, length[d])
                i = j
                if i == end or occurrences[i] >> down != gram:
                    break
                later = np.int64(occurrences[i] & document_mask)
                if block[later] != here:
                    break
                if cluster[later] != cluster[d]:
                    norms[here] += _close_cluster(sums, in_cluster[d])
                d, j = later, _run_end(occurrences, i, end)
            norms[here] += _close_cluster(sums, in_cluster[d])
            several[kept] = sums[:6]
            kept += 1
    return key[:rows], count[:rows], only[:rows], several[:kept].T.copy(), norms


@numba.njit(inline="always")
def _run_end(occurrences: Any, i: Any, end: Any) -> Any:
    """Returns the end of the equal occurrences from the i-th on, one document's of one n-gram."""
    j = i + 1
    while j < end and occurrences[j] == occurrences[i]:
        j += 1
    return j


@numba.njit(inline="always")
def _add_row(sums: Any, count: Any, length: Any, several: Any, at: Any) -> None:
    if count:
        c, n = np.int64(count), np.int64(length)
        sums[_COUNT] += c
        sums[_SQUARES] += c * c
        sums[_WEIGHTED] += c * n
        sums[_RATE] += rate_of(c, n)
        sums[_DOCS] += 1
        sums[_CLUSTERS] += 1
    else:
        for column in range(6):
            sums[column] += several[column, at]


@compiled
def _summed(order: Any, keys: Any, counts: Any, lengths: Any, several: Any) -> Any:
    place = np.empty(len(keys), np.uint32)  # column in `several` of each row with count 0
    kept: Any = 0
    for i in range(len(keys)):
        place[i] = kept
        kept += counts[i] == 0
    key = np.empty(len(keys), np.uint64)
    count = np.empty(len(keys), np.uint32)
    length = np.empty(len(keys), np.uint32)
    out = np.empty((len(keys) // 2 + kept + 1, 6), np.int64)
    rows: Any = 0
    kept = np.int64(0)
    i = 0
    while i < len(order):
        o = order[i]
        k = keys[o]
        i += 1
        key[rows] = k
        count[rows] = counts[o]
        length[rows] = lengths[o]
        again = i < len(order) and keys[order[i]] == k
        if again or counts[o] == 0:
            out[kept, :] = 0
            _add_row(out[kept], counts[o], lengths[o], several, place[o])
            while i < len(order) and keys[order[i]] == k:
                o = order[i]
                _add_row(out[kept], counts[o], lengths[o], several, place[o])
                i += 1
            count[rows] = 0
            length[rows] = 0
            kept += 1
        rows += 1
    return key[:rows], count[:rows], length[:rows], out[:kept].T.copy()


@compiled
def _expanded(count: Any, length: Any, several: Any) -> Any:
    out = np.zeros((6, len(count)), np.int64)
    kept: Any = 0
    for i in range(len(count)):
        _add_row(out[:, i], count[i], length[i], several, kept)
        kept += count[i] == 0
    return out


@compiled
def _gram_counts(keys: Any, counts: Any, several: Any) -> Any:
    key = np.empty(len(keys), np.uint64)
    total = np.empty(len(keys), np.int64)
    grams: Any = 0
    kept: Any = 0
    for i in range(len(keys)):
        gram = keys[i] & ~_BLOCK_MASK
        if not grams or key[grams - 1] != gram:
            key[grams] = gram
            total[grams] = 0
            grams += 1
        if counts[i]:
            total[grams - 1] += counts[i]
        else:
            total[grams - 1] += several[_COUNT, kept]
            kept += 1
    return key[:grams], total[:grams]
