"""Exact n-gram counts of one order, by block: the keyed statistic of the n-gram lens.

State    rows sorted by key, one for each n-gram and block that occurs (counting.py), and per block
         (64,) the totals that turn counts into rates
Cost     see counting.py; 8 to 12 bytes a row encoded, since an n-gram of one document costs little
         more than its hash; rows are bounded by the tokens, not by a setting
Source   the variance of a ratio with clusters for units, Lijffijt et al. (2016): from clusters with
         N tokens and c occurrences it needs sum c, sum c^2, sum c N and the clusters that have any
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.ngrams import counting
from dftspark.lenses.ngrams.counting import Counted
from dftspark.lenses.ngrams.keys import GramRows
from dftspark.state import State, decode_arrays, encode_arrays
from dftspark.stats.protocol import Batch, Statistic
from dftspark.text.hashing import BLOCKS

_ROW_ARRAYS = 9  # in an encoded state: key, count, length and the six columns of `several`
TOTALS = ("documents", "groups", "tokens", "squared_tokens", "squared_documents", "rate_norm")


@dataclass(frozen=True, eq=False)
class NgramRows(State):
    """Rows as in `counting.Counted`, then totals `(64,)` by block, all of them additive.

    documents          documents with at least one n-gram of the order
    groups             clusters with at least one
    tokens             T, n-grams of the order, repeats counted
    squared_tokens     M, sum over clusters of the squared number of n-grams
    squared_documents  sum over clusters of the squared number of documents
    rate_norm          sum over clusters of |sum of document rates|^2, times 2**40; wraps at
                       2**23: with a cluster of 3,000 documents of one word, or some 30,000 usual
    """

    key: NDArray[np.uint64]
    count: NDArray[np.uint32]
    length: NDArray[np.uint32]
    several: NDArray[np.int64]
    documents: NDArray[np.int64]
    groups: NDArray[np.int64]
    tokens: NDArray[np.int64]
    squared_tokens: NDArray[np.int64]
    squared_documents: NDArray[np.int64]
    rate_norm: NDArray[np.int64]

    @property
    def counted(self) -> Counted:
        return Counted(self.key, self.count, self.length, self.several)

    @property
    def rows(self) -> GramRows:
        """Every column of every row, recomputed at each call."""
        return counting.expanded(self.counted)

    @classmethod
    def decode_counted(cls, data: bytes | memoryview) -> Counted:
        """Returns the rows of an encoded state, without its totals."""
        key, count, length, *several = decode_arrays(data, cls.__name__, first=_ROW_ARRAYS)
        return Counted(key, count, length, np.stack(several))

    def encode(self) -> bytes:
        # Columns of `several` apart, since each is stored in as few bytes as it needs.
        totals = (getattr(self, name) for name in TOTALS)
        return encode_arrays(self.key, self.count, self.length, *self.several, *totals)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        key, count, length, *rest = decode_arrays(data, cls.__name__)
        several, totals = rest[: -len(TOTALS)], rest[-len(TOTALS) :]
        return cls(key, count, length, np.stack(several), *totals)


@dataclass(frozen=True, kw_only=True)
class NgramCounts(Statistic[Batch, NgramRows]):
    """Parameters: n, the order; text, the fingerprint of cleaning and tokenizer."""

    name = "ngram_counts"
    version = 1
    state = NgramRows

    n: int
    text: str = ""

    def empty(self) -> NgramRows:
        no_totals: tuple[NDArray[np.int64], ...] = (np.zeros(BLOCKS, np.int64),) * len(TOTALS)
        return NgramRows(*counting.none_counted(), *no_totals)

    def observe(self, batch: Batch) -> NgramRows:
        return next(self.observe_ranges(batch, 1))

    def observe_ranges(self, batch: Batch, ranges: int) -> Iterator[NgramRows]:
        """Yields the state cut by key range, so that a task never holds more than one range's rows.

        Totals except `rate_norm` are only in the state of range 0: merging all gives `observe`.
        """
        totals = self._totals(batch)
        none = [np.zeros(BLOCKS, np.int64) for _ in totals]
        for found in counting.count(
            batch.hashes, batch.offsets, batch.clusters, batch.blocks, self.n, ranges
        ):
            yield NgramRows(*found.rows, *(*totals, found.norms))
            totals = none

    def merge(self, left: NgramRows, right: NgramRows) -> NgramRows:
        return self.merge_all([left, right])

    def merge_all(self, states: Sequence[NgramRows]) -> NgramRows:
        """Merges many states at once."""
        if not states:
            return self.empty()
        totals = [sum(getattr(s, name) for s in states) for name in TOTALS]
        return NgramRows(*counting.summed([s.counted for s in states]), *totals)

    def _totals(self, batch: Batch) -> list[NDArray[np.int64]]:
        lengths = np.maximum(np.diff(batch.offsets) - self.n + 1, 0)
        present = np.r_[0, np.cumsum(lengths > 0)][batch.clusters]
        tokens = np.diff(np.r_[0, np.cumsum(lengths)][batch.clusters])
        documents = np.diff(present)
        columns = [documents, documents > 0, tokens, tokens**2, documents**2]
        out = np.zeros((len(columns), BLOCKS), np.int64)
        for row, column in zip(out, columns, strict=True):
            np.add.at(row, batch.blocks, column.astype(np.int64))
        return list(out)
