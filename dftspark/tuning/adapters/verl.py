"""verl: one text at a time, as `reward.custom_reward_function` of its configuration.

verl loads this module by the path `pkg://dftspark.tuning.adapters.verl` and passes `reward_kwargs`.
"""

from __future__ import annotations

from typing import Any

from dftspark.tuning.adapters import opened


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    target: str,
    embedder: str | None = None,
    **_: Any,
) -> dict[str, float]:
    """Returns the reward of a response under "score", by the target's file `target`."""
    return {"score": float(opened(target, embedder).score([solution_str])[0])}
