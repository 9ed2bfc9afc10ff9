"""Many tests at once.

Source   Benjamini and Hochberg (1995)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


def two_sided_p(z: Floats) -> Floats:
    """Returns P(|N(0, 1)| >= |z|), elementwise; nan where z is nan."""
    return np.asarray(2 * special.ndtr(-np.abs(z)))


def benjamini_hochberg(p: Floats) -> Floats:
    """Returns q `(V,)` of p `(V,)`: the smallest false-discovery rate at which each is a finding.

    They are in [0, 1] and at least p; at most that share of the findings is false on average, also
    under the positive dependence of overlapping n-grams. A nan is not a test: it stays nan and does
    not count.
    """
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(1, np.minimum.accumulate(scaled[::-1])[::-1])
    return q
