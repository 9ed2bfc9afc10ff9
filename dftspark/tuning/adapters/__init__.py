"""The reward in the form that each trainer calls; a trainer is imported only where it runs."""

from __future__ import annotations

from functools import cache

from dftspark.tuning.reward import WitnessReward


@cache
def opened(target: str, embedder: str | None = None) -> WitnessReward:
    """Returns the frozen reward of a target's file, opened once in a process."""
    return WitnessReward.open(target, embedder=embedder)
