"""Sums of random features by block: all that MMD and the energy distance need of a corpus.

State    sums (64, K, 2 D) int64: features x 2^20 of K kernels, cosines before sines; documents
         (64,); and the least cluster hashes, which count clusters.
         D = 2304 of d = 384 and K = 7: 16.5 MB, about 8 encoded, whatever the corpus
Cost     50 microseconds a document and core at d = 384, D = 2304, K = 7: 30 of them the projection
Source   fourier.py; statistics over blocks, inference/squared.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.lenses.embeddings.fourier import ONE, Frequencies, add_to_blocks
from dftspark.state import State
from dftspark.stats import cluster_hashes
from dftspark.stats.protocol import Statistic, VectorBatch
from dftspark.text.hashing import BLOCKS

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureState(State):
    """clusters  (c,) uint64, the least hashes of clusters, as `cluster_hashes` keeps them
    documents    (64,) int64
    sums         (64, K, 2 D) int64, features x 2^20"""

    clusters: NDArray[np.uint64]
    documents: NDArray[np.int64]
    sums: NDArray[np.int64]

    def block_sums(self, kernel: int) -> Floats:
        """Sums of phi, `(64, 2 D)`: |phi|^2 is 1 for every document, but for 1e-6."""
        count = self.sums.shape[2] // 2
        return np.asarray(self.sums[:, kernel] * (1 / (ONE * np.sqrt(count))), np.float64)


@dataclass(frozen=True, kw_only=True)
class FeatureSums(Statistic[VectorBatch, FeatureState]):
    """Parameters: frequencies, frozen; vectors, the fingerprint of cleaning and embedder."""

    name = "feature_sums"
    version = 2
    state = FeatureState

    frequencies: Frequencies
    vectors: str = ""

    def empty(self) -> FeatureState:
        return FeatureState(np.empty(0, np.uint64), np.zeros(BLOCKS, np.int64), self._no_sums())

    def observe(self, batch: VectorBatch) -> FeatureState:
        """Raises ShapeError for vectors of another width, InputError for unfit ones."""
        if not len(batch.vectors) == len(batch.blocks) == len(batch.clusters):
            raise ShapeError(
                f"{len(batch.vectors)} vectors, {len(batch.clusters)} clusters and "
                f"{len(batch.blocks)} blocks; give one of each per document"
            )
        sums = self._no_sums()
        add_to_blocks(sums, self.frequencies, batch.vectors, batch.blocks)
        documents = np.bincount(batch.blocks, minlength=BLOCKS).astype(np.int64)
        return FeatureState(cluster_hashes.least(batch.clusters), documents, sums)

    def merge(self, left: FeatureState, right: FeatureState) -> FeatureState:
        return FeatureState(
            cluster_hashes.merged(left.clusters, right.clusters),
            left.documents + right.documents,
            left.sums + right.sums,
        )

    def _no_sums(self) -> NDArray[np.int64]:
        count = self.frequencies.count
        return np.zeros((BLOCKS, len(self.frequencies.kernels), 2 * count), np.int64)
