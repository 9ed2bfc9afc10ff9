"""Sums of feature vectors by block: of human texts, of a pool, or of the chosen texts.

State    (64, D) int64, features x 2^20, and (64, parts) documents that have each part. Whole
         numbers, so they do not depend on the order or the partitioning of the documents
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.choose.features import Features
from dftspark.state import SumState
from dftspark.text.hashing import BLOCKS

Floats = NDArray[np.float64]
ONE = 1 << 20  # the whole number that stands for 1


@dataclass(frozen=True, eq=False)
class ChoiceSums(SumState):
    documents: NDArray[np.int64]
    sums: NDArray[np.int64]

    def rows(self, part: int, columns: slice, blocks: range) -> tuple[Floats, Floats]:
        """Returns sums of one part's columns by block, and how many documents have the part."""
        found = self.sums[blocks.start : blocks.stop, columns] / ONE
        return found, self.documents[blocks.start : blocks.stop, part].astype(np.float64)

    def mean(self, features: Features, blocks: range) -> Floats:
        """Returns the mean over the documents of these blocks, `(D,)`; nan for a part that none of
        them has."""
        rows = list(blocks)
        counts = self.documents[rows].sum(axis=0).astype(np.float64)
        counts[counts == 0] = np.nan
        widths = [part.stop - part.start for part in features.parts]
        total = self.sums[rows].sum(axis=0).astype(np.float64)
        return np.asarray(total / ONE / np.repeat(counts, widths))


def none(features: Features) -> ChoiceSums:
    return ChoiceSums(
        np.zeros((BLOCKS, len(features.parts)), np.int64),
        np.zeros((BLOCKS, features.width), np.int64),
    )


def summed(
    features: Features,
    vectors: NDArray[np.float32] | Floats,
    blocks: NDArray[np.integer],
    embedded: NDArray[np.bool_] | None = None,
) -> ChoiceSums:
    """Sums `vectors` `(B, D)` by `blocks` `(B,)`; `embedded` `(B,)` says which have embeddings."""
    found = none(features)
    documents, sums = np.array(found.documents), np.array(found.sums)
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        own = np.rint(vectors[rows] * float(ONE))
        for number, part in enumerate(features.parts):
            has = np.ones(len(rows), bool)
            if embedded is not None and part.family == "embeddings":
                has = embedded[rows]
            documents[block, number] += int(has.sum())
            sums[block, part.columns] += own[has, part.columns].sum(axis=0).astype(np.int64)
    return ChoiceSums(documents, sums)
