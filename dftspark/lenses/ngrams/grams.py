"""Rows by n-gram and block seen as n-grams: their sums, and the n-grams that two corpora share.

Cost     one walk over the rows, or over the n-grams of both sides; about 15 ns each
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.lenses.ngrams.counting import Counted, rate_of
from dftspark.lenses.ngrams.keys import GramRows
from dftspark.text.hashing import BLOCKS

_BLOCK_MASK = np.uint64(BLOCKS - 1)
_OFTEN = 64  # counts from which on a pair of counts is taken for a kind of its own


class Grams(NamedTuple):
    """sums   Rows `(G,)`, one an n-gram: its blocks added up, keys with zero block bits, sorted
    first  `(G + 1,)` int64, where the rows of each n-gram begin
    rows   `(K,)` int64, occurrences in each row of `Counted`
    """

    sums: GramRows
    first: NDArray[np.int64]
    rows: NDArray[np.int64]


class Both(NamedTuple):
    """Occurrences of n-grams that both sides have, one entry for each block that has any.

    pair   `(E,)` int64, which n-gram   block  `(E,)` int64
    human, model  `(E,)` int64, occurrences in that block
    """

    pair: NDArray[np.int64]
    block: NDArray[np.int64]
    human: NDArray[np.int64]
    model: NDArray[np.int64]


def grams(rows: Counted) -> Grams:
    key, sums, first, counts = _grams(*rows)
    return Grams(GramRows(key, *sums), first, counts)


def matched(
    human: NDArray[np.uint64], model: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the places of common keys in both sides, whose keys are sorted without repeats."""
    of_human, of_model = _matched(human, model)
    return of_human, of_model


def in_both(
    human: Grams,
    human_keys: NDArray[np.uint64],
    at_human: NDArray[np.int64],
    model: Grams,
    model_keys: NDArray[np.uint64],
    at_model: NDArray[np.int64],
) -> Both:
    """Collects occurrences; `human_keys` and `model_keys` are keys of the rows, `at_human` and
    `at_model` places of the pairs of n-grams.
    """
    return Both(
        *_in_both(
            human.first,
            human_keys,
            human.rows,
            at_human,
            model.first,
            model_keys,
            model.rows,
            at_model,
        )
    )


def kinds(
    human: NDArray[np.int64], model: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns (human count, model count, how often) such that every pair of counts is there as
    often as in `human` and `model` `(V,)`; most n-grams are of a few kinds.
    """
    rare = (human < _OFTEN) & (model < _OFTEN)
    tally = np.bincount(human[rare] * _OFTEN + model[rare], minlength=1)
    seen = np.flatnonzero(tally)
    often = ~rare
    return (
        np.r_[seen // _OFTEN, human[often]],
        np.r_[seen % _OFTEN, model[often]],
        np.r_[tally[seen], np.ones(int(often.sum()), np.int64)],
    )


@compiled
def _grams(keys: Any, count: Any, length: Any, several: Any) -> Any:
    total = 0
    for i in range(len(keys)):
        total += i == 0 or (keys[i] ^ keys[i - 1]) > _BLOCK_MASK
    key = np.empty(total, np.uint64)
    sums = np.zeros((6, total), np.int64)
    first = np.empty(total + 1, np.int64)
    rows = np.empty(len(keys), np.int64)
    g: Any = -1
    kept: Any = 0
    for i in range(len(keys)):
        if i == 0 or (keys[i] ^ keys[i - 1]) > _BLOCK_MASK:
            g += 1
            key[g] = keys[i] & ~_BLOCK_MASK
            first[g] = i
        if count[i]:
            c, n = np.int64(count[i]), np.int64(length[i])
            sums[0, g] += c
            sums[1, g] += c * c
            sums[2, g] += c * n
            sums[3, g] += rate_of(c, n)
            sums[4, g] += 1
            sums[5, g] += 1
            rows[i] = c
        else:
            for column in range(6):
                sums[column, g] += several[column, kept]
            rows[i] = several[0, kept]
            kept += 1
    first[total] = len(keys)
    return key, sums, first, rows


@compiled
def _matched(human: Any, model: Any) -> Any:
    most = min(len(human), len(model))
    of_human = np.empty(most, np.int64)
    of_model = np.empty(most, np.int64)
    i, j, found = 0, 0, 0
    while i < len(human) and j < len(model):
        if human[i] < model[j]:
            i += 1
        elif human[i] > model[j]:
            j += 1
        else:
            of_human[found] = i
            of_model[found] = j
            i += 1
            j += 1
            found += 1
    return of_human[:found], of_model[:found]


@compiled
def _in_both(
    h_first: Any,
    h_key: Any,
    h_rows: Any,
    at_h: Any,
    m_first: Any,
    m_key: Any,
    m_rows: Any,
    at_m: Any,
) -> Any:
    most = 0
    for p in range(len(at_h)):
        most += h_first[at_h[p] + 1] - h_first[at_h[p]] + m_first[at_m[p] + 1] - m_first[at_m[p]]
    pair = np.empty(most, np.int64)
    block = np.empty(most, np.int64)
    human = np.empty(most, np.int64)
    model = np.empty(most, np.int64)
    e = 0
    for p in range(len(at_h)):
        i, i_end = h_first[at_h[p]], h_first[at_h[p] + 1]
        j, j_end = m_first[at_m[p]], m_first[at_m[p] + 1]
        while i < i_end or j < j_end:
            own = np.int64(h_key[i] & _BLOCK_MASK) if i < i_end else BLOCKS
            other = np.int64(m_key[j] & _BLOCK_MASK) if j < j_end else BLOCKS
            pair[e] = p
            block[e] = min(own, other)
            human[e] = h_rows[i] if own <= other else 0
            model[e] = m_rows[j] if other <= own else 0
            i += own <= other
            j += other <= own
            e += 1
    return pair[:e], block[:e], human[:e], model[:e]
