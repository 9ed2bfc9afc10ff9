"""The region lens: where in the cloud the model has too much, too little, or other text.

Cost     constant per pair: (2S)^2 k for the tests, (permutations + splits) 4 S k for the frontier
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.config import Inference as Settings
from dftspark.errors import ShapeError
from dftspark.inference import blocks as groups
from dftspark.inference.gram import between_blocks, gram
from dftspark.inference.intervals import Inferred, agreeing, jackknife, no_inference
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.squared import infer_grams
from dftspark.lenses.embeddings.distance_frontier import frontier_area, smoothed_shares
from dftspark.lenses.embeddings.distance_regions import RegionParts, region_parts
from dftspark.lenses.embeddings.region_sums import SCORE_ONE, RegionSums
from dftspark.lenses.metric import Metric, design

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegionTable:
    """Values per region `(k,)`; shares, mass and within as in `RegionParts`.

    share_z  jackknife z of share_model - share_human, two-sided
    z        jackknife z of mass + within; only a positive one indicates a difference
    q_value  Benjamini-Hochberg over regions of the one-sided p of z
    count_human, count_model  documents
    """

    parts: RegionParts
    count_human: NDArray[np.int64]
    count_model: NDArray[np.int64]
    share_z: Floats
    z: Floats
    q_value: Floats


def region_table(human: RegionSums, model: RegionSums, blocks: int) -> RegionTable:
    """Makes the table from both sides' sums under one witness; `blocks` from `blocks.adapt`.

    A part of MMD squared is a product of noises at equality. Its jackknife z then has the right
    upper tail, but too heavy a lower tail (docs/limits.md). A negative part does not indicate a
    difference, so the test is one-sided. Shares are means: their z is right on both sides. z and
    q_value are nan below eight blocks, and where a region is empty.
    """
    whole = [a.sum(axis=0, dtype=np.float64) for a in _columns(human, model)]
    parts = _parts(whole)
    share_z = z = np.full(len(whole[0]), np.nan)
    if blocks >= groups.FEWEST:
        by_block = [groups.coarsen(a, blocks) for a in _columns(human, model)]
        left_out = _parts([total - own for total, own in zip(whole, by_block, strict=True)])
        share_z = _jackknife_z(
            parts.share_model - parts.share_human, left_out.share_model - left_out.share_human
        )
        z = _jackknife_z(parts.total, left_out.total)
    q_value = benjamini_hochberg(np.asarray(special.stdtr(max(blocks - 1, 1), -z)))
    return RegionTable(parts, human.count.sum(axis=0), model.count.sum(axis=0), share_z, z, q_value)


def region_metrics(
    human: RegionSums,
    model: RegionSums,
    clusters: tuple[float, float],
    *,
    paired: bool,
    settings: Settings,
) -> list[Metric]:
    """Computes frontier area, its value at equality, and the shares' unbiased squared distance.

    The area at equality is the mean over pairs of groups with the same mixture of both sides and as
    many documents as the sides have: the area of one source at these sizes. Its 5% quantile is the
    floor of the area, for smaller is further apart. The p-value of both is that of the square.
    """
    if human.count.shape != model.count.shape:
        raise ShapeError(
            f"region sums have shapes {human.count.shape} and {model.count.shape}; assign both "
            f"sides to the same regions"
        )
    totals = human.count.sum(axis=0), model.count.sum(axis=0)
    filled = bool(totals[0].sum() and totals[1].sum())
    area = float(frontier_area(*map(smoothed_shares, totals))) if filled else float("nan")
    square, equal = float("nan"), float("nan")
    area_found = square_found = equal_found = no_inference(0)
    blocks = groups.adapt(int(min(clusters)))
    if blocks and filled:
        counts = [side.count.astype(np.float64) for side in (human, model)]
        products = gram(*counts, *(side.sum(axis=1) for side in counts))
        square = float(between_blocks(products, *groups.sides(groups.MOST), paired=paired)[0])
        square_found = infer_grams(
            [products], value=square, clusters=clusters, design=design(settings, paired=paired)
        )
        area_found, equal_found, equal = _area_inference(
            [groups.coarsen(side, blocks) for side in counts],
            area,
            square_found.p_value,
            paired=paired,
            settings=settings,
        )
    return [
        Metric("frontier", area, "area", area_found),
        Metric("frontier_at_equality", equal, "area", equal_found),
        Metric("region_l2_squared", square, "share^2", square_found),
    ]


def _area_inference(
    counts: list[Floats], area: float, p_value: float, *, paired: bool, settings: Settings
) -> tuple[Inferred, Inferred, float]:
    blocks = len(counts[0])
    stacked = np.concatenate(counts)
    rng = np.random.default_rng(settings.seed)

    def areas(first: Floats, second: Floats) -> Floats:
        return frontier_area(smoothed_shares(first @ stacked), smoothed_shares(second @ stacked))

    error, low, high = jackknife(areas(*groups.all_but_one(blocks)), area, settings.confidence)
    n, m = counts[0].sum(), counts[1].sum()
    null = areas(*groups.balanced(blocks, n / (n + m), settings.splits, rng, paired=paired))
    floor = float(np.quantile(null, 0.05))
    found = Inferred(
        std_error=error,
        ci_low=max(low, 0.0),
        ci_high=min(high, 1.0),
        p_value=p_value,
        floor=-agreeing(-floor, -area, p_value),
        blocks=blocks,
    )
    low, high = np.quantile(null, [(1 - settings.confidence) / 2, (1 + settings.confidence) / 2])
    equality = Inferred(
        std_error=float(null.std()), ci_low=float(low), ci_high=float(high), blocks=blocks
    )
    return found, equality, float(null.mean())


def _columns(human: RegionSums, model: RegionSums) -> list[NDArray[np.int64]]:
    return [human.count, human.score, model.count, model.score]


def _parts(columns: list[Floats]) -> RegionParts:
    count_human, score_human, count_model, score_model = columns
    return region_parts(count_human, score_human / SCORE_ONE, count_model, score_model / SCORE_ONE)


def _jackknife_z(value: Floats, left_out: Floats) -> Floats:
    """Returns value `(k,)` over the standard error of replicates `(S, k)`; nan where it is 0."""
    blocks = len(left_out)
    error = np.sqrt((blocks - 1) / blocks * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    return np.asarray(value / np.where(error > 0, error, np.nan))
