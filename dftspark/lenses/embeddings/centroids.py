"""Regions: a clustering of vectors that is fitted once, on a pilot of both sides, and then frozen.

State    centroids (k, d) float32, largest region of the pilot first
Cost     fitting: k-means on the pilot, seconds for ten thousand vectors; 2 d k operations a vector
         to assign it
Source   Lloyd's k-means as in faiss; the number of regions: `region_count`
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import EnvironmentProblem, InputError, ShapeError

MOST = 500
DOCUMENTS_PER_REGION = 100
PILOT_PER_REGION = 40
_REPEATS = 5
_STEPS = 50
_CHUNK = 4096
_BITS = 21  # centroids are at most 2^21 units long
_LONGEST = 2.0**52 / 3  # bounds a vector's squared length in units: all sums stay below 2^53


@dataclass(frozen=True, eq=False)
class Regions:
    """Frozen regions. States and shares of unlike fingerprints neither merge nor compare.

    centroids  (k, d) float32, k at least 2
    seed       of the fit
    pilot      digest of the vectors it was fitted on, whatever their order
    text       fingerprint of the embedder
    """

    centroids: NDArray[np.float32]
    seed: int
    pilot: str
    text: str = ""

    @property
    def count(self) -> int:
        return len(self.centroids)

    @property
    def fingerprint(self) -> str:
        """A name: `regions-v1(centroids=..., k=20, pilot=..., seed=0, text='...')`."""
        own = _digest(np.ascontiguousarray(self.centroids))
        return (
            f"regions-v1(centroids={own!r}, k={self.count}, pilot={self.pilot!r}, "
            f"seed={self.seed}, text={self.text!r})"
        )

    def assign(
        self, vectors: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the nearest centroid's region `(B,)`, the first of equals, and the margin `(B,)`.

        The margin is the squared distance to the second nearest centroid less that to the nearest,
        at least 0: how clearly a document belongs to its region. Vectors and centroids are rounded
        to whole numbers so small that float64 holds every partial sum of their products: both
        results are the same in any batch, on any processor. Raises ShapeError for another width,
        InputError for vectors that are not finite, or some hundred times as long as the centroids.
        """
        dim = self.centroids.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != dim:
            raise ShapeError(f"vectors have shape {vectors.shape}; these regions are of (B, {dim})")
        longest = float(np.linalg.norm(self.centroids.astype(np.float64), axis=1).max())
        unit = 2.0 ** (np.ceil(np.log2(longest)) - _BITS) if longest > 0 else 2.0**-_BITS
        centers = np.rint(self.centroids.astype(np.float64) / unit)
        squares = (centers**2).sum(axis=1)
        regions = np.empty(len(vectors), np.int64)
        margins = np.empty(len(vectors), np.float64)
        for start in range(0, len(vectors), _CHUNK):
            rows = slice(start, start + _CHUNK)
            whole = np.rint(vectors[rows].astype(np.float64) / unit)
            lengths = (whole**2).sum(axis=1)
            if not (lengths <= _LONGEST).all():
                wrong = int((~(lengths <= _LONGEST)).sum())
                raise InputError(
                    f"{wrong} of {len(whole)} vectors are not finite, or much longer than the "
                    f"centroids, whose longest is {longest:g}; embed their texts again, as those "
                    f"of the pilot were"
                )
            scores = squares - 2 * (whole @ centers.T)
            regions[rows] = scores.argmin(axis=1)
            least = np.partition(scores, 1, axis=1)
            margins[rows] = (least[:, 1] - least[:, 0]) * unit**2
        return regions, margins


def region_count(human: int, model: int, pilot: int) -> int:
    """Returns the number of regions for corpora of these documents and a pilot of `pilot`.

    It is a hundredth of the smaller corpus, so that divergences of shares are biased by less than
    .01 (growing corpora do not make them unbiased where regions grow along); at most 500, at most
    one for 40 vectors of the pilot, at least 2.
    """
    return max(2, min(MOST, min(human, model) // DOCUMENTS_PER_REGION, pilot // PILOT_PER_REGION))


def fit_regions(
    human: NDArray[np.floating[Any]],
    model: NDArray[np.floating[Any]],
    *,
    count: int,
    seed: int,
    text: str = "",
) -> Regions:
    """Fits k-means to as many vectors `(n, d)` of one side as of the other.

    From the larger side it takes those of smallest digest, so the order of vectors does not matter.
    With several models give all of them as `model`, alike in number. Raises ShapeError for unlike
    dimensions and fewer vectors than regions, EnvironmentProblem without faiss.
    """
    if human.ndim != 2 or model.ndim != 2 or human.shape[1] != model.shape[1]:
        raise ShapeError(f"pilots have shapes {human.shape} and {model.shape}; give (n, d) twice")
    each = min(len(human), len(model))
    if not 2 <= count <= 2 * each:
        raise ShapeError(
            f"a pilot of {each} vectors a side has no {count} regions; there are at least 2, and "
            f"as many vectors as regions"
        )
    try:
        import faiss
    except ImportError as error:
        raise EnvironmentProblem(
            "regions are fitted by k-means of faiss: pip install 'dftspark[embed]'"
        ) from error
    pilot = _by_digest(np.concatenate([_by_digest(side)[:each] for side in (human, model)]))
    means = faiss.Kmeans(
        pilot.shape[1],
        count,
        niter=_STEPS,
        nredo=_REPEATS,
        seed=seed,
        max_points_per_centroid=len(pilot),
        min_points_per_centroid=1,
    )
    means.train(pilot)
    fitted = Regions(np.asarray(means.centroids, np.float32), seed, _digest(pilot), text)
    sizes = np.bincount(fitted.assign(pilot)[0], minlength=count)
    largest_first = np.lexsort((*fitted.centroids.T[::-1], -sizes))
    return Regions(fitted.centroids[largest_first], seed, fitted.pilot, text)


def _by_digest(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    rows = np.ascontiguousarray(vectors, np.float32)
    return rows[np.argsort([_digest(row) for row in rows], kind="stable")]


def _digest(array: NDArray[Any]) -> str:
    return blake2b(array.tobytes(), digest_size=8).hexdigest()
