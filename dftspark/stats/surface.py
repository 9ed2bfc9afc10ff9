"""Counts of documents by properties other than their writing, by block, for `comparability`.

State    by block: documents (64,), documents that have each flag (64, F), words and line breaks
         (64, 2), and a histogram of lengths (64, bins), int64. Some 500 kB, about 8 encoded
Cost     one addition a document and column
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.state import SumState
from dftspark.stats.protocol import Statistic
from dftspark.text import surface
from dftspark.text.hashing import BLOCKS
from dftspark.text.surface import Surfaces


@dataclass(frozen=True, eq=False)
class SurfaceSums(SumState):
    """documents  (64,)
    flags      (64, F)     documents that have each of surface.FLAGS
    sums       (64, 2)     words between white space, and line breaks
    lengths    (64, bins)  documents by `surface.bin_of` their words"""

    documents: NDArray[np.int64]
    flags: NDArray[np.int64]
    sums: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Surface(Statistic[Surfaces, SurfaceSums]):
    """Parameters: text, the fingerprint of cleaning; features, the version of the properties."""

    name = "surface"
    version = 1
    state = SurfaceSums

    text: str = ""
    features: int = surface.VERSION

    def empty(self) -> SurfaceSums:
        shapes = (BLOCKS,), (BLOCKS, len(surface.FLAGS)), (BLOCKS, 2), (BLOCKS, surface.BINS)
        return SurfaceSums(*(np.zeros(shape, np.int64) for shape in shapes))

    def observe(self, batch: Surfaces) -> SurfaceSums:
        documents, flags, sums, lengths = (
            np.array(getattr(self.empty(), name)) for name in _FIELDS
        )
        np.add.at(documents, batch.blocks, 1)
        np.add.at(flags, batch.blocks, batch.flags.astype(np.int64))
        np.add.at(sums, batch.blocks, np.stack([batch.words, batch.newlines], axis=1))
        np.add.at(lengths, (batch.blocks, surface.bin_of(batch.words)), 1)
        return SurfaceSums(documents, flags, sums, lengths)

    def merge(self, left: SurfaceSums, right: SurfaceSums) -> SurfaceSums:
        return left + right


_FIELDS = ("documents", "flags", "sums", "lengths")
