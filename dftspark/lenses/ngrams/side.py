"""One corpus in one key range, as the n-gram lens compares it: sums, rates and lookups by key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.ngrams.counting import Counted
from dftspark.lenses.ngrams.grams import Grams, grams
from dftspark.lenses.ngrams.keys import RATE_ONE, GramRows, each
from dftspark.lenses.ngrams.statistic_sketch import BlockSketch
from dftspark.text.hashing import BLOCKS

Floats = NDArray[np.float64]
Totals = dict[str, NDArray[np.int64]]  # (64,) each, by the names in statistic_counts.TOTALS


@dataclass(frozen=True, eq=False)
class GramSide:
    """One corpus in one key range: n-grams with their blocks added up, and the rows behind."""

    rows: Counted  # by n-gram and block
    by_gram: Grams
    listable: NDArray[np.uint64]  # keys whose text the profile keeps, sorted
    sketch: BlockSketch
    tokens: float
    documents: float
    returning: bool = False  # clusters come on several days, so blocks of them are the units

    @property
    def grams(self) -> GramRows:
        return self.by_gram.sums

    # The human side meets every model, so results from all of its n-grams are cached.

    @cached_property
    def token_rates(self) -> Floats:
        return self.grams.count / self.tokens

    @cached_property
    def document_rates(self) -> Floats:
        return self.grams.rate / (self.documents * RATE_ONE)

    @cached_property
    def sums(self) -> Floats:
        """Sum Q, sum p H, |p|^2, |document-weighted p|^2."""
        p, f = self.token_rates, self.document_rates
        return np.array([self.grams.squares.sum(), p @ self.grams.weighted, p @ p, f @ f])

    @cached_property
    def per_block(self) -> Floats:
        """Occurrences in each block."""
        block = (self.rows.key & np.uint64(BLOCKS - 1)).astype(np.int64)
        return np.asarray(np.bincount(block, self.by_gram.rows, BLOCKS), np.float64)

    def columns(self, keys: NDArray[np.uint64]) -> GramRows:
        """Returns rows of the n-grams `keys` (zero block bits), zero where there are none."""
        present, at = _positions(self.grams.key, keys)
        if not len(self.grams.key):
            return each(self.grams, lambda column: np.zeros(len(keys), column.dtype))
        return each(self.grams, lambda column: np.where(present, column[at], 0))

    def by_block(self, keys: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns `values` of the rows of n-grams `keys` (zero block bits), `(k, 64)`."""
        out = np.zeros((len(keys), BLOCKS), np.int64)
        which, at = _row_numbers(self.by_gram, keys)
        out[which, (self.rows.key[at] & np.uint64(BLOCKS - 1)).astype(np.int64)] = values[at]
        return out


def side(
    rows: Counted,
    listable: NDArray[np.uint64],
    sketch: BlockSketch,
    totals: Totals,
    returning: bool = False,
) -> GramSide:
    tokens, documents = (float(totals[name].sum()) or np.nan for name in ("tokens", "documents"))
    return GramSide(rows, grams(rows), listable, sketch, tokens, documents, returning)


def _positions(
    keys: NDArray[np.uint64], wanted: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Returns (whether it is there, where) for each wanted key in the sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted), np.bool_), np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[at] == wanted, at


def _row_numbers(
    of: Grams, keys: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns (which of `keys`, with zero block bits, and row number) for each row they have."""
    present, at = _positions(of.sums.key, keys)
    which = np.flatnonzero(present)
    first = of.first[at[which]]
    lengths = of.first[at[which] + 1] - first
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(which, lengths), np.repeat(first, lengths) + offset
