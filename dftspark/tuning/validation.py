"""What a scale of the LoRA is judged by: distance on the validation prompts, lengths, cut texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.text.tokens import tokenizer
from dftspark.tuning.target import Target

Floats = NDArray[np.float64]

SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
# A mean length this many times off the human one is a hack, unless it was so before.
LENGTH_FACTOR = 1.5
_CUT = 0.05  # share of texts that may be cut, or twice that at scale 0


@dataclass(frozen=True)
class ScaleOutcome:
    """scale     of the LoRA
    distance  squared distance to the human mean, in units of the target
    words     mean number of words of a text
    cut       share of texts that max_tokens cut
    texts     how many the distance is of
    """

    scale: float
    distance: float
    words: float
    cut: float
    texts: int


def distance(features: Floats, human: Floats, factor: Floats) -> float:
    """Returns the squared distance between `human` `(D,)` and the mean that `features` `(n, D)` are
    a sample of: that of their mean, less what chance adds to it. It may be below 0."""
    apart = factor * (features.mean(axis=0) - human)
    chance = factor**2 @ features.var(axis=0, ddof=1) / len(features)
    return float(apart @ apart - chance)


def words(texts: Sequence[str], target: Target) -> float:
    """Returns the mean number of tokens of the target's tokenizer in a text."""
    offsets = tokenizer(target.features.tokens).tokenize(pa.array(texts, pa.string())).offsets
    return float(np.diff(offsets).mean())


def best(outcomes: Sequence[ScaleOutcome]) -> ScaleOutcome:
    """Returns the scale of the least distance; of equal ones the smallest."""
    return min(outcomes, key=lambda one: (one.distance, one.scale))


def tripped(won: ScaleOutcome, before: ScaleOutcome, human: float, *, cut: bool) -> str:
    """Returns why a scale is not taken although it won; empty if it may be.

    `before` is scale 0 and `human` the mean number of words of a human text. With `cut`, cut texts
    are samples like others.
    """
    off, was = (abs(np.log(one.words / human)) for one in (won, before))
    if off > np.log(LENGTH_FACTOR) and off > was:
        return (
            f"its texts have {won.words:,.0f} words on average, before {before.words:,.0f}, and "
            f"human texts {human:,.0f}"
        )
    if not cut and won.cut > max(_CUT, 2 * before.cut):
        return f"max_tokens cuts {won.cut:.1%} of its texts, and before {before.cut:.1%}"
    return ""
