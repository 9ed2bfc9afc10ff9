"""Targets made from texts in memory, as a profile of them would give."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dftspark.choose.features import Features
from dftspark.config import Cleaning, Tokens
from dftspark.text.tokens import Words
from dftspark.tuning import fingerprints
from dftspark.tuning.target import Target

WORDS = ("red", "green", "blue", "grey", "slow", "fast", ",", "don't", "não", "42")


def texts(rng: np.random.Generator, count: int, shares: np.ndarray | None = None) -> list[str]:
    return [" ".join(rng.choice(WORDS, rng.integers(1, 30), p=shares)) for _ in range(count)]


def target(human: list[str], model: list[str], orders: tuple[int, ...] = (1, 2, 3)) -> Target:
    """All columns of the features have the factor 1."""
    features = Features(tokens=Tokens(), orders=orders, matched=orders, buckets=256)
    means = [features.of(pa.array(side), None).mean(axis=0, dtype=float) for side in (human, model)]
    lengths = np.diff(Words().tokenize(pa.array(human)).offsets)
    return Target(
        features=features,
        cleaning=Cleaning(),
        embedding=None,
        source={"run": "made", "human": "human", "model": "model", "documents": [1, 1]},
        fingerprints=fingerprints.of(features, Cleaning(), "target(0-47)", ""),
        lengths={n: float(np.maximum(lengths - n + 1, 0).mean()) for n in orders},
        human=means[0],
        model=means[1],
        factor=np.ones(features.width),
    )
