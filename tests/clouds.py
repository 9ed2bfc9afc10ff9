"""Clouds of points for tests of the embedding lens, and the Gaussian kernel's features for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BLOCKS = 64


def frequencies(rng: np.random.Generator, dim: int, pairs: int, squared_bandwidth: float) -> Floats:
    """Orthogonal directions with chi radii, `(dim, pairs)`, for exp(-|x - y|^2 / (2 s2))."""
    rows: list[Floats] = []
    while sum(len(r) for r in rows) < pairs:
        q, r = np.linalg.qr(rng.standard_normal((dim, dim)))
        q *= np.sign(np.diag(r))
        rows.append(q * np.sqrt(rng.chisquare(dim, dim))[:, None])
    return np.asarray(np.concatenate(rows)[:pairs].T / np.sqrt(squared_bandwidth))


def features(points: Floats, omega: Floats) -> Floats:
    """Paired cos and sin, `(B, 2 pairs)`: |phi| = 1."""
    angles = points @ omega
    return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(omega.shape[1]))


def kernel(x: Floats, y: Floats, squared_bandwidth: float) -> Floats:
    square = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.asarray(np.exp(-square / (2 * squared_bandwidth)))


def block_sums(values: NDArray[Any], blocks: Integers, count: int = BLOCKS) -> Floats:
    out = np.zeros((count, *values.shape[1:]))
    np.add.at(out, blocks, values)
    return out


def mixture(
    rng: np.random.Generator, n: int, centers: Floats, weights: Floats | None = None
) -> Floats:
    """Points `(n, d)` about centers `(c, d)`, spread .8."""
    own = rng.choice(len(centers), n, p=weights)
    return np.asarray(centers[own] + 0.8 * rng.standard_normal((n, centers.shape[1])))
