"""p-values from relabeled statistics and from fitted tails.

Source   Phipson and Smyth (2010) for p > 0; Knijnenburg, Wessels, Reinders and Shmulevich (2009)
         for tails beyond the permutations drawn, here by moments
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

FEW = 10
POWER_80 = 0.8416212335729143
_ROUNDING = 1e-12
_NORMAL = 1e-4  # skewness below which a shape of 4 / skewness**2 is beyond the gamma functions
_NORMAL_QUANTILE = 1e-3  # and below which the shape of the quantile is


def p_value(
    observed: float, null: Floats, relabelings: float = math.inf, rounding: float = 0.0
) -> float:
    """Returns the one-sided p of `observed` among relabelings `null` `(R,)`; large is evidence.

    (1 + #{null >= observed}) / (R + 1); with fewer than ten such, the Pearson III tail of the
    null's mean, variance and skewness, at least 1 / `relabelings`, the number of distinct ones, and
    at most ten over R + 1. nan without an `observed`; relabelings that are nan, of groups with too
    little in them, do not count. Values that differ by at most `rounding` are equal.
    """
    null = null[np.isfinite(null)]
    if not (math.isfinite(observed) and len(null)):
        return math.nan
    spread = float(null.std())
    tie = max(rounding, _ROUNDING * abs(observed), _ROUNDING * spread)
    beyond = int((null >= observed - tie).sum())
    p = (1 + beyond) / (len(null) + 1)
    if beyond >= FEW or spread <= tie:
        return p
    centered = (null - null.mean()) / spread
    tail = pearson3_tail((observed - null.mean()) / spread, float((centered**3).mean()))
    return min(FEW / (len(null) + 1), max(tail, 1 / relabelings))


def pearson3_tail(x: float, skewness: float) -> float:
    """Returns P(X > x) for a gamma distribution of mean 0 and variance 1, or -1 times it.

    scipy.stats has the same, but takes as long to import in every worker as all the rest.
    """
    if abs(skewness) < _NORMAL:
        return float(special.ndtr(-x))
    shape = 4 / skewness**2
    at = max(shape + 2 * x / skewness, 0.0)
    tail = special.gammaincc if skewness > 0 else special.gammainc
    return float(tail(shape, at))


def pearson3_quantile(skewness: float, level: float) -> float:
    """Returns the value that the same distribution exceeds with probability 1 - `level`."""
    if skewness < _NORMAL_QUANTILE:
        return float(special.ndtri(level))
    shape = 4 / skewness**2
    return float((special.gammaincinv(shape, level) - shape) / math.sqrt(shape))


def distinct_relabelings(blocks: int, *, paired: bool) -> float:
    """Counts the relabelings of `blocks` blocks a side that a symmetric distance tells apart."""
    return 2.0 ** (blocks - 1) if paired else float(math.comb(2 * blocks, blocks) // 2)


def upper(null: Floats) -> float:
    """Returns the 95% quantile of draws `(R,)`, without nan; nan where all are."""
    defined = null[np.isfinite(null)]
    return float(np.quantile(defined, 0.95)) if len(defined) else math.nan
