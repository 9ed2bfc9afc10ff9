"""Clouds of vectors for simulations: Gaussian sources, their states, and what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.inference.gram import Gram, Sides, gram
from dftspark.lenses.embeddings import fourier
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies, radii
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.stats.protocol import VectorBatch
from dftspark.text.hashing import mixed

Floats = NDArray[np.float64]


def statistic(dim: int, s2: float, least: int = 64, seed: int = 0) -> FeatureSums:
    return FeatureSums(
        frequencies=Frequencies(dim=dim, sigma=float(np.sqrt(s2)), least=least, seed=seed)
    )


def normal(rng: np.random.Generator, n: int, dim: int, shift: float | Floats = 0.0) -> Floats:
    """N(shift, I): a number shifts the first coordinate."""
    x = rng.standard_normal((n, dim))
    if isinstance(shift, np.ndarray):
        return np.asarray(x + shift)
    x[:, 0] += shift
    return x


def state(
    of: FeatureSums,
    vectors: NDArray[np.floating[Any]],
    clusters: NDArray[np.int64] | None = None,
    hashing: int = 0,
) -> FeatureState:
    """Vectors in blocks of a hash of their cluster: of every document's own without `clusters`."""
    names = np.arange(len(vectors)) if clusters is None else clusters
    hashed = mixed(names.astype(np.uint64), np.uint64(hashing + 1))
    return of.observe(
        VectorBatch(vectors.astype(np.float32), hashed, block_numbers(names, hashing))
    )


def block_numbers(clusters: NDArray[np.int64], hashing: int = 0) -> NDArray[np.int64]:
    hashed = mixed(clusters.astype(np.uint64), np.uint64(hashing + 1))
    return (mixed(hashed, np.uint64(hashing + 2)) % np.uint64(64)).astype(np.int64)


def sides(human: FeatureState, model: FeatureState, kernel: int) -> Sides:
    return (
        human.block_sums(kernel),
        model.block_sums(kernel),
        human.documents.astype(np.float64),
        model.documents.astype(np.float64),
    )


def grams(human: FeatureState, model: FeatureState, kernels: Sequence[int]) -> list[Gram]:
    return [gram(*sides(human, model, kernel)) for kernel in kernels]


def directions(frequencies: Frequencies) -> Floats:
    return fourier._directions(frequencies) / 2.0**24


def population(
    frequencies: Frequencies, shift: float, scale: float = 1.0, kernel: str = DEFAULT
) -> float:
    """Mean |psi_P - psi_Q|^2 over the frequencies: N(0, I) against N(shift e_1, scale^2 I)."""
    row = radii(frequencies)[frequencies.kernels.index(kernel)]
    return population_of(directions(frequencies) * row, shift, scale)


def population_of(omega: Floats, shift: float, scale: float) -> float:
    squares = (omega**2).sum(axis=0)
    other = np.exp(-squares * scale**2 / 2 + 1j * shift * omega[0])
    return float((np.abs(np.exp(-squares / 2) - other) ** 2).mean())


def closed_form(d: int, s2: float, shift: float, scale: float = 1.0) -> float:
    """MMD^2 of the Gaussian kernel between N(0, I) and N(shift e_1, scale^2 I)."""

    def mean(v: float, q: float) -> float:
        return float((1 + v / s2) ** (-d / 2) * np.exp(-q / (2 * (s2 + v))))

    v = scale**2
    return mean(2, 0) + mean(2 * v, 0) - 2 * mean(1 + v, shift**2)


def zeta(d: int, s2: float) -> float:
    """E k_c(x, x')^2 of the centered Gaussian kernel for N(0, I)."""
    first = (1 + 4 / s2) ** (-d / 2) + (1 + 2 / s2) ** -d
    return float(first - 2 * (s2 / (s2 + 1)) ** d * (1 + 2 / (s2 + 1)) ** (-d / 2))
