"""One number of a comparison, with what is known about its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

from dftspark.inference.halves import Parts
from dftspark.inference.intervals import Inference


@dataclass(frozen=True)
class Metric:
    """`name` as in the metrics table; `value` and the inference are in `unit`.

    `parts` is the same measure on parts of the blocks, where a sweep asks for it and it is a
    function of sums by block.
    """

    name: str
    value: float
    unit: str
    inference: Inference
    parts: Parts | None = None
