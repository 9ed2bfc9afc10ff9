"""What the n-gram table says of each n-gram: how sure, how large, how much of the distance.

All functions are vectorized over n-grams `(V,)`; differences are model minus human.

Source   z: ratio estimator with clusters as units, pooled under equality; Lijffijt et al. (2016)
         on why tokens are not the units. log odds: Monroe, Colaresi and Quinn (2008), without
         their variance, which takes tokens for independent
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One corpus's additive columns `(V,)` of its n-grams, and its totals.

    count            occurrences C
    squares          sum over clusters of squared cluster counts, Q
    cross            sum over clusters of cluster count x cluster tokens, H
    tokens           T, n-grams of this order
    squared_tokens   sum over clusters of squared cluster tokens, M
    clusters         number of clusters
    by_block         occurrences `(V, S)` and tokens `(S,)` of blocks of clusters; where they are
                     given they are the units of chance, for clusters that come again and again
                     and of which squares and cross know only the parts
    """

    count: NDArray[np.int64] | Floats
    squares: NDArray[np.int64] | Floats
    cross: NDArray[np.int64] | Floats
    tokens: float
    squared_tokens: float
    clusters: int
    by_block: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


def rate_z(human: Counts, model: Counts) -> Floats:
    """Cluster-robust z `(V,)` of the rate difference; positive where the model uses it more.

    Standard normal where the sources agree and the n-gram is in some 20 clusters of both sides
    together; below that it is conservative. nan where a side has fewer than two clusters, and
    where no cluster departs from the pooled rate.
    """
    pooled = (human.count + model.count) / (human.tokens + model.tokens)
    variance = _rate_variance(human, pooled) + _rate_variance(model, pooled)
    difference = model.count / model.tokens - human.count / human.tokens
    return np.asarray(difference / np.sqrt(np.where(variance > 0, variance, np.nan)))


def _rate_variance(side: Counts, pooled: Floats) -> Floats:
    if side.by_block is not None:
        count, tokens = side.by_block
        blocks = int((tokens > 0).sum())
        if blocks < 2:
            return np.full_like(pooled, np.nan)
        squared = ((count - pooled[:, None] * tokens) ** 2).sum(axis=1)
        return np.asarray(blocks / ((blocks - 1) * side.tokens**2) * squared)
    if side.clusters < 2:
        return np.full_like(pooled, np.nan)
    residual = side.squares - 2 * pooled * side.cross + pooled**2 * side.squared_tokens
    scale = side.clusters / ((side.clusters - 1) * side.tokens**2)
    return np.asarray(scale * np.maximum(0, residual))


def shrunken_log_odds(
    count_human: Floats, count_model: Floats, tokens_human: float, tokens_model: float
) -> Floats:
    """Log odds ratio `(V,)` with an informative prior, natural log; positive for model overuse.

    log[(y + a) / (T + a0 - y - a)] of the model less that of the human, a = a0 x pooled rate. The
    prior weighs a0 = 1% of both sides' tokens: the value is finite, and an n-gram that one of two
    equal sides never has gets about ln 101 = 4.6 in size, whatever its count. So rank by it only
    what `rate_z` finds. nan where neither side has it, and where neither has another.
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
