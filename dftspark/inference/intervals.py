"""What is said of an estimate besides its value, and the jackknife behind its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Inference:
    """All in the unit of the value, but p_value and blocks; all nan below eight blocks.

    std_error  delete-one-block jackknife
    ci_low     confidence interval about the value, t with blocks - 1 degrees of freedom; near
    ci_high    equality it is wide rather than exact, and p_value decides
    p_value    of the hypothesis that both corpora come from one distribution
    floor      95% quantile of the distance between random halves of the human blocks
    mde        smallest value found with 80% power at level 0.05
    blocks     per side
    """

    std_error: float
    ci_low: float
    ci_high: float
    p_value: float
    floor: float
    mde: float
    blocks: int


def no_inference(blocks: int) -> Inference:
    """What too few blocks allow to say."""
    nan = float("nan")
    return Inference(nan, nan, nan, nan, nan, nan, blocks)


def jackknife(left_out: Floats, value: float, confidence: float) -> tuple[float, float, float]:
    """Standard error and interval `(std_error, low, high)` of `value`.

    `left_out` `(S,)` is the estimate without block j of both sides. For the difference of two
    models against one human side pass the difference of their `left_out`: what they share
    cancels. nan below two blocks.
    """
    blocks = len(left_out)
    if blocks < 2:
        return float("nan"), float("nan"), float("nan")
    squares = float(((left_out - left_out.mean()) ** 2).sum())
    error = float(np.sqrt((blocks - 1) / blocks * squares))
    reach = float(special.stdtrit(blocks - 1, (1 + confidence) / 2)) * error
    return error, value - reach, value + reach


def jackknife_covariance(left_out: Floats) -> Floats:
    """Covariance `(K, K)` of K estimates that share their human blocks, from `left_out` `(K, S)`.

    Its diagonal holds the squares of `jackknife`'s standard errors. nan below two blocks.
    """
    blocks = left_out.shape[1]
    if blocks < 2:
        return np.full((len(left_out), len(left_out)), np.nan)
    centered = left_out - left_out.mean(axis=1, keepdims=True)
    return np.asarray((blocks - 1) / blocks * centered @ centered.T)
