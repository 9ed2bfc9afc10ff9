"""A sketch of keys, for finding documents that repeat documents of other clusters.

State    the KEYS least distinct keys of documents, and for each the CLUSTERS least hashes of the
         clusters that have it: about 64 kB, whatever the corpus
Cost     a sort of the keys of a batch
Source   keys come from text/minhash.py. The least keys are a random sample of the distinct
         ones, and the k-th least of hashes tells their number (Bar-Yossef et al. 2002)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.state import State
from dftspark.stats.protocol import Statistic
from dftspark.text import minhash

KEYS = 4_096  # tells an effect of 1.04 to within .006; a quarter as many keys, to .012
CLUSTERS = 8
_SPAN = 2.0**64


@dataclass(frozen=True, eq=False)
class KeyBatch:
    """keys  (B,) uint64, of documents; clusters  (B,) uint64, a hash of each one's cluster."""

    keys: NDArray[np.uint64]
    clusters: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class CopiesState(State):
    """keys      (K,) uint64, sorted
    counts    (K,) int64, number of cluster hashes kept of each: 1 .. CLUSTERS
    clusters  (sum of counts,) uint64, those of each key in turn, sorted within it
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    clusters: NDArray[np.uint64]


class Copies(NamedTuple):
    """effect  factor by which the variance of a mean exceeds that of as many documents that do not
            repeat each other: 1 where none does, 2 where all are stored twice. nan without keys
    share   of documents that repeat one of another cluster, the first of its kind aside
    """

    effect: float
    share: float


@dataclass(frozen=True, kw_only=True)
class CopiesSketch(Statistic[KeyBatch, CopiesState]):
    """Parameters: text, the fingerprint of cleaning and tokens; features, the version of keys."""

    name = "copies_sketch"
    version = 1
    state = CopiesState

    text: str = ""
    features: int = minhash.VERSION

    def empty(self) -> CopiesState:
        return _least(np.empty(0, np.uint64), np.empty(0, np.uint64))

    def observe(self, batch: KeyBatch) -> CopiesState:
        """Sketches a batch. Raises ShapeError unless each document has one key and one cluster."""
        if batch.keys.shape != batch.clusters.shape:
            raise ShapeError(
                f"{len(batch.keys)} keys and {len(batch.clusters)} clusters; give one of each per "
                f"document"
            )
        return _least(batch.keys, batch.clusters)

    def merge(self, left: CopiesState, right: CopiesState) -> CopiesState:
        pairs = [(np.repeat(own.keys, own.counts), own.clusters) for own in (left, right)]
        keys, clusters = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return _least(keys, clusters)


def _least(keys: NDArray[np.uint64], clusters: NDArray[np.uint64]) -> CopiesState:
    """Returns the state of pairs `(P,)`, which may repeat."""
    order = np.lexsort((clusters, keys))
    keys, clusters = keys[order], clusters[order]
    new = np.r_[True, (keys[1:] != keys[:-1]) | (clusters[1:] != clusters[:-1])][: len(keys)]
    keys, clusters = keys[new], clusters[new]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    sizes = np.diff(np.r_[starts, len(keys)])
    place = np.arange(len(keys)) - np.repeat(starts, sizes)
    number = np.repeat(np.arange(len(starts)), sizes)
    kept = (place < CLUSTERS) & (number < KEYS)
    return CopiesState(
        keys[starts[:KEYS]],
        np.minimum(sizes[:KEYS], CLUSTERS).astype(np.int64),
        clusters[kept],
    )


def copies(state: CopiesState) -> Copies:
    """Estimates how far the clusters of a corpus repeat each other, from its sketch.

    With m clusters of one key the effect is sum m^2 / sum m over keys, and the share 1 - keys / sum
    m. m is exact below CLUSTERS; from there on it is estimated without bias.
    """
    if not len(state.keys):
        return Copies(float("nan"), float("nan"))
    m = state.counts.astype(np.float64)
    squares = m * m
    full = np.flatnonzero(state.counts == CLUSTERS)
    last = np.cumsum(state.counts)[full] - 1
    inverse = _SPAN / (state.clusters[last].astype(np.float64) + 1)
    m[full] = np.maximum((CLUSTERS - 1) * inverse, CLUSTERS)
    # U is the k-th least of m hashes: E (k - 1) / U = m, E (k - 1) (k - 2) / U^2 = m (m - 1).
    pairs = (CLUSTERS - 1) * (CLUSTERS - 2) * inverse**2
    squares[full] = np.maximum(pairs + m[full], CLUSTERS**2)
    return Copies(float(squares.sum() / m.sum()), float(1 - len(m) / m.sum()))
