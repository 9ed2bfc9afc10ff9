"""TRL: the whole batch of a rank at once, against a moving average or the frozen witness.

Rewards are asked for in evaluation too, without a flag, so a callback says when a step has ended.
On several ranks the average is over the texts of all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dftspark.tuning.reward import BankedReward, WitnessReward


def reward_and_callback(
    target: str | Path, *, bank: bool = True, embedder: str | Path | None = None
) -> tuple[Any, Any]:
    """Returns a reward function and a callback for GRPOTrainer or RLOOTrainer; pass both.

    With `bank` texts are scored against a moving average of earlier steps, else frozen."""
    from transformers import TrainerCallback

    reward = (BankedReward if bank else WitnessReward).open(target, embedder=embedder)

    def witness(completions: list[Any], **more: Any) -> list[float]:
        scores = reward.score([_text(completion) for completion in completions]).tolist()
        if isinstance(reward, BankedReward) and "log_metric" in more:
            more["log_metric"]("trained_gap", reward.gap)
        return list(scores)

    class EndOfStep(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if isinstance(reward, BankedReward):
                reward.commit(*_over_ranks(reward.pending, reward.count))

        def on_evaluate(self, *_: Any, **__: Any) -> None:
            if isinstance(reward, BankedReward):
                reward.drop()

    return witness, EndOfStep()


def _text(completion: Any) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _over_ranks(total: Any, count: int) -> tuple[Any, int]:
    from torch import distributed, from_numpy

    if not (distributed.is_available() and distributed.is_initialized()):
        return total, count
    both = from_numpy(np.append(total, float(count)))
    if distributed.get_backend() == "nccl":
        both = both.cuda()
    distributed.all_reduce(both)
    *summed, texts = both.tolist()
    return np.array(summed), round(texts)
