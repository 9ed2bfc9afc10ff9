"""Sums of document vectors by block: all that the structure lens needs of a corpus.

State    (64, K) counts and documents that have any, (64, M) fixed-point means and documents that
         have them, (64, bins) histograms, int64; up to 1,024 cluster hashes. Some 400 kB, a
         fifth of it encoded, whatever the corpus
Cost     one addition a document and column; a merge is as many as the state has numbers
Source   measures.py and patterns/ say what is counted; stats/cluster_hashes.py counts clusters
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.structure import measures
from dftspark.lenses.structure.document_vectors import DocumentVectors, columns
from dftspark.state import State
from dftspark.stats import cluster_hashes
from dftspark.stats.protocol import Statistic
from dftspark.text.hashing import BLOCKS


@dataclass(frozen=True, eq=False)
class StructureSums(State):
    """Sums by block: of the counts and the documents that have any, of the means and the documents
    that have them, of histograms; then the least hashes of clusters.
    """

    counts: NDArray[np.int64]
    present: NDArray[np.int64]
    means: NDArray[np.int64]
    defined: NDArray[np.int64]
    histograms: NDArray[np.int64]
    clusters: NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Structure(Statistic[DocumentVectors, StructureSums]):
    """Parameters: text, the fingerprints of cleaning and of the vectors."""

    name = "structure"
    version = 2
    state = StructureSums

    text: str = ""

    def empty(self) -> StructureSums:
        k, m = len(columns()), len(measures.MEANS)
        shapes = (k, k, m, m, measures.STARTS[-1])
        counts, present, means, defined, histograms = (
            np.zeros((BLOCKS, width), np.int64) for width in shapes
        )
        none = np.empty(0, np.uint64)
        return StructureSums(counts, present, means, defined, histograms, none)

    def observe(self, batch: DocumentVectors) -> StructureSums:
        defined = batch.means >= 0
        return StructureSums(
            _by_block(batch.blocks, batch.counts),
            _by_block(batch.blocks, batch.counts > 0),
            _by_block(batch.blocks, np.where(defined, batch.means, 0)),
            _by_block(batch.blocks, defined),
            batch.histograms,
            cluster_hashes.least(batch.clusters),
        )

    def merge(self, left: StructureSums, right: StructureSums) -> StructureSums:
        return StructureSums(
            left.counts + right.counts,
            left.present + right.present,
            left.means + right.means,
            left.defined + right.defined,
            left.histograms + right.histograms,
            cluster_hashes.merged(left.clusters, right.clusters),
        )


def _by_block(blocks: NDArray[np.int64], values: NDArray[np.generic]) -> NDArray[np.int64]:
    out = np.zeros((BLOCKS, values.shape[1]), np.int64)
    np.add.at(out, blocks, values.astype(np.int64))
    return out
