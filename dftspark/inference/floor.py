"""How far apart two halves of the human documents are, token by token."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dftspark.distances.ngram_table import document_ratio
from dftspark.inference import blocks

Floats = NDArray[np.float64]


def document_ratio_floor(documents: Floats, sizes: Floats, *, splits: int, seed: int) -> Floats:
    """Largest document ratio `(m,)` of each token between two halves of the human blocks.

    `documents` `(S, m)` counts the documents of each block that contain it, `sizes` `(S,)` all of
    them. At least 1: of each of `splits` random splits the ratio above 1 is taken. nan below eight
    blocks.
    """
    if len(sizes) < blocks.FEWEST:
        return np.full(documents.shape[1], np.nan)
    largest = np.ones(documents.shape[1])
    groups = blocks.human_halves(len(sizes), splits, np.random.default_rng(seed))
    for first, second in zip(*(group[:, : len(sizes)] for group in groups), strict=True):
        ratio = document_ratio(first @ documents, second @ documents, first @ sizes, second @ sizes)
        largest = np.fmax(largest, np.fmax(ratio, 1 / ratio))
    return largest
