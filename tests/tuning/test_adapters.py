"""Each trainer's way to a reward: TRL itself, the others by the path on which they load one.

Where a package is not installed, a stand-in with the classes that its documentation names takes
its place, so that the adapter is run; only with the package does this test the package.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pytest

from dftspark.tuning import calls
from dftspark.tuning.adapters import openrlhf, skyrl, verifiers, verl
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.snippets import snippet
from dftspark.tuning.target import Target
from tests.extras import needs
from tests.generation import tiny
from tests.tuning import made

TEXT = "w1 w2 w3 w1"


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = tmp_path / "target.arrow"
    made.target(["w1 w2 w3 w1 w2", "w3 w1"], ["w9 w9 w8", "w40 w7 w9"]).save(path)
    return str(path)


@pytest.fixture
def wanted(target: str) -> float:
    return float(WitnessReward(Target.load(target)).score([TEXT])[0])


def module_of(source: str, path: Path) -> ModuleType:
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("reward_func", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_openrlhf_loads_the_snippet_and_calls_it_with_lists_of_one(
    target: str, wanted: float, tmp_path: Path
) -> None:
    module = module_of(snippet("openrlhf", target), tmp_path / "reward.py")
    query = f"<|im_start|>user\nWrite.<|im_end|>\n{TEXT}<|im_end|><|endoftext|>"
    prompt = "user\nWrite.<|im_end|>\n"
    said = asyncio.run(asyncio.to_thread(module.reward_func, [query], [prompt], ["label"]))
    assert said == {"rewards": wanted, "scores": wanted, "extra_logs": {"witness": wanted}}
    with pytest.raises(ValueError, match="does not contain its prompt"):
        openrlhf.reward_func(target, end="<e>")(["other"], ["prompt"], [None])
    assert calls.total(f"{target}.calls") == (1, 1)


def test_verl_calls_what_its_configuration_names(target: str, wanted: float) -> None:
    lines = snippet("verl", target)
    (path,) = re.findall(r"path: pkg://(\S+)", lines)
    (name,) = re.findall(r"name: (\S+)", lines)
    raw = getattr(importlib.import_module(path), name)
    assert raw is verl.compute_score
    said = raw(
        data_source="stories",
        solution_str=TEXT,
        ground_truth="",
        extra_info={"index": 0},
        target=target,
        reward_router_address=None,
    )
    assert said == {"score": wanted}


@pytest.fixture
def skyrl_gym(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("skyrl_gym") is not None:
        return
    base = ModuleType("skyrl_gym.envs.base_text_env")
    base.BaseTextEnv = type("BaseTextEnv", (), {})  # type: ignore[attr-defined]
    base.BaseTextEnvStepOutput = dict  # type: ignore[attr-defined]
    for name in ("skyrl_gym", "skyrl_gym.envs"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "skyrl_gym.envs.base_text_env", base)


@pytest.mark.usefixtures("skyrl_gym")
def test_skyrl_makes_an_environment_that_ends_with_the_reward(target: str, wanted: float) -> None:
    (module, name) = re.findall(r'entry_point="([^:]+):(\w+)"', snippet("skyrl", target))[0]
    make = getattr(importlib.import_module(module), name)
    assert make is skyrl.environment
    environment = make(env_config={}, extras={"reward_spec": {}}, target=target)
    said = environment.step(TEXT)
    assert (said["reward"], said["done"], said["observations"]) == (wanted, True, [])


@needs("skyrl_gym", "skyrl-gym is not installed")
def test_skyrl_itself_makes_it_by_its_id(target: str, wanted: float) -> None:
    import skyrl_gym

    skyrl_gym.register(
        id="witness",
        entry_point="dftspark.tuning.adapters.skyrl:environment",
        kwargs={"target": target},
    )
    environment = skyrl_gym.make("witness", env_config={}, extras={})
    assert environment.step(TEXT)["reward"] == wanted


def marked(weight: float = 1.0) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function.reward, function._vf_weight = True, weight
        return function

    return mark


@pytest.fixture
def verifiers_package(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("verifiers") is not None:
        return
    data = TypeVar("data")

    class Task(Generic[data]):
        def __init__(self, data: Any) -> None:
            self.data = data

    v1 = ModuleType("verifiers.v1")
    contents = {"Task": Task, "TaskData": dict, "Trace": object, "reward": marked}
    vars(v1).update(contents)
    package = ModuleType("verifiers")
    package.v1 = v1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verifiers", package)
    monkeypatch.setitem(sys.modules, "verifiers.v1", v1)


@pytest.mark.usefixtures("verifiers_package")
def test_verifiers_scores_the_last_reply_of_a_trace(target: str, wanted: float) -> None:
    import verifiers.v1 as vf

    class Trace:
        last_reply = TEXT

    task = verifiers.task_class(target)(vf.TaskData(prompt="Write."))
    assert task.witness.reward
    assert task.witness._vf_weight == 1.0
    assert asyncio.run(task.witness(Trace())) == wanted


@needs("trl", "trl is not installed: pip install trl")
@pytest.mark.embedder
@pytest.mark.parametrize("bank", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_trl_trains_two_steps_on_it(target: str, tmp_path: Path, bank: bool) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer

    from dftspark.tuning.adapters.trl import reward_and_callback

    folder = tiny.model(tmp_path / "model")
    reward, callback = reward_and_callback(target, bank=bank)
    trl: Any = importlib.import_module("trl")
    args = trl.GRPOConfig(
        str(tmp_path / "out"),
        num_generations=2,
        per_device_train_batch_size=4,
        max_completion_length=8,
        max_steps=2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=1,
        per_device_eval_batch_size=2,
        scale_rewards="none",
        loss_type="dr_grpo",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    prompts = Dataset.from_dict({"prompt": ["w4 w5", "w6", "w7 w4", "w5"], "topic": list("abcd")})
    trainer = trl.GRPOTrainer(
        str(folder),
        reward_funcs=reward,
        callbacks=[callback],
        args=args,
        train_dataset=prompts,
        eval_dataset=prompts.select(range(1)),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.train()
    logs = [row for row in trainer.state.log_history if "rewards/witness/mean" in row]
    assert trainer.state.global_step == 2
    assert len(logs) == 2
    texts, rewards = calls.total(f"{target}.calls")
    assert texts == rewards == 2 * 4 + 2 * 2  # two steps, two evaluations
    gaps = [row["trained_gap"] for row in logs if "trained_gap" in row]
    assert len(gaps) == (2 if bank else 0)
    assert len(set(gaps)) == len(gaps)  # the average moved after the first step
