"""Columns of the n-gram table: how large each difference is, and how much of the distance.

All functions are vectorized over n-grams `(V,)`; differences are model minus human.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def signed_contributions(p: Floats, q: Floats) -> Floats:
    """Returns (p - q)^2 `(V,)` with the sign of q - p: positive where the model uses it more.

    A squared rate; the absolute values sum to the squared plug-in L2 distance. nan as the rates.
    """
    return np.asarray(np.sign(q - p) * (p - q) ** 2)


def document_ratio(
    documents_human: Floats, documents_model: Floats, n_human: float, n_model: float
) -> Floats:
    """Returns the share of model documents over that of human documents, `(V,)`; 1 at equality.

    Half a document is added to each count and each number of documents, so that the ratio is finite
    and its logarithm nearly unbiased (Walter 1975). In (0, infinity), above 1 where more model
    documents have the n-gram; nan where a side has no documents.
    """
    if not (n_human > 0 and n_model > 0):
        return np.full(np.shape(documents_human), np.nan)
    human = (documents_human + 0.5) / (n_human + 0.5)
    model = (documents_model + 0.5) / (n_model + 0.5)
    return np.asarray(model / human)
