"""A sample of n-grams that carries the distance: probability proportional to the mean rate.

Source   Poisson sampling, Sarndal, Swensson and Wretman (1992), 3.5; weights calibrated to the
         known total of the rates
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def in_sample(rates: Floats, uniform: Floats, target: int) -> NDArray[np.bool_]:
    """Returns which n-grams are in the sample, `(V,)`: uniform < min(1, target x rate), each
    independent of the others.

    `rates` `(V,)` is (p + q) / 2 and sums to 1 over all n-grams, so at most `target` are in on
    average; `uniform` `(V,)` in [0, 1) comes from a hash of the n-gram.
    """
    return np.asarray(uniform < target * rates)


def sample_weights(rates: Floats, target: int) -> Floats:
    """Returns weights `(k,)` of the n-grams that `in_sample` chose from all, whose rates sum to 1.

    They are 1 / min(1, target x rate), scaled over n-grams not certain to be in so that weights x
    rates sum to 1: a weighted distance in [0, 1] stays in it.
    """
    chance = np.minimum(1.0, target * rates)
    weights = 1 / chance
    drawn = chance < 1
    estimated = float((weights * rates)[drawn].sum())
    if estimated > 0:
        weights[drawn] *= max(0.0, 1 - float(rates[~drawn].sum())) / estimated
    return weights


def rate_scale(
    human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats, weights: Floats
) -> Floats:
    """Returns factors `(m,)` of n-grams in the test of `infer`: sqrt(weight) / pooled rate^(1/4).

    From block counts `(S, m)`, tokens `(S,)` and sample weights `(m,)`. Squared differences are
    then in units of sqrt(rate), between L2, which is sensitive to frequent n-grams alone, and
    chi-squared, which is most sensitive to rare ones. Tokens are pooled over both sides: under
    equality that rate reveals nothing about the labels, while the mean of two rates, p + q, does
    where sizes are unlike.
    """
    tokens = human_sizes.sum() + model_sizes.sum()
    pooled = (human.sum(axis=0) + model.sum(axis=0)) / tokens
    return np.asarray(np.sqrt(weights) * np.where(pooled > 0, pooled, np.inf) ** -0.25)
