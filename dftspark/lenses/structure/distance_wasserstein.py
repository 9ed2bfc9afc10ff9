"""Wasserstein-1 distance between two histograms over the same bins.

Source   Vallender (1974): the area between the distribution functions
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def steps(histograms: NDArray[np.generic], width: float) -> Floats:
    """Returns running sums of histograms `(..., m)` times the bin's width, `(..., m - 1)`. They are
    linear: the steps of a sum are the sum of the steps, and divided by the size they are the
    distribution function, in the unit of the bins. The last bin, always 1, is left out.
    """
    return np.cumsum(histograms, axis=-1, dtype=np.float64)[..., :-1] * width


def wasserstein(human: Floats, model: Floats) -> Floats:
    """Returns the distance of distributions, `steps` over their sizes, `(..., m)` to `(...)`.

    In the unit of the bins: how far a case has to move on average. At least 0, which means equal;
    larger is further apart. nan where either side is.
    """
    return np.asarray(np.abs(human - model).sum(axis=-1))
