"""Two axes to draw a cloud of vectors on: principal components of a pilot, fitted once and frozen.

The axes are for the eye. They hold only a part of the variance (`explained`), so clouds that lie on
each other here may differ in the other directions: distances are measured on whole vectors.

Cost     fitting: one eigendecomposition of (d, d); 4 d operations a vector to place it
Source   principal component analysis, Pearson (1901)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]

CELLS = 48
FEWEST = 3  # vectors a side needed to fit axes
_TAIL = 0.005  # share of the pilot beyond each edge, before the margin
_MARGIN = 0.15
_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Projection:
    """mean (d,), axes (2, d); low (2,), high (2,): range of the cells; explained (2,): shares."""

    mean: Floats
    axes: Floats
    low: Floats
    high: Floats
    explained: Floats
    cells: int = CELLS

    def cell(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Returns the cell `(B, 2)` of vectors `(B, d)`, from 0; what lies beyond an edge is in its
        cell.

        A row's sums do not depend on its batch. Raises ShapeError for another width.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise ShapeError(
                f"vectors have shape {vectors.shape}; the axes are of {self.mean.shape}"
            )
        found = np.empty((len(vectors), 2), np.int64)
        for start in range(0, len(vectors), _CHUNK):
            rows = slice(start, start + _CHUNK)
            centered = vectors[rows].astype(np.float64) - self.mean
            for axis in (0, 1):
                place = (centered * self.axes[axis]).sum(axis=1)
                part = (place - self.low[axis]) / (self.high[axis] - self.low[axis])
                found[rows, axis] = np.clip(np.floor(part * self.cells), 0, self.cells - 1)
        return found


def fit_projection(
    human: NDArray[np.floating[Any]], model: NDArray[np.floating[Any]], cells: int = CELLS
) -> Projection:
    """Fits axes to as many vectors `(n, d)` of one side as of the other, the first of the larger.

    Each axis points so that its largest entry is positive. Raises ShapeError below three vectors a
    side or two dimensions.
    """
    each = min(len(human), len(model))
    if each < FEWEST or human.ndim != 2 or human.shape[1:] != model.shape[1:] or human.shape[1] < 2:
        raise ShapeError(f"pilots have shapes {human.shape} and {model.shape}; give (n, d) twice")
    pilot = np.concatenate([human[:each], model[:each]]).astype(np.float64)
    mean = pilot.mean(axis=0)
    centered = pilot - mean
    values, vectors = np.linalg.eigh(centered.T @ centered)
    axes = vectors[:, [-1, -2]].T
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[[0, 1], largest] < 0, -1.0, 1.0)[:, None]
    places = centered @ axes.T
    low, high = np.quantile(places, [_TAIL, 1 - _TAIL], axis=0)
    margin = np.maximum(_MARGIN * (high - low), 1e-9)
    total = max(float(values.sum()), 1e-300)
    return Projection(
        mean, axes, low - margin, high + margin, np.maximum(values[[-1, -2]], 0) / total, cells
    )
