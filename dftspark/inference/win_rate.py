"""The share of judged pairs in clusters that one side wins; ties are half a win.

A pair that is shown in both orders has the mean of both scores: 0, .25, .5, .75 or 1. A judge that
goes by position alone gives every pair .5, so position cannot move the mean from parity; it does
draw true preferences toward it. Pairs whose orders disagree stay in: without them the rate would be
biased (docs/limits.md has the sizes of both effects).

Interval  Wilson's, at as many independent pairs as would give the cluster-robust standard error,
          with t of clusters - 1 degrees of freedom. Where every pair has one score the clusters
          count as cases
Source    Wilson (1927); Korn and Graubard (1998); Miller (2024) for clusters in evaluations
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.errors import ShapeError
from dftspark.inference.permutation import POWER_80
from dftspark.inference.proportions import NORMAL_95, wilson

Floats = NDArray[np.float64]
POWER = 0.8


@dataclass(frozen=True)
class WinRate:
    """A mean of scores in [0, 1]; 0.5 is parity. nan where there are fewer than two clusters.

    p_value  two-sided, of parity
    mde      smallest distance from parity detected with 80% power at level 0.05
    n_tell   clusters at which this rate is told from parity, with 80% power at level 0.05, and its
             interval; where p_value > .05 the lower end stands alone: "more than"
    """

    value: float
    std_error: float
    low: float
    high: float
    p_value: float
    mde: float
    pairs: int
    clusters: int
    n_tell: float = math.nan
    n_tell_low: float = math.nan
    n_tell_high: float = math.nan


def win_rate(scores: Floats, clusters: NDArray[Any], confidence: float = 0.95) -> WinRate:
    """Computes the win rate from the score of each pair `(P,)`, in [0, 1], and its cluster `(P,)`.

    std_error = sqrt(G / (G - 1) sum_g (sum over the pairs of g of score - mean)^2) / P.
    """
    if scores.ndim != 1 or scores.shape != np.shape(clusters):
        raise ShapeError(f"{scores.shape} scores, but {np.shape(clusters)} clusters")
    count = len(scores)
    _, number = np.unique(clusters, return_inverse=True)
    groups = int(number.max()) + 1 if count else 0
    value = float(scores.mean()) if count else math.nan
    if groups < 2:
        nan = math.nan
        return WinRate(value, nan, nan, nan, nan, nan, count, groups)
    sums = np.bincount(number, scores - value)
    error = math.sqrt(groups / (groups - 1) * float(sums @ sums)) / count
    size = value * (1 - value) / error**2 if 0 < value < 1 and error > 0 else float(groups)
    degrees = groups - 1
    low, high = wilson(value, size, float(special.stdtrit(degrees, (1 + confidence) / 2)))
    at_parity = math.sqrt(0.25 / size)
    p = float(2 * special.stdtr(degrees, -abs(value - 0.5) / at_parity))
    reach = float(special.stdtrit(degrees, 0.975) + special.stdtrit(degrees, POWER))
    spread = math.sqrt(groups) * error
    sizes = [_tell_size(rate, spread) for rate in (value, low, high)]
    if p > 0.05:
        told = math.inf, min(sizes), math.inf
    else:
        told = sizes[0], min(sizes), math.inf if low <= 0.5 <= high else max(sizes)
    return WinRate(value, error, low, high, p, reach * at_parity, count, groups, *told)


def _tell_size(rate: float, spread: float) -> float:
    """Returns the clusters at which a two-sided test of level .05 tells `rate` from parity with 80%
    power; `spread` is the standard deviation of a cluster's score.
    """
    gap = abs(rate - 0.5)
    if not gap > 0:
        return math.inf
    return ((NORMAL_95 * math.hypot(spread, gap) + POWER_80 * spread) / gap) ** 2


@dataclass(frozen=True)
class Orders:
    """Effects of the order of the texts. Shares in [0, 1]; nan without a case.

    first  how often the text that stood first won, ties as half; .5 without a position effect
    flips  share of pairs shown in both orders whose winner changed with the order; a tie in one
           order alone counts as half a flip
    """

    first: float
    flips: float
    pairs: int


def orders(model_first: Floats, model_second: Floats) -> Orders:
    """Compares the model's scores of pairs `(P,)` where it stood first and where it stood second.

    nan where an order has no verdict.
    """
    both = ~(np.isnan(model_first) | np.isnan(model_second))
    shown = np.concatenate([model_first, 1 - model_second])
    shown = shown[~np.isnan(shown)]
    changed = np.abs(model_first[both] - model_second[both])
    return Orders(
        float(shown.mean()) if len(shown) else math.nan,
        float(changed.mean()) if len(changed) else math.nan,
        int(both.sum()),
    )


def from_odds(model_first: Floats, model_second: Floats) -> Floats:
    """Returns each pair's score `(P,)` in (0, 1), from the model's log odds in both orders.

    d = (odds where it stood first + odds where it stood second) / 2 leaves out a position effect
    that adds to the log odds; the score is 1 / (1 + exp(-d)).
    """
    return np.asarray(0.5 * (1 + np.tanh((model_first + model_second) / 4)))
