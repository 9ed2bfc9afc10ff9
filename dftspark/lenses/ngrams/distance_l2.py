"""L2 distance of n-gram frequencies: plug-in, and free of what sampling noise adds.

There are two estimands: token-weighted rates p = C / T (a long document counts for more) and
document-weighted rates p = F / n, the mean over documents of c / N. The plug-in square of finite
corpora is too large by the variance of their rates; the corrected squares have mean |p - q|^2.

State    the sums below, one set per corpus and order; all but `norm` and `cross`, which need the
         corpus's final total, add over documents, and all add over n-grams
Source   Chan, Diakonikolas, Valiant and Valiant (2014) for the independent-token case; the
         cluster forms are the ratio estimator's linearized variance (Cochran 1977, chapter 6)
         and the U-statistic over pairs of clusters
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TokenSums:
    """Sums of one corpus for the token-weighted correction, with clusters as the documents.

    squares          sum over n-grams and clusters of squared counts, sum_v Q_v
    cross            sum_v p_v H_v, where H_v = sum over clusters of count x cluster tokens
    norm             |p|^2, where p_v = C_v / T
    tokens           T, n-grams of this order
    squared_tokens   sum over clusters of squared cluster tokens
    clusters         number of clusters
    """

    squares: float
    cross: float
    norm: float
    tokens: float
    squared_tokens: float
    clusters: int


@dataclass(frozen=True, kw_only=True)
class DocumentSums:
    """Sums of one corpus for the document-weighted correction.

    squares            sum over clusters of |sum of the documents' rate vectors|^2
    norm               |p|^2, where p = F / n is the mean over documents of c / N
    documents          n
    squared_documents  sum over clusters of squared numbers of documents
    """

    squares: float
    norm: float
    documents: float
    squared_documents: float


def term(p: Floats, q: Floats) -> Floats:
    """Returns the part of each n-gram in the square of the L2 distance: (p - q)^2."""
    return np.asarray((p - q) ** 2)


def l2(p: Floats, q: Floats, weights: Floats | None = None) -> Floats:
    """Returns the plug-in L2 distance of human rates `p` and model rates `q`, `(..., m)`: `(...)`.

    A difference of rates, in [0, sqrt 2]; larger is further apart, 0 at equality, and above the
    distance of the corpora's sources by their sampling noise. The coordinates are n-grams, or the
    buckets of one Count-Sketch for both sides. `weights` `(m,)` are the inverse inclusion
    probabilities of sampled n-grams. nan where a rate is nan.
    """
    terms = term(p, q)
    return np.sqrt(terms.sum(axis=-1) if weights is None else terms @ weights)


def token_noise(sums: TokenSums) -> float:
    """Returns the sampling variance of a corpus's token-weighted rates, summed over n-grams.

    G / ((G-1) T^2) [sum_v Q_v - 2 sum_v p_v H_v + |p|^2 M], a squared rate, at least 0; nan below
    two clusters.
    """
    if sums.clusters < 2 or sums.tokens <= 0:
        return float("nan")
    residual = sums.squares - 2 * sums.cross + sums.norm * sums.squared_tokens
    return sums.clusters / (sums.clusters - 1) * residual / sums.tokens**2


def document_noise(sums: DocumentSums) -> float:
    """Returns the sampling variance of a corpus's document-weighted rates, summed over n-grams.

    (A - |p|^2 D) / (n^2 - D), a squared rate; |p|^2 less this is the mean product of two documents
    of unlike clusters. nan below two clusters.
    """
    pairs = sums.documents**2 - sums.squared_documents
    if pairs <= 0:
        return float("nan")
    return (sums.squares - sums.norm * sums.squared_documents) / pairs


def l2_squared_corrected(plug_in: float, human: TokenSums, model: TokenSums) -> float:
    """Returns |p - q|^2 of token-weighted rates without the part that sampling noise adds.

    `plug_in` is the exact |p - q|^2. A squared rate, at most 2; larger is further apart. Its mean
    is 0 where the sources agree, so a value may be a little below 0: do not clip it. It takes the
    sides for independent; where they share prompts, subtract
    `dftspark.inference.squared.sampling_noise(..., paired=True)` instead. nan below two clusters on
    either side.
    """
    return plug_in - token_noise(human) - token_noise(model)
