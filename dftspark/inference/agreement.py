"""Agreement of judges beyond what chance would give.

Source   Cohen (1960); Krippendorff (2004), with the nominal metric; for full tables Fleiss' kappa
         is the same except for the correction for small samples
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference.intervals import jackknife

Codes = NDArray[np.integer[Any]]
MISSING = -1
_MOST_GROUPS = 64


def cohen_kappa(first: Codes, second: Codes) -> float:
    """Computes kappa of two judges' verdicts `(N,)`, codes from 0 on, -1 where one is missing.

    1 is full agreement, 0 what chance gives, below 0 less than chance. nan where both always give
    one and the same verdict, or share no case.
    """
    both = (first >= 0) & (second >= 0)
    a, b = first[both], second[both]
    if not len(a):
        return math.nan
    codes = int(max(a.max(), b.max())) + 1
    chance = float(
        (np.bincount(a, minlength=codes) / len(a)) @ (np.bincount(b, minlength=codes) / len(b))
    )
    return (float((a == b).mean()) - chance) / (1 - chance) if chance < 1 else math.nan


def krippendorff_alpha(verdicts: Codes) -> float:
    """Computes alpha of any number of judges, `(J, N)` codes from 0 on, -1 where one is missing.

    1 is full agreement, 0 what chance gives. nan where every verdict is the same, or where no case
    has two.
    """
    return _alpha(_values(verdicts))


def alpha_interval(
    verdicts: Codes, clusters: NDArray[Any], confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Computes alpha, its standard error and interval, by a jackknife over clusters `(N,)`, which
    are put together into at most 64 groups in their sorted order.
    """
    if verdicts.ndim != 2 or verdicts.shape[1] != len(clusters):
        raise ShapeError(f"verdicts are (J, N), clusters (N,): {verdicts.shape}, {len(clusters)}")
    counts = _values(verdicts)
    value = _alpha(counts)
    _, number = np.unique(clusters, return_inverse=True)
    group = number % _MOST_GROUPS
    left = np.array([_alpha(counts[group != g]) for g in np.unique(group)])
    if not math.isfinite(value) or not np.isfinite(left).all():
        return value, math.nan, math.nan, math.nan
    error, low, high = jackknife(left, value, confidence)
    return value, error, max(low, -1.0), min(high, 1.0)


def _values(verdicts: Codes) -> NDArray[np.float64]:
    """Counts the judges that gave each verdict `(N, C)`, for the cases that have two or more."""
    codes = int(verdicts.max()) + 1 if verdicts.size else 0
    counts = (
        np.stack([(verdicts == c).sum(axis=0) for c in range(codes)], axis=1)
        if codes
        else (np.zeros((verdicts.shape[1], 1)))
    )
    return np.where(counts.sum(axis=1, keepdims=True) > 1, counts, 0).astype(np.float64)


def _alpha(counts: NDArray[np.float64]) -> float:
    size = counts.sum(axis=1)
    counts, size = counts[size > 1], size[size > 1]
    total = size.sum()
    if not total:
        return math.nan
    agreed = float(((counts * (counts - 1)).sum(axis=1) / (size - 1)).sum())
    whole = counts.sum(axis=0)
    expected = float((whole * (whole - 1)).sum() / (total - 1))
    return 1 - (total - agreed) / (total - expected) if total > expected else math.nan
