"""Jensen-Shannon divergence of two n-gram distributions, in bits.

Source   Lin (1991), with equal weights of the two sides
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny


def term(p: Floats, q: Floats) -> Floats:
    """Returns each n-gram's part in bits: (p log2(p/r) + q log2(q/r)) / 2 with r = (p + q) / 2.

    0 where both rates are 0, and (p + q) / 2 where one of them is.
    """
    total = p + q
    scale = 2 / np.maximum(total, _TINY)
    human, model = p * scale, q * scale  # p/r and q/r: they sum to 2, so no term cancels
    entropy = human * np.log2(np.maximum(human, _TINY))
    entropy += model * np.log2(np.maximum(model, _TINY))
    # Rounding leaves equal rates a little below 0.
    return np.asarray(np.maximum(entropy, 0.0) * total / 4)


def jensen_shannon(p: Floats, q: Floats, weights: Floats | None = None) -> Floats:
    """Returns the divergence of human rates `p` and model rates `q`, `(..., m)`, as `(...)`.

    In bits, in [0, 1]; larger is further apart, 0 at equality, 1 without a common n-gram. The
    plug-in value of finite corpora lies above the divergence of their sources: read it beside its
    floor. `weights` `(m,)` are the inverse inclusion probabilities of sampled n-grams. nan where a
    rate is nan.
    """
    terms = term(p, q)
    return np.asarray(terms.sum(axis=-1) if weights is None else terms @ weights)
