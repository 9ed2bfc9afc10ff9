"""Other forms of what audits measure, to hold it against: slower, or for independent documents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dftspark.lenses.embeddings.distance_mmd import Kernel, squared_distances
from dftspark.lenses.ngrams.distance_l2 import DocumentSums, document_noise

Floats = NDArray[np.float64]


def exact_squared_mmd(
    human: NDArray[np.floating[Any]],
    model: NDArray[np.floating[Any]],
    of: Kernel,
    human_blocks: NDArray[np.int64] | None = None,
    model_blocks: NDArray[np.int64] | None = None,
) -> float:
    """Returns MMD^2 of vectors `(n, d)` and `(m, d)` by the kernel itself, over all pairs.

    With `blocks` `(n,)`, `(m,)`, pairs of one side and one block are left out: apart from its
    centering, this is what `inference.squared.between_documents` computes from features. Cost
    (n + m)^2 d; memory 8 (n + m)^2 bytes. nan where a side has no such pair.
    """
    total, sides = 0.0, []
    for vectors, blocks in ((human, human_blocks), (model, model_blocks)):
        own = np.arange(len(vectors)) if blocks is None else np.asarray(blocks)
        wide = vectors.astype(np.float64)
        unlike = own[:, None] != own
        kernels = of(squared_distances(wide, wide))
        total += float(kernels[unlike].mean()) if unlike.any() else float("nan")
        sides.append(wide)
    return total - 2 * float(of(squared_distances(*sides)).mean())


def squared_mmd(human: Floats, model: Floats, n_human: float, n_model: float) -> float:
    """Returns MMD^2 over all pairs of unlike documents, from sums `(m,)` of features, |phi|^2 = 1.

    |p - q|^2 - (1 - |p|^2) / (n - 1) - (1 - |q|^2) / (m - 1), the form that does not cancel.
    Dimensionless, at most 4; larger is further apart; its mean is 0 at equality, so a value may be
    a little below. Documents must be independent: copies, and prompts that sides share, bias it,
    but not the form between blocks. nan below two documents on a side.
    """
    if n_human < 2 or n_model < 2:
        return float("nan")
    p, q = human / n_human, model / n_model
    noise = (1 - p @ p) / (n_human - 1) + (1 - q @ q) / (n_model - 1)
    return float(((p - q) ** 2).sum() - noise)


def histogram_l2_squared(human: ArrayLike, model: ArrayLike) -> Floats:
    """Returns |p - q|^2 of shares from counts `(..., k)` of independent documents, as `(...)`.

    A squared share, at most 2; larger is further apart. Mean 0 at equality, so it may be below 0:
    do not clip it. Where clusters have several documents it is biased; the between-block square of
    inference.squared is not. nan where a side has fewer than two documents.
    """
    h, m = np.asarray(human, np.float64), np.asarray(model, np.float64)
    n, k = h.sum(axis=-1), m.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        same = (h * (h - 1)).sum(-1) / (n * (n - 1)) + (m * (m - 1)).sum(-1) / (k * (k - 1))
        return np.asarray(same - 2 * (h * m).sum(-1) / (n * k))


def document_l2_squared_corrected(
    plug_in: float, human: DocumentSums, model: DocumentSums
) -> float:
    """Returns |p - q|^2 of document-weighted rates, exactly unbiased for independent clusters.

    Equal to (|F|^2 - A) / (n^2 - D) of each side less 2 F.F' / (n n'), in the form that does not
    cancel. `plug_in` is the exact |p - q|^2. Unit, range, shared prompts and nan as in
    `l2_squared_corrected`.
    """
    return plug_in - document_noise(human) - document_noise(model)


def jackknife_covariance(left_out: Floats) -> Floats:
    """Computes the covariance `(K, K)` of K estimates that share their human blocks, from
    `left_out` `(K, S)`.

    Its diagonal holds the squares of `jackknife`'s standard errors. nan below two blocks.
    """
    blocks = left_out.shape[1]
    if blocks < 2:
        return np.full((len(left_out), len(left_out)), np.nan)
    centered = left_out - left_out.mean(axis=1, keepdims=True)
    return np.asarray((blocks - 1) / blocks * centered @ centered.T)
