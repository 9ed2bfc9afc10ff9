"""Squared distances of two sets of texts from sums over groups of prompts, for any of the groups.

With the sums of a kernel between groups, the unbiased square of a part of the groups needs no text
again: so the whole, each set without one group and both halves of a split cost one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Groups = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums of a kernel over pairs: `within` one side and `between` human and model, `(G, G)`, and
    over each text with itself, `own`, `(G,)`; `sizes` are texts, `(G,)`, human first."""

    within: tuple[Floats, Floats]
    between: Floats
    own: tuple[Floats, Floats]
    sizes: tuple[Floats, Floats]

    def squared(self, kept: NDArray[np.bool_]) -> float:
        """Returns the unbiased |mean - mean|^2 over the groups that are `kept`."""
        found, counts = 0.0, []
        for within, own, sizes in zip(self.within, self.own, self.sizes, strict=True):
            count = sizes[kept].sum()
            total = within[np.ix_(kept, kept)].sum() - own[kept].sum()
            found += total / (count * (count - 1))
            counts.append(count)
        cross = self.between[np.ix_(kept, kept)].sum() / (counts[0] * counts[1])
        return float(found - 2 * cross)


def of_rows(human: tuple[Matrix, Groups], model: tuple[Matrix, Groups], count: int) -> GroupSums:
    """Returns the sums of the linear kernel of rows `(N, D)` with their groups, 0 to count - 1."""
    sums: list[Floats] = []
    own: list[Floats] = []
    sizes: list[Floats] = []
    for rows, groups in (human, model):
        total = np.zeros((count, rows.shape[1]))
        np.add.at(total, groups, rows.astype(np.float64))
        sums.append(total)
        squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
        own.append(np.bincount(groups, squares, count).astype(np.float64))
        sizes.append(np.bincount(groups, minlength=count).astype(np.float64))
    within = (sums[0] @ sums[0].T, sums[1] @ sums[1].T)
    return GroupSums(within, sums[0] @ sums[1].T, (own[0], own[1]), (sizes[0], sizes[1]))


def of_vectors(
    human: tuple[Matrix, Groups], model: tuple[Matrix, Groups], count: int, sigma: float
) -> GroupSums:
    """Returns the sums of the Gaussian kernel of width `sigma`, so `squared` is the MMD."""

    def summed(first: tuple[Matrix, Groups], second: tuple[Matrix, Groups]) -> Floats:
        (x, of_x), (y, of_y) = first, second
        squares = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
        kernel = np.exp(-squares.astype(np.float64) / (2 * sigma**2))
        return np.asarray(np.eye(count)[:, of_x] @ kernel @ np.eye(count)[of_y])

    sizes = [
        np.bincount(groups, minlength=count).astype(np.float64) for _, groups in (human, model)
    ]
    return GroupSums(
        (summed(human, human), summed(model, model)),
        summed(human, model),
        (sizes[0], sizes[1]),  # a text's kernel with itself is 1
        (sizes[0], sizes[1]),
    )
