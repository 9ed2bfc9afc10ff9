"""A distance of rates on groups of blocks, and its floor under one source at two sizes.

Cost     2 splits x 4 S m multiplications and as many evaluations of the distance, in chunks of
         2 MiB arrays
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks
from dftspark.inference.gram import stacked
from dftspark.inference.permutation import upper

Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats], Floats]

_CHUNK = 1 << 18


def source_floor(
    distance: Distance,
    human: Floats,
    model: Floats,
    human_sizes: Floats,
    model_sizes: Floats,
    *,
    splits: int,
    seed: int,
) -> float:
    """Returns the 95% quantile of a plug-in distance of two corpora of one source, of these sizes.

    Takes raw block sums `(S, m)` and sizes `(S,)`, not merged. Each of `splits` groupings has one
    group as large as the human side and one as large as the model side. Both have the same share of
    either side's blocks, so the sides' difference is in both alike. nan where one side has less
    than a block's worth of the other.
    """
    sums = np.concatenate([human, model])
    sizes = np.concatenate([human_sizes, model_sizes])
    first = blocks.as_large(
        float(human_sizes.sum()),
        float(model_sizes.sum()),
        len(human),
        splits,
        np.random.default_rng([seed, splits]),
    )
    if not len(first):
        return float("nan")
    return upper(_distances(distance, sums, sizes, first, 1 - first))


def replicates(
    distance: Distance, human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats
) -> Floats:
    """Returns the distance without block j of either side, `(S,)`, for `intervals.jackknife`."""
    sums, sizes = stacked(human, model, human_sizes, model_sizes)
    return _distances(distance, sums, sizes, *blocks.all_but_one(len(human)))


def on_groups(
    distance: Distance, human: Floats, model: Floats, human_sizes: Floats, model_sizes: Floats
) -> Distance:
    """Returns the distance of two groups of blocks, `(R, 2S)` weights each, as `(R,)`; nan without
    size.
    """
    return partial(_distances, distance, *stacked(human, model, human_sizes, model_sizes))


def _distances(
    distance: Distance, sums: Floats, sizes: Floats, first: Floats, second: Floats
) -> Floats:
    """Returns `distance` of the rates of two groups of blocks, `(R, 2S)` weights each: `(R,)`.

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
