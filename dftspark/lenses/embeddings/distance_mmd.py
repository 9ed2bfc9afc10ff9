"""Squared maximum mean discrepancy: of all documents from feature sums, and exactly from vectors.

Audits report the squared MMD between blocks, which is `inference.squared`'s squared distance of
feature sums. This file has the form over all pairs of documents, and the quadratic form without
random features, a check on a bounded sample.

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


def squared_mmd(human: Floats, model: Floats, n_human: float, n_model: float) -> float:
    """Returns MMD^2 over all pairs of unlike documents, from sums `(m,)` of features, |phi|^2 = 1.

    |p - q|^2 - (1 - |p|^2) / (n - 1) - (1 - |q|^2) / (m - 1), the form that does not cancel.
    Dimensionless, at most 4; larger is further apart; its mean is 0 at equality, so a value may be
    a little below. Documents must be independent: copies, and prompts that sides share, bias it,
    but not the form between blocks. nan below two documents on a side.
    """
    if n_human < 2 or n_model < 2:
        return float("nan")
    p, q = human / n_human, model / n_model
    noise = (1 - p @ p) / (n_human - 1) + (1 - q @ q) / (n_model - 1)
    return float(((p - q) ** 2).sum() - noise)


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


def exact_squared_mmd(
    human: NDArray[np.floating[Any]],
    model: NDArray[np.floating[Any]],
    of: Kernel,
    human_blocks: NDArray[np.int64] | None = None,
    model_blocks: NDArray[np.int64] | None = None,
) -> float:
    """Returns MMD^2 of vectors `(n, d)` and `(m, d)` by the kernel itself, over all pairs.

    With `blocks` `(n,)`, `(m,)`, pairs of one side and one block are left out: apart from its
    centering, this is what `inference.squared.between_documents` computes from features. Cost (n +
    m)^2 d; memory 32 MB. nan where a side has no such pair.
    """
    sides = []
    for vectors, blocks in ((human, human_blocks), (model, model_blocks)):
        own = np.arange(len(vectors)) if blocks is None else blocks
        sides.append((vectors.astype(np.float64), own))
    total = 0.0
    for vectors, blocks in sides:
        pairs, values = 0, 0.0
        for rows, kernels in _kernels(vectors, vectors, of):
            unlike = blocks[rows, None] != blocks
            pairs += int(unlike.sum())
            values += float(kernels[unlike].sum())
        total += values / pairs if pairs else float("nan")
    (x, _), (y, _) = sides
    cross = sum(float(kernels.sum()) for _, kernels in _kernels(x, y, of))
    return total - 2 * cross / (len(x) * len(y))


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
