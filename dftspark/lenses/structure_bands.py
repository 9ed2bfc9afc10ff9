"""The human band of the structure lens: how far apart two human corpora of these sizes may be.

It starts from random halves of the human side's blocks, and is widened where the model side is so
small that its own noise would leave it, by Student's t for a variance that few blocks gave, and to
what chance does to the number of documents that have something rare.

Cost     a few hundred thousand additions, whatever the corpora
Source   Satterthwaite (1946), Biometrics Bulletin 2, 110
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark import config
from dftspark.inference import blocks
from dftspark.stats.structure import CLUSTERS, StructureSums

Floats = NDArray[np.float64]


def clusters_of(side: StructureSums) -> float:
    """How many clusters: exact below CLUSTERS, else estimated from the least hashes."""
    if len(side.clusters) < CLUSTERS:
        return float(len(side.clusters))
    return (CLUSTERS - 1) * 2.0**64 / float(side.clusters[-1])


def band_factor(human: StructureSums, model: StructureSums) -> float:
    """The spread of this pair under equality over that of halves of the human side.

    Halves of n clusters differ with variance 4 v / n, a side of m from one of n with
    v / n + v / m.
    """
    n, m = clusters_of(human), clusters_of(model)
    return float(np.sqrt(n / 4 * (1 / n + 1 / m))) if n and m else float("nan")


def widened(factor: float, degrees: Floats | float) -> Floats:
    """What the bands of halves are multiplied by, never less than 1.

    Halves say what the blocks of the human side give. That their variance is itself an estimate,
    of `degrees` of freedom, a quantile of Student's t makes up for.
    """
    quantile = special.stdtrit(degrees, 0.975) / special.ndtri(0.975)
    return np.asarray(np.maximum(1.0, factor * quantile))


def freedom(of_blocks: Floats) -> Floats:
    """Degrees of freedom of the variance of blocks `(S, R)`, at most S - 1, of each column.

    Satterthwaite's, with the kurtosis that the blocks have: few where a few blocks hold most of
    the occurrences of what is rare.
    """
    count = len(of_blocks)
    excess = _excess_kurtosis(of_blocks)
    excess = np.where(np.isfinite(excess), excess, 0.0)
    return np.asarray(2 / (2 / (count - 1) + np.maximum(excess, 0.0) / count))


def _excess_kurtosis(columns: Floats) -> Floats:
    """Excess kurtosis of each column of `(S, R)`, from unbiased cumulants (Fisher's G2).

    Not finite below four rows and for a column that is constant up to rounding.
    """
    n, center = np.float64(len(columns)), columns.mean(axis=0)
    squares = (columns - center) ** 2
    variance = squares.mean(axis=0)
    variance[variance <= (np.finfo(np.float64).resolution * center) ** 2] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        biased = (squares**2).mean(axis=0) / variance**2
        corrected = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * biased - 3 * (n - 1))
    return np.asarray(corrected)


def upper_draw(null: Floats) -> float:
    """The least draw of `(R,)` that one more exceeds with probability 0.05 at most; or nan."""
    defined = np.sort(null[np.isfinite(null)])
    rank = int(np.ceil(0.95 * (len(defined) + 1)))
    return float(defined[min(rank, len(defined)) - 1]) if len(defined) else float("nan")


def between_halves(
    top: Floats, bottom: Floats, human: StructureSums, settings: config.Inference
) -> tuple[Floats, Floats]:
    """Rates of random halves of the human side's blocks, of which it has its own number, so that
    a small model side does not make the band coarse."""
    count = blocks.adapt(len(human.clusters))
    rng = np.random.default_rng(settings.seed)
    first, second = (group[:, :count] for group in blocks.human_halves(count, settings.splits, rng))
    top, bottom = blocks.coarsen(top, count), blocks.coarsen(bottom, count)
    return (first @ top) / (first @ bottom), (second @ top) / (second @ bottom)


def presence(sides: list[tuple[Floats, Floats, Floats]], documents: list[Any]) -> Floats:
    """The band of what chance alone does to how many documents have a measure at all, `(R,)`.

    At the share of both sides together, and with as many occurrences in each of those documents:
    the halves of a human side that has something in no document, or in one, know nothing of it.
    """
    totals = [[array.sum(0) for array in side] for side in sides]
    present = totals[0][2] + totals[1][2]
    with np.errstate(invalid="ignore", divide="ignore"):
        each = (totals[0][0] + totals[1][0]) / present
        share = present / sum(documents)
        per_side = sum(n / bottom**2 for n, (_, bottom, _) in zip(documents, totals, strict=True))
        spread = each * np.sqrt(share * (1 - share) * per_side)
    return np.asarray(np.nan_to_num(float(special.ndtri(0.975)) * spread))


def residuals(top: Floats, bottom: Floats, human: StructureSums) -> Floats:
    """By block of the human side: what it has above its share of the rate."""
    count = blocks.adapt(len(human.clusters))
    top, bottom = blocks.coarsen(top, count), blocks.coarsen(bottom, count)
    return np.asarray(top - top.sum(0) / bottom.sum(0) * bottom)
