"""MMD squared, region by region: too many or too few documents there, and unlike ones there.

A region is a cell of a frozen clustering of the vectors. Its part of MMD squared has two terms:
mass, the difference of the two shares times how model-like the region is; and within, the share
times how the two sides differ inside. Over regions they sum to MMD squared exactly.

With shares p, mean witness scores f and f0 the mean of both sides' means, a region's part is (pm -
ph)((fh + fm)/2 - f0) + ((ph + pm)/2)(fm - fh).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegionParts:
    """Values per region `(..., k)`; mass + within summed over regions is MMD squared.

    share_human, share_model   share of each side's documents, summing to 1
    mass                       part of MMD squared, in units of the kernel, from unlike shares
    within                     the same from unlike documents inside the region
    """

    share_human: Floats
    share_model: Floats
    mass: Floats
    within: Floats

    @property
    def total(self) -> Floats:
        """mass + within, `(..., k)`; positive where the region sets the sides apart."""
        return np.asarray(self.mass + self.within)


def region_parts(
    count_human: Floats, score_human: Floats, count_model: Floats, score_model: Floats
) -> RegionParts:
    """Computes the parts from documents and sums of witness scores by region, `(..., k)` each.

    In a region that one side does not have, within is 0 and mass has all. nan with an empty side.
    """
    n = count_human.sum(axis=-1, keepdims=True)
    m = count_model.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_human, share_model = count_human / n, count_model / m
        middle = (
            score_human.sum(-1, keepdims=True) / n + score_model.sum(-1, keepdims=True) / m
        ) / 2
        inside_human = score_human / count_human
        inside_model = score_model / count_model
    inside_human, inside_model = (
        np.where(count_human > 0, inside_human, np.where(count_model > 0, inside_model, 0)),
        np.where(count_model > 0, inside_model, np.where(count_human > 0, inside_human, 0)),
    )
    mass = (share_model - share_human) * ((inside_human + inside_model) / 2 - middle)
    within = (share_human + share_model) / 2 * (inside_model - inside_human)
    return RegionParts(share_human, share_model, np.asarray(mass), np.asarray(within))
