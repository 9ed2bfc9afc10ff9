"""One number of a comparison, with what is known about its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

from dftspark.inference.intervals import Inference


@dataclass(frozen=True)
class Metric:
    """`name` as in the metrics table; `value` and the inference are in `unit`."""

    name: str
    value: float
    unit: str
    inference: Inference
