"""Distances of two histograms over frozen regions: the divergence frontier, and unbiased L2.

The frontier's area is the MAUVE score of the shares. It is a plug-in value: even at equality it
lies below 1, and the more regions there are per document the lower, however many documents there
are (docs/limits.md). Read it beside its value at equality and the value of human against human; the
L2 square here has mean 0 at equality.

Source   Pillutla et al. (2021, 2023); Krichevsky and Trofimov (1981) for the half added to counts;
         Chan, Diakonikolas, Valiant and Valiant (2014) for the unbiased square
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.integer[Any]] | Floats

SCALING = 5.0
_MIXTURES = 25
_CORNER = 1e-6  # mixtures stop short of p and q, which may have empty regions


def smoothed_shares(counts: Counts) -> Floats:
    """Returns (count + 1/2) / (n + k/2), `(..., k)`; 1/k without documents."""
    half = np.asarray(counts, np.float64) + 0.5
    return np.asarray(half / half.sum(axis=-1, keepdims=True))


def frontier_area(p: Floats, q: Floats) -> Floats:
    """Returns the area under the divergence frontier of shares `(..., k)`, as `(...)`.

    In (0, 1]: 1 at equality of the shares, smaller is further apart, about .004 without a common
    region. The frontier has the points (exp(-5 KL(q|r)), exp(-5 KL(p|r))) of mixtures r of p and q,
    25 of them, and the two corners, joined by straight lines. Symmetric. nan where a share is.
    """
    x, y = [np.zeros(p.shape[:-1])], [np.ones(p.shape[:-1])]
    for weight in np.linspace(1 - _CORNER, _CORNER, _MIXTURES):
        r = weight * p + (1 - weight) * q
        x.append(np.exp(-SCALING * _divergence(q, r)))
        y.append(np.exp(-SCALING * _divergence(p, r)))
    x.append(np.ones(p.shape[:-1]))
    y.append(np.zeros(p.shape[:-1]))
    return np.asarray(np.trapezoid(np.stack(y, axis=-1), np.stack(x, axis=-1), axis=-1))


def _divergence(p: Floats, r: Floats) -> Floats:
    """Returns KL(p|r), natural log."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0.0, p * np.log(p / r))
    return np.asarray(np.maximum(terms.sum(axis=-1), 0.0))
