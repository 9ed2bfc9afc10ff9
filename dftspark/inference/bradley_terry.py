"""One scale for many sides, from who beat whom: P(i beats j) = 1 / (1 + exp(s_j - s_i)).

The first side is the anchor, at 0. Ties count as half a win for each. The interval has the
percentiles of a bootstrap that draws whole clusters. A weak normal prior (standard deviation 5)
keeps a side that won or lost everything finite.

Source   Bradley and Terry (1952); Hunter (2004)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

_PRIOR = 1 / 5.0**2
_STEPS = 50


@dataclass(frozen=True)
class Strengths:
    """Log odds against the first side, `(K,)` each; value[0] is 0."""

    value: Floats
    std_error: Floats
    low: Floats
    high: Floats


def bradley_terry(
    sides: Integers,
    scores: Floats,
    clusters: NDArray[Any],
    count: int,
    *,
    draws: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> Strengths:
    """Fits strengths to pairs `(P, 2)` of side numbers below `count`, the first one's score `(P,)`
    in [0, 1] and clusters `(P,)`. Sides that nothing connects with the first have nan.
    """
    if sides.shape != (len(scores), 2) or len(clusters) != len(scores):
        raise ShapeError(f"sides are (P, 2), scores and clusters (P,): {sides.shape}")
    _, number = np.unique(clusters, return_inverse=True)
    groups = int(number.max()) + 1 if len(scores) else 0
    won = np.zeros((groups, count, count))
    np.add.at(won, (number, sides[:, 0], sides[:, 1]), scores)
    np.add.at(won, (number, sides[:, 1], sides[:, 0]), 1 - scores)
    reached = _connected(won.sum(axis=0), count)
    value = np.where(reached, _fit(won.sum(axis=0)[None])[0], math.nan)
    nan = np.full(count, math.nan)
    if groups < 2:
        return Strengths(value, nan, nan, nan)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)
    drawn = _fit(np.einsum("dg,gij->dij", weights, won, optimize=True))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return Strengths(
        value,
        np.where(reached, drawn.std(axis=0, ddof=1), math.nan),
        np.where(reached, low, math.nan),
        np.where(reached, high, math.nan),
    )


def _connected(won: Floats, count: int) -> NDArray[np.bool_]:
    met = (won + won.T) > 0
    reached = np.zeros(count, bool)
    reached[0] = True
    for _ in range(count):
        reached = reached | met[reached].any(axis=0)
    return reached


def _fit(won: Floats) -> Floats:
    """Fits strengths `(D, K)` to wins `(D, K, K)` of row over column, all problems at once."""
    played = won + won.transpose(0, 2, 1)
    size = won.shape[1]
    found = np.zeros(won.shape[:2])
    free = np.arange(1, size)
    if not len(free):
        return found
    for _ in range(_STEPS):
        p = special.expit(found[:, :, None] - found[:, None, :])
        slope = (won - played * p).sum(axis=2) - _PRIOR * found
        weight = played * p * (1 - p)
        information = -weight
        diagonal = np.arange(size)
        information[:, diagonal, diagonal] += weight.sum(axis=2) + _PRIOR
        inner = information[:, 1:, 1:]
        step = np.linalg.solve(inner, slope[:, 1:, None])[:, :, 0]
        step = np.clip(step, -2.0, 2.0)
        found[:, 1:] += step
        if np.abs(step).max() < 1e-9:
            break
    return found
