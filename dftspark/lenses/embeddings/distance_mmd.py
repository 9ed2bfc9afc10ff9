"""Kernels of the squared maximum mean discrepancy, and their sums over all pairs of vectors.

Audits report the squared MMD between blocks, which is `inference.squared`'s squared distance of
feature sums. The sums here are those without random features, a check on a bounded sample.

Source   Gretton, Borgwardt, Rasch, Scholkopf and Smola (2012); the energy distance as an MMD,
         Sejdinovic, Sriperumbudur, Gretton and Fukumizu (2013)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]
Kernel = Callable[[Floats], Floats]  # takes squared distances

_CHUNK = 1 << 22  # kernel values held at once
_EQUAL = 1e-10  # squared distances below this share of a squared length are rounding


def kernel(name: str, sigma: float) -> Kernel:
    """Returns the kernel that `fourier` approximates under this name, of squared distances.

    For "energy" it is minus the distance itself: its squared MMD is the energy distance.
    """
    if name == "laplace":
        return lambda r2: np.exp(-np.sqrt(r2) / sigma)
    if name == "imq":
        return lambda r2: (1 + r2 / sigma**2) ** -0.5
    if name == "energy":
        return lambda r2: -np.sqrt(r2)
    family, _, step = name.partition("_")
    if family != "gaussian" or not step:
        raise ShapeError(f"no kernel {name!r}: gaussian_C, laplace, imq, energy")
    width = 2 * (float(step) * sigma) ** 2
    return lambda r2: np.exp(-r2 / width)


def kernel_sums(
    vectors: NDArray[np.floating[Any]], groups: NDArray[np.int64], count: int, of: Kernel
) -> Floats:
    """Sums the kernel over all pairs of vectors `(n, d)` of two groups `(n,)`: `(count, count)`.

    Cost n^2 d; memory 32 MB.
    """
    wide = vectors.astype(np.float64)
    order = np.argsort(groups, kind="stable")
    wide, own = wide[order], groups[order]
    filled, starts = np.unique(own, return_index=True)
    sums = np.zeros((count, count))
    for rows, values in _kernels(wide, wide, of):
        by_group = np.add.reduceat(values, starts, axis=1)
        np.add.at(sums, (own[rows][:, None], filled), by_group)
    return sums


def squared_distances(x: Floats, y: Floats) -> Floats:
    """Returns |x - y|^2 of all pairs, `(n, m)`, at least 0."""
    products = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.asarray(np.maximum(products, 0.0))


def median_distance(vectors: NDArray[np.floating[Any]]) -> float:
    """Returns the root of the median |x - y|^2 over pairs of `vectors` `(n, d)`, to four digits.

    Where most pairs are equal, it is taken over those that are not; 1, the radius of the unit
    sphere, where all are, or there is one vector. Four digits are the same on every machine,
    whatever the order in which it adds.
    """
    found = squared_distances(vectors.astype(np.float64), vectors.astype(np.float64))
    pairs = found[np.triu_indices(len(vectors), 1)]
    # Equal vectors are apart by rounding, which must not become a bandwidth.
    unlike = pairs[pairs > _EQUAL * float((vectors.astype(np.float64) ** 2).sum(axis=1).max())]
    if not len(unlike):
        return 1.0
    median = float(np.median(pairs if 2 * len(unlike) > len(pairs) else unlike))
    return float(f"{np.sqrt(median):.4g}")


def _kernels(x: Floats, y: Floats, of: Kernel) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Yields (row numbers, kernel values `(rows, m)`) of one chunk of x after another."""
    step = max(1, _CHUNK // max(len(y), 1))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        yield rows, of(squared_distances(x[rows], y))
