"""What the n-gram table says of each n-gram: how large its difference, how much of the distance.

All functions are vectorized over n-grams `(V,)`; differences are model minus human.

Source   Monroe, Colaresi and Quinn (2008) for log odds, without their variance, which takes tokens
         for independent; see Lijffijt et al. (2016)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_SHARE = 0.01


def shrunken_log_odds(
    count_human: Floats, count_model: Floats, tokens_human: float, tokens_model: float
) -> Floats:
    """Log odds ratio `(V,)` with an informative prior, natural log; positive for model overuse.

    log[(y + a) / (T + a0 - y - a)] of the model less that of the human, a = a0 x pooled rate. The
    prior weighs a0 = 1% of both sides' tokens: the value is finite, and an n-gram that one of two
    equal sides never has gets about ln 101 = 4.6 in size, whatever its count. So rank by it only
    what a test finds. nan where neither side has it, and where neither has another.
    """
    count = count_human + count_model
    others = tokens_human + tokens_model - count
    known = (count > 0) & (others > 0)
    prior, rest = (PRIOR_SHARE * np.where(known, of, np.nan) for of in (count, others))

    def log_odds(count: Floats, side_tokens: float) -> Floats:
        return np.asarray(np.log((count + prior) / (side_tokens - count + rest)))

    return log_odds(count_model, tokens_model) - log_odds(count_human, tokens_human)


def signed_contributions(p: Floats, q: Floats) -> Floats:
    """(p - q)^2 `(V,)` with the sign of q - p: positive where the model uses the n-gram more.

    A squared rate; the absolute values sum to the squared plug-in L2 distance. nan as the rates.
    """
    return np.asarray(np.sign(q - p) * (p - q) ** 2)


def document_ratio(
    documents_human: Floats, documents_model: Floats, n_human: float, n_model: float
) -> Floats:
    """Share of model documents over share of human documents, `(V,)`; 1 at equality.

    Half a document is added to each count and each number of documents, so that the ratio is
    finite and its logarithm nearly unbiased (Walter 1975). In (0, infinity), above 1 where more
    model documents have the n-gram; nan where a side has no documents.
    """
    if not (n_human > 0 and n_model > 0):
        return np.full(np.shape(documents_human), np.nan)
    human = (documents_human + 0.5) / (n_human + 0.5)
    model = (documents_model + 0.5) / (n_model + 0.5)
    return np.asarray(model / human)
