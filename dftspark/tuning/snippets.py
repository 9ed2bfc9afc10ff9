"""Ten lines for each trainer, with which it takes its reward from a target's file."""

from __future__ import annotations

from dftspark.errors import ConfigError

_TRL = """\
# train.py
from trl import GRPOConfig, GRPOTrainer
from dftspark.tuning.adapters.trl import reward_and_callback

reward, callback = reward_and_callback({target!r})  # bank=False: the frozen witness
# The defaults of scale_rewards and loss_type would train for another objective.
args = GRPOConfig("out", num_generations=4, scale_rewards="none", loss_type="dr_grpo")
trainer = GRPOTrainer(MODEL, reward_funcs=reward, callbacks=[callback], args=args,
                      train_dataset=PROMPTS)  # a data set with the column "prompt"
trainer.train()
"""
_VERL = """\
# in the configuration of verl
reward:
  custom_reward_function:
    path: pkg://dftspark.tuning.adapters.verl
    name: compute_score
    reward_kwargs:
      target: {target}
algorithm:
  adv_estimator: grpo
  norm_adv_by_std_in_grpo: false  # dividing by it would train for another objective
"""
_OPENRLHF = """\
# reward.py; train with --reward.remote_url reward.py
from dftspark.tuning.adapters import openrlhf

# `end` is the token that ends a response of your model.
reward_func = openrlhf.reward_func({target!r}, end="<|im_end|>")

# Errors are logged and swallowed there: after training, compare the counts in
#   {target}.calls
# with `dftspark gate RUN --target {target} --calls {target}.calls ...`
"""
_SKYRL = """\
# Before training, in every process; rows of the data set have env_class = "witness".
from skyrl_gym.envs import register

register(
    id="witness",
    entry_point="dftspark.tuning.adapters.skyrl:environment",
    kwargs={{"target": {target!r}}},
)
# Set trainer.algorithm.grpo_norm_by_std=false: dividing by it trains for something else.
"""
_VERIFIERS = """\
# in the module of your taskset
import verifiers.v1 as vf
from dftspark.tuning.adapters.verifiers import task_class

WitnessTask = task_class({target!r})


class Prompts(vf.Taskset[WitnessTask, vf.TasksetConfig]):
    def load(self) -> list[WitnessTask]:
        return [WitnessTask(vf.TaskData(prompt=prompt)) for prompt in PROMPTS]
"""
SNIPPETS = {
    "trl": _TRL,
    "verl": _VERL,
    "openrlhf": _OPENRLHF,
    "skyrl": _SKYRL,
    "verifiers": _VERIFIERS,
}


def snippet(trainer: str, target: str) -> str:
    """Returns the lines for one of SNIPPETS. Raises ConfigError for another trainer."""
    if trainer not in SNIPPETS:
        raise ConfigError(f"--for is one of {', '.join(SNIPPETS)}, got {trainer!r}")
    return SNIPPETS[trainer].format(target=target)
