"""SkyRL: one response ends an episode of a text environment.

Register it with the entry point `dftspark.tuning.adapters.skyrl:environment`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from dftspark.tuning.adapters import opened


def environment(
    env_config: Any = None, extras: Any = None, *, target: str, embedder: str | None = None
) -> Any:
    """Returns an environment whose single step has the reward of the response."""
    return _environment()(target, embedder)


@cache
def _environment() -> Any:
    from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

    class WitnessEnvironment(BaseTextEnv):  # type: ignore[misc,unused-ignore]
        def __init__(self, target: str, embedder: str | None) -> None:
            super().__init__()
            self.reward = opened(target, embedder)

        def step(self, action: str) -> Any:
            score = float(self.reward.score([action])[0])
            return BaseTextEnvStepOutput(observations=[], reward=score, done=True, metadata={})

    return WitnessEnvironment
