"""Interval, test, floor and smallest detectable value of any distance of rates.

The interval and the floor are those of the distance itself. The test is that of the noise-free
squared L2 of the same coordinates, whatever the distance: both sides from one distribution is
one hypothesis, and relabeling a plug-in divergence of unequally large corpora rejects it far too
often (level .33 for Jensen-Shannon at ten to one, where this test has .04 to .05).

Cost     (3 splits + S) x 4 S m multiplications and as many evaluations of the distance, in chunks
         of 2 MiB arrays; (2S)^2 m multiplications for the test
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks
from dftspark.inference.intervals import Inference, jackknife, no_inference
from dftspark.inference.permutation import smallest_detectable, upper
from dftspark.inference.squared import block_test, gram, stacked

Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats], Floats]

_CHUNK = 1 << 18


def infer(
    distance: Distance,
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    *,
    value: float,
    paired: bool,
    permutations: int,
    splits: int,
    confidence: float,
    seed: int,
    scale: Floats | float = 1.0,
) -> Inference:
    """Inference for a nonnegative `distance(p, q)` of rates `(..., m)`, vectorized as `(...)`.

    `human`, `model` `(S, m)` are block sums, `human_sizes`, `model_sizes` `(S,)` what divides them
    to rates. Blocks may be empty. `value` is the exact distance, at which the interval is
    centered; its lower end is cut at 0. `paired` says that the sides share prompts. `scale` `(m,)`
    multiplies the coordinates of the test: 1 for L2, `ngram_sample.rate_scale` for sampled
    n-grams. `splits` relabelings stand behind mde, as behind the floor.

    A plug-in distance keeps its upward bias: the interval is for its mean at these corpus sizes
    (and for Jensen-Shannon and total variation too wide rather than too narrow), mde includes
    the bias, and the floor is that of corpora half the size of the human one. All nan below
    eight blocks. Raises ShapeError for unlike shapes and an odd number of blocks.
    """
    sums, sizes = stacked(human, model, human_sizes, model_sizes)
    count = len(human)
    if count < blocks.FEWEST or not np.isfinite(sizes).all():
        return no_inference(count)
    tests, noise, floors = np.random.default_rng(seed).spawn(3)
    alike = partial(_distances, distance, sums, sizes)
    error, low, high = jackknife(alike(*blocks.all_but_one(count)), value, confidence)
    test = block_test(
        gram(human * scale, model * scale, human_sizes, model_sizes),
        paired=paired,
        permutations=permutations,
        rng=tests,
    )
    # Groups that weigh the sides alike, and groups as large as the corpora: of unlike corpora the
    # first have a divergence of too little bias, the second, of few blocks, too much noise.
    totals = human_sizes.sum(), model_sizes.sum()
    own_sizes = np.repeat(totals, count)
    nulls = [
        alike(*blocks.balanced(count, 0.5, splits, noise, paired=paired)),
        _distances(
            distance,
            sums * own_sizes[:, None],
            sizes * own_sizes,
            *blocks.balanced(count, totals[0] / sum(totals), splits, noise, paired=paired),
        ),
    ]
    halves = alike(*blocks.human_halves(count, splits, floors))
    return Inference(
        std_error=error,
        ci_low=max(low, 0.0),
        ci_high=high,
        p_value=test,
        floor=upper(halves),
        mde=max(smallest_detectable(null, float(np.nanmean(null))) for null in nulls),
        blocks=count,
    )


def replicates(
    distance: Distance, human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats
) -> Floats:
    """The distance without block j of either side, `(S,)`: what `intervals.jackknife` takes."""
    sums, sizes = stacked(human, model, human_sizes, model_sizes)
    return _distances(distance, sums, sizes, *blocks.all_but_one(len(human)))


def on_groups(
    distance: Distance, human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats
) -> Distance:
    """The distance of two groups of blocks, `(R, 2S)` weights each, as `(R,)`; nan without size."""
    return partial(_distances, distance, *stacked(human, model, human_sizes, model_sizes))


def _distances(
    distance: Distance, sums: Floats, sizes: Floats, first: Floats, second: Floats
) -> Floats:
    """`distance` of the rates of two groups of blocks, `(R, 2S)` weights each: `(R,)`.

    nan where a group is empty.
    """
    out = np.empty(len(first))
    step = max(1, _CHUNK // sums.shape[1])
    for start in range(0, len(first), step):
        rows = slice(start, start + step)
        with np.errstate(invalid="ignore"):
            p, q = (g[rows] @ sums / (g[rows] @ sizes)[:, None] for g in (first, second))
        out[rows] = distance(p, q)
    return out
