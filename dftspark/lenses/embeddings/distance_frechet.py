"""Frechet distance of two clouds of vectors, as if both were Gaussian.

Cost     two eigendecompositions and a singular value decomposition of (d, d): .1 s for d = 384
Source   Dowson and Landau (1982)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def root(covariance: Floats) -> Floats:
    """Returns `(d, d)` A with A A' = covariance; eigenvalues rounded below 0 become 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def frechet(mean: Floats, own: Floats, other_mean: Floats, other: Floats) -> float:
    """Returns |difference of means|^2 + tr(C + D - 2 (C D)^(1/2)) of means `(d,)`, roots of C, D.

    Squared units of the vectors, at least 0 up to rounding; larger is further apart, 0 at equality
    of mean and covariance. From finite corpora it is too large by about a constant over their
    sizes. The last term is the sum of singular values of the product of the roots. nan where an
    argument is.
    """
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        return float("nan")
    common = np.linalg.svd(own.T @ other, compute_uv=False).sum()
    shift = float(((mean - other_mean) ** 2).sum())
    return shift + float((own**2).sum() + (other**2).sum() - 2 * common)
