"""Tests of one rate on both sides, by exact mid-p at effective counts.

The variance of a rate is taken over clusters, or over blocks of them, under one source. It turns
counts into effective ones: as many independent occurrences as would vary as much. Each of these is
the model's with the probability of its share of the text. For frequent things this is the score z,
for rare ones the exact binomial mid-p of Kish's effective counts.

Cost     a microsecond a tested rate
Source   Kish (1965) for design effects; Lancaster (1961) for mid-p
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64] | Floats

FEWEST_CLUSTERS = 20  # on both sides together that have it; below this a rate is not tested
FEWEST_EXPECTED = 1.0  # effective occurrences on the smaller side under one rate
_OWN = 20.0  # clusters with it at which a side's variance weighs as much as the common one
_TINY = 1e-300
_UNEVEN = 4.0
_ENOUGH_CLUSTERS = 100.0
_OUTNUMBERED = 2.0


@dataclass(frozen=True)
class Squares:
    """Squared residuals of one side about the common rate, `(V,)`, of `units` clusters or blocks.

    size     total behind the rate: tokens, words, documents; `(V,)` or one for all
    units    clusters, or blocks that have anything
    """

    count: Numbers
    squares: Floats
    size: Floats | float
    units: Floats | float


@dataclass(frozen=True)
class Score:
    """Results of the test, `(V,)` each.

    p          two-sided, that both sides have one rate
    z          normal score of p, positive where the model's rate is higher
    expected   effective occurrences on the smaller side under one rate
    variance   of model count - share x count under one rate
    spread     variance a unit of size that both sides together show
    design     divisor that turns occurrences into effective ones
    """

    p: Floats
    z: Floats
    expected: Floats
    variance: Floats
    spread: Floats
    design: Floats


def mid_p(model: Floats, human: Floats, share: Floats | float) -> Floats:
    """Returns the two-sided mid-p `(V,)`, at most 1, of `model` among `model + human` counts, real
    numbers at least 0, when each is the model's with probability `share`.
    """
    x, y = np.maximum(model, 0.0), np.maximum(human, 0.0)
    some_x, some_y = np.maximum(x, _TINY), np.maximum(y, _TINY)
    upper = np.where(x > 0, special.betainc(some_x, y + 1, share), 1.0)
    upper += np.where(y > 0, special.betainc(x + 1, some_y, share), 0.0)
    lower = np.where(y > 0, special.betainc(some_y, x + 1, 1 - share), 1.0)
    lower += np.where(x > 0, special.betainc(y + 1, some_x, 1 - share), 0.0)
    return np.asarray(np.minimum(1.0, np.minimum(upper, lower)))


def score(human: Squares, model: Squares, own_human: Floats, own_model: Floats) -> Score:
    """Tests each rate. `own_human`, `own_model` `(V,)` are the units of a side with data on it:
    from few, a side takes most of its variance from both sides together.

    nan where neither side has any.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.float64(human.size + model.size)  # a NumPy number: 0 / 0 is nan
        share = model.size / size
        count = human.count + model.count
        units = human.units + model.units
        spread = (human.squares + model.squares) * units / (units - 1) / size
        both = [
            weight * side.squares * side.units / (side.units - 1)
            + (1 - weight) * spread * side.size
            for side, own in ((human, own_human), (model, own_model))
            for weight in (own / (own + _OWN),)
        ]
        variance = (1 - share) ** 2 * both[1] + share**2 * both[0]
        design = variance / (count * share * (1 - share))
        effective = count / design
        x = model.count / design
        p = mid_p(x, effective - x, share)
        difference = model.count - share * count
        size_of_z = np.where(
            p > _TINY, -special.ndtri(np.maximum(p, _TINY) / 2), np.abs(difference / variance**0.5)
        )
        known = np.isfinite(design) & (design > 0)
        p, z = np.where(known, p, np.nan), np.where(known, np.sign(difference) * size_of_z, np.nan)
        expected = np.where(known, effective * np.minimum(share, 1 - share), 0.0)
    return Score(p, z, expected, variance, spread, design)


def share_p(human: Numbers, model: Numbers, human_sizes: Numbers, model_sizes: Numbers) -> Floats:
    """Returns the two-sided p `(V,)` that both sides have one share of documents with each thing.

    `human`, `model` `(V, S)` count such documents by block, the sizes `(S,)` all of them. The rarer
    of having and lacking it is tested. nan where fewer than twenty documents have it or lack it,
    and where less than one effective document is expected on the smaller side.
    """
    sizes = np.concatenate([human_sizes, model_sizes])
    counts = np.concatenate([human, model], axis=1)
    total = float(sizes.sum())
    filled = int((sizes > 0).sum())
    if not (human_sizes.sum() and model_sizes.sum()) or filled < 2:
        return np.full(len(human), np.nan)
    counts = np.where((counts.sum(axis=1) > total / 2)[:, None], sizes - counts, counts)
    cases = counts.sum(axis=1)
    common = cases / total
    share = float(model_sizes.sum()) / total
    residual = counts - common[:, None] * sizes
    by_block = (residual**2).sum(axis=1) * filled / (filled - 1) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        design = np.maximum(common * (1 - common), by_block) / common
        x, effective = counts[:, len(human_sizes) :].sum(axis=1) / design, cases / design
        p = mid_p(x, effective - x, share)
    tested = (cases >= FEWEST_CLUSTERS) & (effective * min(share, 1 - share) >= FEWEST_EXPECTED)
    return np.where(tested, p, np.nan)


def comparable_clustering(human: tuple[float, float], model: tuple[float, float]) -> bool:
    """Returns whether sides with these (sizes, sums of squared cluster sizes) can be tested.

    Few heavy clusters against many light ones cannot: no variance that was tried kept the level. It
    is kept up to twice as many effective clusters on the light side, so that long texts beside as
    many short ones have their test.
    """
    weights = [squares / size if size else np.nan for size, squares in (human, model)]
    effective = [size**2 / squares if squares else 0.0 for size, squares in (human, model)]
    heavier = int(weights[1] > weights[0])
    uneven = weights[heavier] > _UNEVEN * weights[1 - heavier]
    few = effective[heavier] < min(_ENOUGH_CLUSTERS, effective[1 - heavier] / _OUTNUMBERED)
    return not (uneven and few)
