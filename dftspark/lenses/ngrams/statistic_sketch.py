"""Count-Sketches of n-gram counts and document rates, one a block: the small n-gram statistic.

State    (64, width) int64 twice: by block, the sketch of counts and of rates x 2**40. Its size is
         a setting, whatever the corpus; range r of R owns the buckets r*width/R onward
Cost     two additions a row of NgramRows
Source   Charikar, Chen and Farach-Colton (2002): the relative standard deviation of a squared L2
         distance is at most sqrt(2 / width), 2.2% at 4096, whatever the vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.ngrams.counting import Counted
from dftspark.lenses.ngrams.sketch import add_to_blocks
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.state import SumState
from dftspark.stats.protocol import Batch, Statistic
from dftspark.text.hashing import BLOCKS


@dataclass(frozen=True, eq=False)
class BlockSketch(SumState):
    """Sketches `(64, buckets)` of each block's counts, and of its rates x 2**40."""

    counts: NDArray[np.int64]
    rates: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NgramSketch(Statistic[Batch, BlockSketch]):
    """Parameters: n, the order; width, buckets a block; seed, of the signs; text, the
    fingerprint of cleaning and tokenizer."""

    name = "ngram_sketch"
    version = 1
    state = BlockSketch

    n: int
    width: int = 4096
    seed: int = 0
    text: str = ""

    def empty(self) -> BlockSketch:
        return BlockSketch(*(np.zeros((BLOCKS, self.width), np.int64) for _ in range(2)))

    def observe(self, batch: Batch) -> BlockSketch:
        return self.of_rows(NgramCounts(n=self.n).observe(batch).counted)

    def merge(self, left: BlockSketch, right: BlockSketch) -> BlockSketch:
        return left + right

    def of_rows(self, rows: Counted, part: int = 0, parts: int = 1) -> BlockSketch:
        """Returns the slice of buckets of rows that all lie in key range `part` of `parts`."""
        counts, rates = np.zeros((2, BLOCKS, self.width // parts), np.int64)
        add_to_blocks(counts, rates, rows, self.width, part, self.seed)
        return BlockSketch(counts, rates)
