"""Puts feature vectors on one scale: centered on the target's mean, each part as wide as its
weight.

A part is divided by its total variance over a sample of the pool, so that a random choice of n
texts has the expected square weight / n in it. Rates of n-grams and random features keep the
geometry in which their distances are measured; counts of structure, which have no common one, are
divided column by column, and lengths nearly so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.choose.features import FAMILIES, LENGTHS, STRUCTURE, Features
from dftspark.errors import InputError

Floats = NDArray[np.float64]

# The part of the mean variance that is added to a column's before its root divides the column.
_ADDED = {STRUCTURE: 0.0, LENGTHS: 1.0}
_LEAST = 1e-6  # of a part's largest variance: a column with less than that says nothing


@dataclass(frozen=True, eq=False)
class ColumnScale:
    """center   (D,) mean of the target
    factor     (D,) of each column; 0 for one that says nothing
    matched   (D,) whether the choice goes by it
    deviation  (D,) standard deviation of the sample's texts
    """

    center: Floats
    factor: Floats
    matched: NDArray[np.bool_]
    deviation: Floats

    @classmethod
    def of(
        cls,
        features: Features,
        sample: NDArray[np.float32],
        center: Floats,
        weights: Mapping[str, float],
    ) -> ColumnScale:
        """Derives it from a sample `(M, D)` of the pool. Raises InputError if all of it is
        alike."""
        variance = sample.var(axis=0, dtype=np.float64)
        factor, matched = np.zeros(features.width), np.zeros(features.width, bool)
        shares = {f: sum(p.family == f and p.matched for p in features.parts) for f in FAMILIES}
        for part in features.parts:
            own = variance[part.columns]
            added = _ADDED.get(part.family)
            steep = np.ones(len(own))
            if added is not None:
                steep = 1 / np.sqrt(own + added * own.mean() + 1e-300)
            steep[own <= _LEAST * own.max(initial=0.0)] = 0.0
            whole = float((own * steep**2).sum())
            if whole > 0:
                weight = weights[part.family] if part.matched else 0.0
                # Parts that are only observed have the weight of one part.
                shown = weight / shares[part.family] if weight else 1.0
                factor[part.columns] = steep * np.sqrt(shown / whole)
                matched[part.columns] = weight > 0
        matched &= factor > 0
        if not matched.any():
            raise InputError(
                "all samples of the pool are alike in everything that is matched, so there is "
                "nothing to choose; were they made at temperature 0?"
            )
        return cls(center, factor, matched, np.sqrt(variance))

    def scaled(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the columns that the choice uses, `(N, matched)`, with mean zero on the
        target."""
        at = self.matched
        return np.asarray((vectors[:, at] - self.center[at]) * self.factor[at], np.float32)
