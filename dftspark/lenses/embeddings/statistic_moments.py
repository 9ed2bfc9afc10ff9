"""Means and covariances of vectors by block, from which a Gaussian distance is computed.

State    (S,), (S, d) and (S, d (d + 1) / 2) int64: 9.5 MB for S = 16 blocks and d = 384
Cost     2 d^2 operations a document, in matrix products
Source   Coordinates are rounded to multiples of 2**-18, so that float64 holds every partial sum of
         products of a batch, and int64 their total: merging in any order gives the same bits. A
         block holds 2**27 - 1 unit vectors. Rounding adds less than 1e-12 to a variance
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import InputError, ShapeError
from dftspark.state import SumState
from dftspark.stats.protocol import Statistic, VectorBatch

Floats = NDArray[np.float64]

BLOCKS = 16
UNIT_ONE = 1 << 18
_CHUNK = 1 << 14  # rows of one product: 2^14 x 2^36 < 2^53
_LONGEST = 1.001  # length of a vector that was normalized in half precision


@dataclass(frozen=True, eq=False)
class MomentSums(SumState):
    """Documents `(S,)`, sums `(S, d)` x 2**18, upper triangles of products x 2**36, by block."""

    documents: NDArray[np.int64]
    total: NDArray[np.int64]
    products: NDArray[np.int64]


def no_moments(dim: int, blocks: int = BLOCKS) -> MomentSums:
    """Returns the state of no document."""
    shapes = (blocks,), (blocks, dim), (blocks, dim * (dim + 1) // 2)
    return MomentSums(*(np.zeros(shape, np.int64) for shape in shapes))


def moment_sums(
    vectors: NDArray[np.floating[Any]], blocks: NDArray[np.integer[Any]], count: int = BLOCKS
) -> MomentSums:
    """Returns the state of unit vectors `(B, d)` in blocks `(B,)`; block j counts in j mod `count`.

    Raises ShapeError for unlike lengths, InputError for vectors that are not finite or longer than
    1.
    """
    if vectors.ndim != 2 or len(vectors) != len(blocks):
        raise ShapeError(f"vectors have shape {vectors.shape}; give one for each of {len(blocks)}")
    state = no_moments(vectors.shape[1], count)
    counts, totals, products = (np.array(a) for a in (state.documents, state.total, state.products))
    within = np.asarray(blocks, np.int64) % count
    upper = np.triu_indices(vectors.shape[1])
    for block in np.unique(within):
        rows = np.flatnonzero(within == block)
        for start in range(0, len(rows), _CHUNK):
            own = vectors[rows[start : start + _CHUNK]].astype(np.float64)
            squares = np.einsum("bd,bd->b", own, own)
            if not (squares <= _LONGEST**2).all():
                wrong = int((~(squares <= _LONGEST**2)).sum())
                raise InputError(
                    f"{wrong} of {len(own)} vectors are not finite or longer than 1; normalize "
                    f"the embeddings"
                )
            whole = np.rint(own * UNIT_ONE)
            counts[block] += len(whole)
            totals[block] += whole.sum(axis=0).astype(np.int64)
            products[block] += (whole.T @ whole)[upper].astype(np.int64)
    return MomentSums(counts, totals, products)


@dataclass(frozen=True, kw_only=True)
class Moments(Statistic[VectorBatch, MomentSums]):
    """Parameters: dim, width of the vectors; vectors, the fingerprint of cleaning and embedder."""

    name = "moments"
    version = 1
    state = MomentSums

    dim: int
    vectors: str = ""

    def empty(self) -> MomentSums:
        return no_moments(self.dim)

    def observe(self, batch: VectorBatch) -> MomentSums:
        """Sums a batch. Raises as `moment_sums` does, and ShapeError for another width."""
        if batch.vectors.shape[1:] != (self.dim,):
            raise ShapeError(f"vectors have shape {batch.vectors.shape}; expected width {self.dim}")
        return moment_sums(batch.vectors, batch.blocks)

    def merge(self, left: MomentSums, right: MomentSums) -> MomentSums:
        return left + right


def moments(state: MomentSums, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Returns mean `(d,)` and covariance `(d, d)` of blocks with `weights` `(S,)` of 1, or of all.

    Divided by n - 1. nan below two documents.
    """
    chosen = np.ones(len(state.documents), bool) if weights is None else weights > 0
    n = int(state.documents[chosen].sum())
    dim = state.total.shape[1]
    if n < 2:
        return np.full(dim, np.nan), np.full((dim, dim), np.nan)
    mean = state.total[chosen].sum(axis=0) / (n * UNIT_ONE)
    second = np.empty((dim, dim))
    upper = np.triu_indices(dim)
    second[upper] = state.products[chosen].sum(axis=0) / (n * float(UNIT_ONE) ** 2)
    second.T[upper] = second[upper]
    return mean, (second - np.outer(mean, mean)) * (n / (n - 1))
