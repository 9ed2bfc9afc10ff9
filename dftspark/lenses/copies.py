"""The copy check: how many model documents nearly repeat a human one, beside how many humans do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.distances.copies import NEAR, nearest
from dftspark.inference.intervals import Inference
from dftspark.inference.proportions import clustered_share
from dftspark.lenses.metric import Metric


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Of each document, `(B,)`: row of its nearest human document, -1 for none, and the cosine."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float64]

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Documents with a near duplicate, nearest first; ties by row."""
        near = np.flatnonzero(self.cosines >= NEAR)
        return np.asarray(near[np.argsort(-self.cosines[near], kind="stable")], np.int64)


def copies(
    human: NDArray[np.floating[Any]],
    model: NDArray[np.floating[Any]],
    human_clusters: NDArray[Any],
    model_clusters: NDArray[Any],
    *,
    confidence: float,
) -> tuple[list[Metric], Neighbors, Neighbors]:
    """Metrics, and the neighbors of model documents and of human ones, from unit vectors `(n, d)`.

    near_duplicates        share of model documents whose nearest human one has a cosine of .95,
                           prompts that they share included
    near_duplicates_human  share of human documents with such a human one of another cluster: what
                           the human side does to itself, and the floor of the first
    Intervals are by cluster. Rows count in the order given: sort by doc_id for equal neighbors.
    """
    model_neighbors = Neighbors(*nearest(model, human))
    own = Neighbors(*nearest(human, human, (human_clusters, human_clusters)))
    metrics: list[Metric] = []
    floor = float("nan")
    for name, found, clusters in (
        ("near_duplicates_human", own, human_clusters),
        ("near_duplicates", model_neighbors, model_clusters),
    ):
        value, error, low, high = clustered_share(found.cosines >= NEAR, clusters, confidence)
        nan = float("nan")
        inference = Inference(error, low, high, nan, floor, nan, len(np.unique(clusters)))
        metrics.append(Metric(name, value, "share", inference))
        floor = high
    return metrics[::-1], model_neighbors, own
