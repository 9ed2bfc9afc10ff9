"""Reports what a choice has matched and what it has not: distances of block sums, part by part.

The squared distance is the lenses' measure, from block sums, without the noise of few documents. On
the target's prompts it says that the choice worked; on the referee's, that it holds for human texts
that took no part in the choice. Chosen texts are not a sample of one source but lie closer than
that: p and floor say how far apart the sides are, and never that both have one distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.splits import REFEREE, SPLITS, TARGET, blocks_of
from dftspark.choose.sums import ChoiceSums
from dftspark.inference import blocks as block_groups
from dftspark.inference.gram import between_blocks, gram
from dftspark.inference.squared import infer_squared
from dftspark.lenses.metric import design

_SHOWN = 0.02  # standard deviations that the pool is off, below which a rate is left out


def rows(
    features: Features,
    scale: ColumnScale,
    human: tuple[ChoiceSums, NDArray[np.int64]],
    before: ChoiceSums,
    after: ChoiceSums,
    *,
    paired: bool,
    settings: config.Inference,
) -> Iterator[dict[str, Any]]:
    """Yields rows of schema.MATCHED without the run's columns; `human` is sums and clusters by
    block."""
    for split in SPLITS:
        blocks = blocks_of(split)
        clusters = (
            float(human[1][blocks.start : blocks.stop].sum()),
            float(after.documents[blocks.start : blocks.stop].max(axis=1).sum()),
        )
        for number, part in enumerate(features.parts):
            factor = scale.factor[part.columns]
            own, pool, chosen = (
                _side(side, number, part.columns, blocks, factor)
                for side in (human[0], before, after)
            )
            found = infer_squared(
                own[0],
                chosen[0],
                own[1],
                chosen[1],
                value=_square(own, chosen, paired),
                clusters=clusters,
                design=design(settings, paired=paired),
            )
            gaps = _square(own, pool, paired), _square(own, chosen, paired)
            yield {
                "split": split,
                "part": part.name,
                "matched": bool(scale.matched[part.columns].any()),
                "pool": gaps[0],
                "chosen": gaps[1],
                "chosen_error": found.std_error,
                "floor": found.floor,
                "p_value": found.p_value,
                "closed": 1 - gaps[1] / gaps[0] if gaps[0] > 0 else float("nan"),
                "n_human": int(own[1].sum()),
                "n_prompts": int(chosen[1].sum()),
            }


Side = tuple[NDArray[np.float64], NDArray[np.float64]]


def _side(
    sums: ChoiceSums, number: int, columns: slice, blocks: range, factor: NDArray[np.float64]
) -> Side:
    """Returns sums in units of the pool's variance, and sizes, by as many blocks as merge
    evenly."""
    found, sizes = sums.rows(number, columns, blocks)
    count = 1 << (len(blocks).bit_length() - 1)
    spare = len(blocks) - count
    total, size = found[:count] * factor, sizes[:count].copy()
    total[:spare] += found[count:] * factor
    size[:spare] += sizes[count:]
    return total, size


def _square(own: Side, other: Side, paired: bool) -> float:
    """Returns |human - other|^2 from products of different blocks; nan if a side has fewer than
    two."""
    products = gram(own[0], other[0], own[1], other[1])
    sides = block_groups.sides(len(own[1]))
    return float(between_blocks(products, *sides, paired=paired)[0])


def rates(
    features: Features, scale: ColumnScale, human: ChoiceSums, before: ChoiceSums, after: ChoiceSums
) -> Iterator[dict[str, Any]]:
    """Yields rows of schema.MATCHED_RATES without the run's columns: structure and lengths that
    differ between human and pool."""
    for split in (TARGET, REFEREE):
        blocks = blocks_of(split)
        own, pool, chosen = (side.mean(features, blocks) for side in (human, before, after))
        for part in features.parts:
            spread = 1 / np.maximum(scale.deviation[part.columns], 1e-300)
            for at, name in enumerate(features.names(part)):
                column = part.start + at
                if not scale.factor[column]:
                    continue
                apart = (pool[column] - own[column]) * spread[at]
                if abs(apart) >= _SHOWN:
                    yield {
                        "split": split,
                        "part": part.name,
                        "name": name,
                        "rate_human": own[column],
                        "rate_pool": pool[column],
                        "rate_chosen": chosen[column],
                        "apart_pool": apart,
                        "apart_chosen": (chosen[column] - own[column]) * spread[at],
                    }


def said(table: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns, for the referee, the parts whose distance is now within its floor, those that came
    nearer without reaching it, and those that did not come nearer."""
    found: dict[str, list[str]] = {"matched": [], "nearer": [], "not_matched": [], "untold": []}
    for row in table:
        if row["split"] != REFEREE:
            continue
        if not np.isfinite(row["floor"]):
            verdict = "untold"
        elif row["chosen"] <= row["floor"]:
            verdict = "matched"
        else:
            verdict = "nearer" if row["chosen"] < row["pool"] else "not_matched"
        found[verdict].append(str(row["part"]))
    return found
