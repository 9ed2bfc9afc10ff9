"""The Frechet distance of a pair, plug-in and without what finite corpora add to it.

The plug-in distance of two samples of one source is about c (1/n + 1/m), which can be as large as
the distance to a model (docs/limits.md). Halves of the blocks have twice that bias and the same
distance, so twice the whole less the halves is free of it. Both sides are cut by cluster, so that
holds for shared prompts and for copies too.

Cost     25 evaluations of the distance a pair, .1 s each for d = 384
Source   Chong and Forsyth (2020) for the extrapolation in 1/n, here at two sizes
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dftspark.inference import blocks as groups
from dftspark.inference.intervals import Inferred, jackknife, no_inference
from dftspark.lenses.embeddings.distance_frechet import frechet, root
from dftspark.lenses.embeddings.statistic_moments import MomentSums, moments
from dftspark.lenses.metric import Metric

Floats = NDArray[np.float64]

_HALVINGS = 4


def frechet_metrics(
    human: MomentSums,
    model: MomentSums,
    clusters: int,
    *,
    confidence: float,
    seed: int,
) -> list[Metric]:
    """Computes `frechet` and `frechet_corrected`, in squared units of the vectors; lower is nearer.

    `clusters` is the number on the side with fewer. The corrected value may be below 0; its
    interval has the plug-in's jackknife error, and the plug-in's interval lies about the plug-in,
    bias included. There is no test and no floor. nan where a side is empty.
    """
    whole = _distance(human, model)
    count = min(groups.adapt(clusters), len(human.documents))
    plain, corrected, value = no_inference(0), no_inference(0), float("nan")
    if count >= groups.FEWEST and np.isfinite(whole):
        human, model = _coarse(human, count), _coarse(model, count)
        halvings = np.random.default_rng(seed)
        keep = 1 - np.eye(count)
        left_out = np.array([_distance(human, model, own, own) for own in keep])
        value = 2 * whole - _halved(human, model, np.ones(count), np.ones(count), halvings)
        error, low, high = jackknife(left_out, value, confidence)
        shift = whole - value
        corrected = Inferred(std_error=error, ci_low=low, ci_high=high, blocks=count)
        plain = replace(corrected, ci_low=low + shift, ci_high=high + shift)
    return [
        Metric("frechet", whole, "unit^2", plain),
        Metric("frechet_corrected", value, "unit^2", corrected),
    ]


def _halved(
    human: MomentSums,
    model: MomentSums,
    own: Floats,
    other: Floats,
    rng: np.random.Generator,
    times: int = _HALVINGS,
) -> float:
    """Returns the mean distance of halves of the groups of blocks `own` and `other`."""
    values = []
    for _ in range(times):
        alike = (own == other).all()
        first = _half(own, rng)
        second = first if alike else _half(other, rng)
        values.append(_distance(human, model, first, second))
        values.append(_distance(human, model, own - first, other - second))
    return float(np.mean(values))


def _half(group: Floats, rng: np.random.Generator) -> Floats:
    members = np.flatnonzero(group)
    half = np.zeros(len(group))
    half[rng.permutation(members)[: len(members) // 2]] = 1
    return half


def _distance(
    human: MomentSums, model: MomentSums, own: Floats | None = None, other: Floats | None = None
) -> float:
    mean, covariance = moments(human, own)
    other_mean, other_covariance = moments(model, other)
    if np.isnan(mean).any() or np.isnan(other_mean).any():
        return float("nan")
    return frechet(mean, root(covariance), other_mean, root(other_covariance))


def _coarse(state: MomentSums, count: int) -> MomentSums:
    def merged(array: NDArray[np.int64]) -> NDArray[np.int64]:
        parts = array.reshape(len(array) // count, count, *array.shape[1:])
        return np.asarray(parts.sum(axis=0))

    return MomentSums(merged(state.documents), merged(state.total), merged(state.products))
