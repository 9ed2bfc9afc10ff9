"""How many documents must be embedded for an MMD of a given precision.

The standard error of MMD squared with n documents a side has two parts: the error of a mean, of the
witness over either side, which falls as 1 / sqrt(n), and the noise of pairs, which falls as 1 / n
and is the only part between equal sources. Both are estimated from a pilot.

Cost     the kernel matrix of the pilot, for each model
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.lenses.embeddings.distance_mmd import median_distance, squared_distances

Floats = NDArray[np.float64]

PILOT = 500  # documents of each corpus
MOST = 100_000  # however precise: sides that are equal have no relative error


@dataclass(frozen=True)
class SquareError:
    """The error of MMD squared of a pair.

    square   MMD squared
    linear   n times the variance that falls as 1 / n
    pairs    n squared times the variance that falls as 1 / n squared
    """

    square: float
    linear: float
    pairs: float

    def of(self, n: float, pool: float = np.inf) -> float:
        """Returns the relative standard error with n documents a side, drawn from `pool`."""
        left = 1 - n / pool
        return float(np.sqrt(left * self.linear / n + left**2 * self.pairs / n**2) / self.square)

    def documents(self, relative: float) -> float:
        """Returns the number of documents a side at which the error is `relative`; infinity where
        MMD squared is not above 0."""
        if self.square <= 0:
            return float("inf")
        target = (relative * self.square) ** 2
        return float((self.linear + np.sqrt(self.linear**2 + 4 * target * self.pairs)) / 2 / target)


def error_of(kernel: Floats, humans: int) -> SquareError:
    """Estimates it from the kernel matrix `(N, N)`, whose first rows are of the human side."""
    x, y = np.arange(humans), np.arange(humans, len(kernel))
    witness = kernel[:, y].mean(axis=1) - kernel[:, x].mean(axis=1)
    linear = 4 * (witness[x].var(ddof=1) + witness[y].var(ddof=1))
    pairs = 0.0
    for own, other, weight in ((x, x, 2.0), (y, y, 2.0), (x, y, 4.0)):
        part = kernel[np.ix_(own, other)]
        centered = part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean()
        if own is other:
            np.fill_diagonal(centered, 0)
        pairs += weight * float((centered**2).mean())
    return SquareError(square_of(kernel, x, y), float(linear), pairs)


def square_of(kernel: Floats, x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Returns the unbiased MMD squared of the rows `x` and `y` of a kernel matrix."""

    def within(at: NDArray[np.int64]) -> float:
        own = kernel[np.ix_(at, at)]
        return float((own.sum() - np.trace(own)) / (len(at) * (len(at) - 1)))

    return within(x) + within(y) - 2 * float(kernel[np.ix_(x, y)].mean())


def kernel_of(human: NDArray[np.float32], model: NDArray[np.float32]) -> Floats:
    """Returns the Gaussian kernel `(N, N)` of both sides at their median distance."""
    both = np.concatenate([human, model]).astype(np.float64)
    sigma = median_distance(both)
    return np.asarray(np.exp(-squared_distances(both, both) / (2 * sigma**2)), np.float64)


def documents_for(
    relative: float, human: NDArray[np.float32], models: list[NDArray[np.float32]]
) -> int:
    """Returns the documents of each corpus with which MMD squared of every model has a standard
    error of at most `relative` of itself: from PILOT to MOST, in hundreds.

    `human` and `models` are the pilot's vectors `(k, d)`; a side with fewer than 4 asks for no more
    than PILOT.
    """
    wanted = float(PILOT)
    for model in models:
        if min(len(human), len(model)) >= 4:
            error = error_of(kernel_of(human, model), len(human))
            wanted = max(wanted, error.documents(relative))
    return int(100 * np.ceil(min(wanted, MOST) / 100))
