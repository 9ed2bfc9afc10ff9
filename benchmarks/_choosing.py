"""What the choices of these benchmarks go by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dftspark.choose.features import Features
from dftspark.config import Tokens
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.lenses.embeddings.fourier import Frequencies


def chosen_by(vectors: NDArray[np.float32]) -> Features:
    """Returns n-gram rates of orders 1 to 3 and random features of the static embedder, whose
    `vectors` `(n, d)` of the corpus give the bandwidth."""
    sigma = median_distance(vectors[:: max(1, len(vectors) // 1_500)])
    return Features(
        tokens=Tokens(),
        orders=(1, 2, 3),
        matched=(1, 2, 3),
        buckets=1024,
        first=512,
        frequencies=Frequencies(dim=vectors.shape[1], sigma=sigma),
    )
