"""Weights of own samples for a round: the matched choice of one a prompt, or a tilt at a KL budget.

Source   exponential tilting: the distribution of the largest mean reward within a KL divergence of
         the samples, Donsker and Varadhan (1975)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dftspark.choose.exchange import choose
from dftspark.errors import ConfigError, InputError

Floats = NDArray[np.float64]

_SWEEPS = 8
_HALVINGS = 200


def check_unlike(texts: Sequence[str], starts: NDArray[np.int64]) -> None:
    """Raises InputError if the samples `starts[p]:starts[p + 1]` of every prompt are one text."""
    if all(len(set(texts[first:last])) == 1 for first, last in pairwise(starts.tolist())):
        raise InputError(
            "all samples of each prompt are the same text, so none can weigh more than another; "
            "raise tune.sampler.temperature, and give every prompt several samples"
        )


def chosen(features: NDArray[np.float32], starts: NDArray[np.int64]) -> Floats:
    """Returns 1 for the samples whose mean is the nearest to 0 with one of each prompt, else 0.

    `features` `(N, D)` have the human mean subtracted; prompts are `starts[p]:starts[p + 1]`.
    """
    weights = np.zeros(len(features))
    weights[choose(features, starts, _SWEEPS).rows] = 1.0
    return weights


def tilted(rewards: Floats, starts: NDArray[np.int64], budget: float) -> Floats:
    """Returns weights `(N,)` in proportion to exp(eta * reward) within each prompt, with mean 1.

    eta is where the mean over prompts of KL(weights, equal weights) is `budget`, in nats a text.
    Raises InputError if the samples of every prompt have one reward, ConfigError for a budget that
    no eta reaches.
    """
    counts = np.diff(starts)
    prompts = np.repeat(np.arange(len(counts)), counts)
    most = np.maximum.reduceat(rewards, starts[:-1])[prompts]
    below = rewards - most
    spread = -below.min()
    if not spread > 0:
        raise InputError(
            "the samples of each prompt have equal rewards, so all weights would be equal; are "
            "they the same text, or is the target without features that tell them apart?"
        )
    ties = np.add.reduceat((below == 0).astype(float), starts[:-1])
    reachable = float(np.log(counts / ties).mean())
    if budget >= reachable:
        raise ConfigError(
            f"tune.kl = {budget:g} is more than a choice of one sample a prompt can be apart from "
            f"the samples, which is {reachable:.3f} nats a text; lower it, or raise tune.samples"
        )
    # With exp(eta x) between 0 and 1, eta is found by its logarithm: the divergence grows with it.
    low, high = np.log(1e-12 / spread), np.log(1e12 / spread)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        _, apart = _weights(np.exp(middle) * below, starts, counts, prompts)
        low, high = (middle, high) if apart < budget else (low, middle)
    return _weights(np.exp(low) * below, starts, counts, prompts)[0]


def _weights(
    exponents: Floats,
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    prompts: NDArray[np.int64],
) -> tuple[Floats, float]:
    raw = np.exp(exponents)
    shares = raw / np.add.reduceat(raw, starts[:-1])[prompts]
    relative = shares * counts[prompts]
    logs = np.log(np.maximum(relative, 1e-300))
    apart = np.add.reduceat(shares * logs, starts[:-1]).mean()
    return relative, float(apart)
