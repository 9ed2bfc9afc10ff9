"""The win rate at equal lengths and without an effect of position, from single verdicts.

    logit P(model wins) = theta + beta position + gamma tanh((L_model - L_other) / scale)

with position +1 where the model's text stood first and -1 where it stood second. The win rate at
equal lengths is 1 / (1 + exp(-theta)). Ties are half a win. The standard error is the sandwich over
clusters, but no less than the error of independent verdicts: where position or length decide every
verdict no residual is left, and the sandwich would be 0 where nothing is known. The interval is
that of theta with t of clusters - 1 degrees of freedom, mapped.

A weak normal prior on the three coefficients (standard deviation 5) keeps them finite where a judge
always goes by position or length (docs/limits.md says how little it moves a rate).

Source   the form of Dubois, Galambosi, Liang and Hashimoto (2024), whose standard error is another;
         Liang and Zeger (1986) for the sandwich
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

_PRIOR = 1 / 5.0**2
_STEPS = 100
_FEWEST = 10  # clusters, for three coefficients


@dataclass(frozen=True)
class LengthControlled:
    """Win rate in [0, 1] with its interval; position and length are beta and gamma, log odds.

    All nan below ten clusters.
    """

    value: float
    low: float
    high: float
    std_error: float
    p_value: float
    position: float
    length: float
    verdicts: int
    clusters: int


def length_controlled(
    wins: Floats,
    model_first: NDArray[np.bool_],
    difference: Floats,
    clusters: NDArray[Any],
    scale: float,
    confidence: float = 0.95,
) -> LengthControlled:
    """Fits the win rate to verdicts `(V,)`: the model's score 0, .5 or 1, whether its text stood
    first, how much longer it is, and the cluster. `scale` is in the unit of `difference` and above
    0.

    `std_error` is the error of the rate.
    """
    count = len(wins)
    if not (len(model_first) == len(difference) == len(clusters) == count) or not scale > 0:
        raise ShapeError(
            f"{count} verdicts, {len(model_first)} orders, {len(difference)} lengths, "
            f"{len(clusters)} clusters, scale {scale}"
        )
    _, number = np.unique(clusters, return_inverse=True)
    groups = int(number.max()) + 1 if count else 0
    if groups < _FEWEST:
        nan = math.nan
        return LengthControlled(nan, nan, nan, nan, nan, nan, nan, count, groups)
    position = np.where(model_first, 1.0, -1.0)
    design = np.column_stack([np.ones(count), position, np.tanh(difference / scale)])
    found, inverse = _fit(design, wins)
    residual = (wins - special.expit(design @ found))[:, None] * design
    sums = np.column_stack([np.bincount(number, residual[:, i]) for i in range(3)])
    covariance = inverse @ (sums.T @ sums) @ inverse * groups / (groups - 1)
    error = math.sqrt(max(float(covariance[0, 0]), float(inverse[0, 0])))
    theta = float(found[0])
    reach = float(special.stdtrit(groups - 1, (1 + confidence) / 2)) * error
    rate = float(special.expit(theta))
    p = float(2 * special.stdtr(groups - 1, -abs(theta) / error)) if error > 0 else math.nan
    return LengthControlled(
        value=rate,
        low=float(special.expit(theta - reach)),
        high=float(special.expit(theta + reach)),
        std_error=error * rate * (1 - rate),
        p_value=p,
        position=float(found[1]),
        length=float(found[2]),
        verdicts=count,
        clusters=groups,
    )


def _fit(design: Floats, wins: Floats) -> tuple[Floats, Floats]:
    """Fits coefficients by Newton's steps, halved where one would lower the likelihood; returns
    them and the inverse of the penalized information.
    """
    found = np.zeros(design.shape[1])
    prior = _PRIOR * np.eye(design.shape[1])

    def loss(at: Floats) -> float:
        eta = design @ at
        return float((np.logaddexp(0, eta) - wins * eta).sum() + 0.5 * at @ prior @ at)

    now = loss(found)
    for _ in range(_STEPS):
        p = special.expit(design @ found)
        information = (design * (p * (1 - p))[:, None]).T @ design + prior
        step = np.linalg.solve(information, design.T @ (wins - p) - prior @ found)
        size = 1.0
        while (new := loss(found + size * step)) > now and size > 1e-8:
            size /= 2
        found = found + size * step
        if now - new < 1e-10:
            break
        now = new
    p = special.expit(design @ found)
    information = (design * (p * (1 - p))[:, None]).T @ design + prior
    return found, np.linalg.inv(information)
