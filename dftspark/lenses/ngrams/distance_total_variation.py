"""Total variation between two n-gram distributions: the share of mass that would have to move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def term(p: Floats, q: Floats) -> Floats:
    """Returns each n-gram's part in total variation, |p - q| / 2. The parts sum to the value."""
    return np.abs(p - q) / 2


def total_variation(p: Floats, q: Floats, weights: Floats | None = None) -> Floats:
    """Returns the total variation of human rates `p` and model rates `q`, `(..., m)`, as `(...)`.

    A share in [0, 1]; larger is further apart, 0 at equality, 1 without a common n-gram. The
    plug-in value of finite corpora lies above the variation of their sources: read it beside its
    floor. `weights` `(m,)` are the inverse inclusion probabilities of sampled n-grams. nan where a
    rate is nan.
    """
    terms = term(p, q)
    return np.asarray(terms.sum(axis=-1) if weights is None else terms @ weights)
