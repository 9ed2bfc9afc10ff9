"""The Frechet distance of a pair, plug-in and without what finite corpora add to it.

The plug-in distance of two samples of one source is about c (1/n + 1/m), which can be as large as
the distance to a model (docs/limits.md). Halves of the blocks have twice that bias and the same
distance, so twice the whole less the halves is free of it. Both sides are cut by cluster, so that
holds for shared prompts and for copies too.

Cost     25 evaluations of the distance a pair
Source   Chong and Forsyth (2020) for the extrapolation in 1/n, here at two sizes
"""

from __future__ import annotations

from collections.abc import Iterable
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


class MomentSide:
    """A corpus by the mean `(d,)` and the covariance `(d, d)` of groups of its blocks."""

    def __init__(self, state: MomentSums) -> None:
        self._state = state
        self._coarse: dict[int, MomentSums] = {}

    @property
    def blocks(self) -> int:
        return len(self._state.documents)

    def whole(self) -> tuple[Floats, Floats]:
        """Returns mean and covariance of all documents, nan of fewer than two."""
        return moments(self._state)

    def part(self, chosen: Floats) -> tuple[Floats, Floats]:
        """Returns those of the groups with weight 1 in `(count,)`; the others have 0."""
        count = len(chosen)
        if count not in self._coarse:
            self._coarse[count] = _coarse(self._state, count)
        return moments(self._coarse[count], chosen)


class RootSide(MomentSide):
    """The same with the root of each covariance in its place.

    What was asked for is kept, since a human side is compared with one model after another.
    """

    def __init__(self, state: MomentSums) -> None:
        super().__init__(state)
        self._made: dict[bytes, tuple[Floats, Floats]] = {}

    def whole(self) -> tuple[Floats, Floats]:
        if b"" not in self._made:
            self._made[b""] = _rooted(*super().whole())
        return self._made[b""]

    def part(self, chosen: Floats) -> tuple[Floats, Floats]:
        key = chosen.tobytes()
        if key not in self._made:
            self._made[key] = _rooted(*super().part(chosen))
        return self._made[key]


def frechet_metrics(
    human: RootSide,
    model: MomentSide,
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
    whole = _distance(human.whole(), model.whole())
    count = min(groups.adapt(clusters), human.blocks)
    plain, corrected, value = no_inference(0), no_inference(0), float("nan")
    if count >= groups.FEWEST and np.isfinite(whole):

        def each(parts: Iterable[Floats]) -> Floats:
            return np.array([_distance(human.part(part), model.part(part)) for part in parts])

        left_out = each(1 - np.eye(count))
        value = 2 * whole - float(np.mean(each(_halves(count, np.random.default_rng(seed)))))
        error, low, high = jackknife(left_out, value, confidence)
        shift = whole - value
        corrected = Inferred(std_error=error, ci_low=low, ci_high=high, blocks=count)
        plain = replace(corrected, ci_low=low + shift, ci_high=high + shift)
    return [
        Metric("frechet", whole, "unit^2", plain),
        Metric("frechet_corrected", value, "unit^2", corrected),
    ]


def _halves(count: int, rng: np.random.Generator) -> list[Floats]:
    """Returns the groups of blocks cut in two, several times over, as weights `(count,)`."""
    halves = []
    for _ in range(_HALVINGS):
        half = np.zeros(count)
        half[rng.permutation(count)[: count // 2]] = 1
        halves += [half, 1 - half]
    return halves


def _rooted(mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    return mean, covariance if np.isnan(mean).any() else root(covariance)


def _distance(human: tuple[Floats, Floats], model: tuple[Floats, Floats]) -> float:
    return frechet(*human, *model)


def _coarse(state: MomentSums, count: int) -> MomentSums:
    def merged(array: NDArray[np.int64]) -> NDArray[np.int64]:
        parts = array.reshape(len(array) // count, count, *array.shape[1:])
        return np.asarray(parts.sum(axis=0))

    return MomentSums(merged(state.documents), merged(state.total), merged(state.products))
