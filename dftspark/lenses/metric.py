"""One number of a comparison, with its uncertainty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dftspark import config
from dftspark.inference.halves import Parts
from dftspark.inference.intervals import Design, Inferred, signed_root


@dataclass(frozen=True)
class Metric:
    """A number; `name` as in the metrics table; `value` and the inference are in `unit`.

    `parts` is the same measure on parts of the blocks, where a sweep asks for it and it is a
    function of sums by block.
    """

    name: str
    value: float
    unit: str
    inference: Inferred
    parts: Parts | None = None

    def rooted(self, name: str, unit: str) -> Metric:
        """Returns the signed root of a corrected square, its parts included."""
        parts = self.parts and Parts(
            *(np.sign(x) * np.sqrt(np.abs(x)) for x in (self.parts.left_out, self.parts.halves))
        )
        inference = self.inference.rooted(self.value)
        return Metric(name, signed_root(self.value), unit, inference, parts)

    def record(self) -> dict[str, Any]:
        """Returns the metric as an item of schema.MEASURED's list."""
        found = self.inference
        return {
            "metric": self.name,
            "value": self.value,
            "unit": self.unit,
            "std_error": found.std_error,
            "ci_low": found.ci_low,
            "ci_high": found.ci_high,
            "p_value": found.p_value,
            "floor": found.floor,
            "mde": found.mde,
            "n_tell": found.n_tell,
            "n_tell_low": found.n_tell_low,
            "n_tell_high": found.n_tell_high,
            "blocks": found.blocks,
            "left_out": self.parts and self.parts.left_out.tolist(),
            "halves": self.parts and self.parts.halves.ravel().tolist(),
        }


def measured(
    model: str, stratum: str, sizes: Sequence[int], metrics: Iterable[Metric]
) -> dict[str, Any]:
    """Makes a row of schema.MEASURED: metrics of a pair of `sizes` documents, human and model."""
    human, other = sizes
    return {
        "model": model,
        "stratum": stratum,
        "n_human": human,
        "n_model": other,
        "metrics": [metric.record() for metric in metrics],
    }


# 0 on average under one source at any two sizes, or the signed root of such a value.
_UNBIASED = re.compile(
    r"l2(_docs)?(_squared)?_corrected_\dgram|mmd(_squared)?(_(?!feature_error|fused)\w.*)?"
    r"|energy_distance|frechet_corrected|region_l2_squared|structure_omnibus|rate_\w+|c2st_\w+"
    r"|near_duplicates\w*|jmq_.*"
)
_ALIKE = 1.1


def comparable(metric: str, sizes: Iterable[int]) -> bool:
    """Returns whether values of a metric may be ranked over corpora of these numbers of documents.

    A plug-in distance is larger the fewer documents there are, so of unlike sizes the largest
    corpus would be called the nearest to human.
    """
    counts = list(sizes)
    return bool(_UNBIASED.fullmatch(metric)) or max(counts) <= _ALIKE * min(counts)


def design(settings: config.Inference, *, paired: bool) -> Design:
    """Returns the Design of a run's settings for a pair whose sides share prompts, or do not."""
    return Design(
        paired=paired,
        permutations=settings.permutations,
        splits=settings.splits,
        confidence=settings.confidence,
        seed=settings.seed,
    )
