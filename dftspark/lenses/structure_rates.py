"""Rates and means of the structure lens: values, intervals, tests and bands, all at once.

Cost     a few hundred thousand additions and divisions, whatever the corpora
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark import config
from dftspark.features import measures
from dftspark.features.document_vectors import columns
from dftspark.inference import blocks, halves
from dftspark.inference.halves import Parts, Splits
from dftspark.lenses.structure_bands import (
    Floats,
    between_halves,
    freedom,
    presence,
    residuals,
    upper_draw,
    widened,
)
from dftspark.lenses.structure_measures import OTHER_SCRIPT, Measure
from dftspark.stats.structure import StructureSums

TESTED_DOCUMENTS = 20  # of both sides together that have it, or it is neither tested nor judged


def _sides(
    chosen: list[Measure], side: StructureSums, script: int
) -> tuple[Floats, Floats, Floats]:
    """By block: numerators, denominators and documents that have any, `(64, R)` each."""
    index = {name: i for i, name in enumerate(columns())}
    tops: list[NDArray[Any]] = []
    bottoms: list[NDArray[Any]] = []
    present: list[NDArray[Any]] = []
    for m in chosen:
        if m.kind == "mean":
            at = measures.MEANS.index(m.id)
            tops.append(side.means[:, at] / measures.ONE)
            bottoms.append(side.defined[:, at])
            present.append(side.defined[:, at])
        elif m.id == OTHER_SCRIPT:
            scripts = side.counts[:, [index[f"words_{name}"] for name in measures.SCRIPTS]]
            tops.append(scripts.sum(axis=1) - scripts[:, script])
            bottoms.append(side.counts[:, index[m.denominator]])
            present.append(side.counts[:, index[f"documents_not_{measures.SCRIPTS[script]}"]])
        else:
            tops.append(side.counts[:, index[m.numerator]])
            bottoms.append(side.counts[:, index[m.denominator]])
            present.append(side.present[:, index[m.numerator]])
    scales = np.array([m.scale for m in chosen])
    top, bottom, any_of = (np.stack(each, axis=1).astype(np.float64)
                           for each in (tops, bottoms, present))  # fmt: skip
    return top * scales, bottom, any_of


def compared_rates(
    chosen: list[Measure],
    human: StructureSums,
    model: StructureSums,
    count: int,
    factor: float,
    settings: config.Inference,
) -> dict[str, NDArray[Any]]:
    """By name, of each measure `(m,)`: what structure.Row holds of rates; for the summary
    `left_distance` and `left_ratio` `(m, S)` without a block, and `halves` and `half_ratios`
    `(m, R)` between halves of the human side."""
    script = _script(human)
    sides = [_sides(chosen, side, script) for side in (human, model)]
    is_mean = np.array([m.kind == "mean" for m in chosen])
    scale = np.array([m.scale for m in chosen])
    half = np.where(is_mean, 0.0, scale / 2)
    documents = [side.counts[:, 0].sum() for side in (human, model)]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [top.sum(0) / bottom.sum(0) for top, bottom, _ in sides]
        shares = [present.sum(0) / n for (_, _, present), n in zip(sides, documents, strict=True)]
        ratio = _log_ratio(sides[0][0].sum(0), sides[0][1].sum(0), sides[1][0].sum(0),
                           sides[1][1].sum(0), half)  # fmt: skip
        nowhere = sides[0][0].sum(0) + sides[1][0].sum(0) == 0
        ratio[nowhere] = np.nan
        present = sides[0][2].sum(0) + sides[1][2].sum(0)
        counts = [np.round(top.sum(0) / np.where(is_mean, 1, scale)) for top, _, _ in sides]
        difference = values[1] - values[0]
        out = {
            "human": values[0], "model": values[1], "ratio": np.exp(ratio),
            "distance": np.abs(difference), "count_human": counts[0], "count_model": counts[1],
            "share_human": np.where(is_mean, np.nan, shares[0]),
            "share_model": np.where(is_mean, np.nan, shares[1]),
        }  # fmt: skip
        unknown = np.full(len(chosen), np.nan)
        out |= dict.fromkeys(("std_error", "ci_low", "ci_high", "p_value", "band"), unknown)
        if count:
            merged = [
                [blocks.coarsen(array, count) for array in (top, bottom)]
                for top, bottom, _ in sides
            ]
            out |= _uncertainty(merged, difference, ratio, half, count, settings)
            first, second = between_halves(sides[0][0], sides[0][1], human, settings)
            out |= {"halves": np.abs(first - second).T, "half_ratios": (first / second).T}
            wider = widened(factor, freedom(residuals(sides[0][0], sides[0][1], human)))
            band = wider * np.array([upper_draw(distance) for distance in out["halves"]])
            out["band"] = np.maximum(band, np.where(is_mean, 0.0, presence(sides, documents)))
            out["p_value"] = np.where(present >= TESTED_DOCUMENTS, out["p_value"], np.nan)
    return out


def rate_parts(
    chosen: list[Measure], human: StructureSums, model: StructureSums, splits: Splits
) -> dict[str, Parts]:
    """|model - human| of each measure on parts of the blocks; nothing without splits."""
    script = _script(human)
    (h_top, h_bottom, _), (m_top, m_bottom, _) = (
        _sides(chosen, side, script) for side in (human, model)
    )

    def distances(first: Floats, second: Floats) -> Floats:
        own, other = first[:, : blocks.MOST], second[:, blocks.MOST :]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.abs(other @ m_top / (other @ m_bottom) - own @ h_top / (own @ h_bottom))

    if not splits.count:
        return {}
    left_out = distances(*halves.both_sides(1 - np.eye(blocks.MOST)))
    found = distances(*halves.both_sides(halves.halves(splits).reshape(-1, blocks.MOST)))
    return {
        m.id: Parts(left_out[:, i], found[:, i].reshape(splits.count, 2))
        for i, m in enumerate(chosen)
    }


def _script(human: StructureSums) -> int:
    """The script of most words of the human side."""
    index = {name: i for i, name in enumerate(columns())}
    scripts = [int(human.counts[:, index[f"words_{name}"]].sum()) for name in measures.SCRIPTS]
    return int(np.argmax(scripts))


def _log_ratio(
    h_top: Floats, h_bottom: Floats, m_top: Floats, m_bottom: Floats, half: Floats
) -> Floats:
    return np.asarray(np.log((m_top + half) / m_bottom) - np.log((h_top + half) / h_bottom))


def _uncertainty(
    merged: list[list[Floats]],
    difference: Floats,
    ratio: Floats,
    half: Floats,
    count: int,
    settings: config.Inference,
) -> dict[str, NDArray[Any]]:
    (h_top, h_bottom), (m_top, m_bottom) = merged
    left = [whole.sum(0) - whole for whole in (h_top, h_bottom, m_top, m_bottom)]
    reach = float(special.stdtrit(count - 1, (1 + settings.confidence) / 2))
    left_difference = left[2] / left[3] - left[0] / left[1]
    left_ratio = _log_ratio(left[0], left[1], left[2], left[3], half)
    error, log_error = _jackknife_error(left_difference), _jackknife_error(left_ratio)
    # Under equality both sides have the pooled rate: residuals about it, not about each side's own,
    # keep the level where occurrences are few.
    pooled = (h_top.sum(0) + m_top.sum(0)) / (h_bottom.sum(0) + m_bottom.sum(0))
    residual = (m_top - pooled * m_bottom) / m_bottom.sum(0)
    residual -= (h_top - pooled * h_bottom) / h_bottom.sum(0)
    spread = residual - residual.mean(axis=0)
    under_equality = np.sqrt(count / (count - 1) * (spread**2).sum(axis=0))
    t = np.where(under_equality > 0, difference / under_equality, np.nan)
    return {
        "std_error": error,
        "ci_low": np.exp(ratio - reach * log_error),
        "ci_high": np.exp(ratio + reach * log_error),
        "p_value": 2 * special.stdtr(freedom(residual), -np.abs(t)),
        "left_distance": np.abs(left_difference).T,
        "left_ratio": left_ratio.T,
    }


def _jackknife_error(left_out: Floats) -> Floats:
    count = len(left_out)
    squares = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((count - 1) / count * squares))
