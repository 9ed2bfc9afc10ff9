"""The trainer: what it minimizes, what it depends on, what it refuses, and how it resumes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dftspark.config.tune import Training
from dftspark.errors import ConfigError, EnvironmentProblem, InputError, LossNotFinite
from dftspark.tuning import checkpoint, schedule
from dftspark.tuning.encoding import EncodedText, TrainingText, tokenizer
from dftspark.tuning.lora import loaded, merge, with_new_adapter
from dftspark.tuning.losses import summed_losses
from dftspark.tuning.trainer import TrainedAdapter, token_losses, train
from tests import extras
from tests.generation import tiny

pytestmark = [pytest.mark.embedder, extras.tune]

SETTINGS = Training(
    rank=4,
    targets=("q_proj", "v_proj"),
    learning_rate=0.01,
    batch=4,
    human_batch=3,
    tokens_at_once=64,
    checkpoint_steps=2,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("tiny"))


def texts(seed: int, count: int, weights: Sequence[float] | None = None) -> list[TrainingText]:
    rng = np.random.default_rng(seed)

    def words(least: int, most: int) -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, 45, rng.integers(least, most)))

    return [
        TrainingText(words(1, 4), words(2, 9), 1.0 if weights is None else weights[i], bool(i % 3))
        for i in range(count)
    ]


SAMPLES, HUMAN = texts(1, 18), texts(2, 11)


def weights_of(adapter: TrainedAdapter) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(str(adapter.folder / "adapter_model.safetensors")))


def alike(one: TrainedAdapter, two: TrainedAdapter, within: float = 0.0) -> bool:
    a, b = weights_of(one), weights_of(two)
    return a.keys() == b.keys() and all(np.abs(a[n] - b[n]).max() <= within for n in a)


def trained(model: Path, folder: Path, samples: Any = SAMPLES, **more: Any) -> TrainedAdapter:
    settings = more.pop("settings", SETTINGS)
    return train(model, samples, HUMAN, settings, folder, chat=False, **more)


def plain_losses(model: Path, every: Sequence[TrainingText]) -> list[tuple[float, int]]:
    """One text at a time, by transformers and nothing else."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    net: Any = AutoModelForCausalLM.from_pretrained(model)
    tokens = AutoTokenizer.from_pretrained(model)
    out = []
    for one in every:
        before = tokens(one.prompt)["input_ids"]
        ids = before + tokens(one.text)["input_ids"] + [1] * one.ended
        with torch.no_grad():
            chances = net(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
        places = range(len(before), len(ids))
        out.append((-sum(float(chances[t - 1, ids[t]]) for t in places), len(places)))
    return out


def test_the_first_step_minimizes_the_weighted_cross_entropy(model: Path, tmp_path: Path) -> None:
    """Its losses, and what it minimizes, against transformers, one text at a time."""
    weights = [0.5, 2.0, 0.0, 1.0]
    samples, human = texts(3, 4, weights), texts(4, 3)
    one_step = SETTINGS.model_copy(update={"human_batch": 3, "clip": 1e9, "anchor": 0.7})
    made = train(model, samples, human, one_step, tmp_path, chat=False)
    kept = [one for one in samples if one.weight]
    own, others = plain_losses(model, kept), plain_losses(model, human)
    assert made.history[0][:4] == pytest.approx(
        [sum(x) for x in (*zip(*own, strict=True), *zip(*others, strict=True))], rel=1e-5
    )
    mean = np.mean([one.weight for one in kept])
    by_hand = sum(one.weight / mean * loss for one, (loss, _) in zip(kept, own, strict=True))
    wanted = by_hand / sum(n for _, n in own) + 0.7 * sum(x for x, _ in others) / sum(
        n for _, n in others
    )

    def objective(scale: float) -> float:
        a, b = (
            token_losses(model, side, one_step, chat=False, adapter=(made.folder, scale))
            for side in (kept, human)
        )
        first = np.array([one.weight for one in kept]) / mean @ a[:, 0]
        return float(first / a[:, 1].sum() + 0.7 * b[:, 0].sum() / b[:, 1].sum())

    assert objective(0.0) == pytest.approx(wanted, rel=1e-5)
    assert objective(1.0) < objective(0.0)


def test_equal_weights_train_as_none(model: Path, tmp_path: Path) -> None:
    plain = trained(model, tmp_path / "plain")
    heavy = trained(model, tmp_path / "heavy", [replace(one, weight=3.0) for one in SAMPLES])
    uneven = [replace(one, weight=1.0 + i % 2) for i, one in enumerate(SAMPLES)]
    assert alike(plain, heavy)
    assert not alike(plain, trained(model, tmp_path / "uneven", uneven), 1e-4)


def test_passes_of_another_size_change_rounding_alone(model: Path, tmp_path: Path) -> None:
    small = SETTINGS.model_copy(update={"tokens_at_once": 1})
    one = trained(model, tmp_path / "one")
    assert alike(one, trained(model, tmp_path / "two", settings=small), 1e-4)


class Killed(Exception):
    pass


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_resumed_training_is_an_uninterrupted_one(model: Path, tmp_path: Path, last: int) -> None:
    def stop(done: int, steps: int) -> None:
        assert steps == 5
        if done == last:
            raise Killed

    whole = trained(model, tmp_path / "whole")
    with pytest.raises(Killed):
        trained(model, tmp_path / "cut", stepped=stop)
    resumed = trained(model, tmp_path / "cut")
    assert resumed.resumed == last // 2 * 2
    assert alike(resumed, whole)
    assert resumed.history == whole.history
    again = trained(model, tmp_path / "cut", stepped=stop)  # it does no step
    assert (again.resumed, again.history) == (5, whole.history)
    assert not (tmp_path / "cut" / checkpoint.FILE).exists()


def test_a_checkpoint_of_another_training_is_not_gone_on_with(model: Path, tmp_path: Path) -> None:
    def stop(done: int, steps: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        trained(model, tmp_path, stepped=stop)
    other = SETTINGS.model_copy(update={"seed": 1})
    assert trained(model, tmp_path, settings=other).resumed == 0
    assert trained(model, tmp_path).resumed == 0  # its outcome is that of seed 1


def without_its_last_tensor(file: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(str(file), framework="pt") as held:
        names = sorted(held.keys())
        kept, head = {name: held.get_tensor(name) for name in names[:-1]}, held.metadata()
    save_file(kept, str(file), metadata=head)


@pytest.mark.parametrize("damage", ["cut", "a tensor"])
def test_a_damaged_checkpoint_is_not_gone_on_with(model: Path, tmp_path: Path, damage: str) -> None:
    def stop(done: int, steps: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        trained(model, tmp_path / "cut", stepped=stop)
    file = tmp_path / "cut" / checkpoint.FILE
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        without_its_last_tensor(file)
    resumed = trained(model, tmp_path / "cut")
    assert resumed.resumed == 0
    assert alike(resumed, trained(model, tmp_path / "whole"))


@pytest.mark.parametrize("scale", [0.0, 0.25, 1.0, 1.25])
def test_merged_at_a_scale_is_the_adapter_at_that_scale(
    model: Path, tmp_path: Path, scale: float
) -> None:
    made = trained(model, tmp_path / "lora")
    merged = merge(model, made.folder, scale, tmp_path / "merged")
    alone = token_losses(merged, HUMAN, SETTINGS, chat=False)
    with_it = token_losses(model, HUMAN, SETTINGS, chat=False, adapter=(made.folder, scale))
    assert np.abs(alone - with_it).max() < 1e-4
    before = token_losses(model, HUMAN, SETTINGS, chat=False)
    assert (np.abs(alone - before).max() > 1e-2) == (scale > 0)
    assert (merged / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    assert not list(merged.glob("*.bin"))


def test_losses_of_texts_are_those_of_transformers(model: Path) -> None:
    found = token_losses(model, SAMPLES, SETTINGS, chat=False)
    assert found == pytest.approx(np.array(plain_losses(model, SAMPLES)), rel=1e-5)


def test_a_control_sees_as_many_tokens_at_every_step(model: Path, tmp_path: Path) -> None:
    tuned = trained(model, tmp_path / "tuned")
    control = trained(model, tmp_path / "control", control=tuned.budgets)
    assert control.budgets == tuned.budgets
    assert [row[:2] for row in control.history] == [(0.0, 0.0)] * 5
    assert [row[3] for row in control.history] == list(tuned.budgets)
    assert not alike(tuned, control, 1e-4)


def test_top_layers_alone_are_trained_and_gone_back_through(model: Path, tmp_path: Path) -> None:
    top = SETTINGS.model_copy(update={"layers": 1})
    names = weights_of(trained(model, tmp_path, settings=top))
    assert names
    assert all(".layers.1." in name for name in names)
    net = with_new_adapter(loaded(model, "float32", "cpu"), top)
    graph = {}
    for number, layer in enumerate(net.get_base_model().model.layers):
        layer.register_forward_hook(
            lambda _, __, out, at=number: graph.update({at: out.requires_grad})
        )
    passed = [(0, 1)]
    summed_losses(net, passed, [EncodedText((3, 4, 5), 1)], "cpu", "float32")
    assert graph == {0: False, 1: True}
    with pytest.raises(ConfigError, match=r"training.layers = 3, and the model has 2"):
        trained(model, tmp_path, settings=SETTINGS.model_copy(update={"layers": 3}))


def test_bfloat16_trains_too(model: Path, tmp_path: Path) -> None:
    half = SETTINGS.model_copy(update={"dtype": "bfloat16", "epochs": 8})
    made = trained(model, tmp_path, settings=half)
    first, last = made.history[0], made.history[-5]
    assert last[0] / last[1] < first[0] / first[1]


def test_unknown_layers_are_named_with_those_that_are_there(model: Path, tmp_path: Path) -> None:
    other = SETTINGS.model_copy(update={"targets": ("q_proj", "c_attn")})
    with pytest.raises(ConfigError, match=r"no layers \['c_attn'\]; it has down_proj, gate_proj"):
        trained(model, tmp_path, settings=other)


def test_a_training_that_runs_away_says_where(model: Path, tmp_path: Path) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 1.0, "alpha": 10**30, "epochs": 20})
    with pytest.raises(LossNotFinite, match=r"ran away at step .* Lower training.learning_rate"):
        trained(model, tmp_path, settings=wild)


def test_there_must_be_something_to_train_on(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text to train on"):
        train(model, [], [], SETTINGS, tmp_path, chat=False)
    long = [TrainingText(" ".join(["w1"] * 70), "w2")]
    with pytest.raises(InputError, match="has 70 tokens, and with its text there are 72 of at"):
        train(model, long, [], SETTINGS, tmp_path, chat=False)


def edited(model: Path, folder: Path, file: str, **changes: Any) -> Path:
    shutil.copytree(model, folder)
    said = json.loads((folder / file).read_text())
    kept = {name: value for name, value in {**said, **changes}.items() if value is not None}
    (folder / file).write_text(json.dumps(kept))
    return folder


def test_a_tokenizer_without_an_end_is_refused(model: Path, tmp_path: Path) -> None:
    without = edited(model, tmp_path / "m", "tokenizer_config.json", eos_token=None)
    (without / "generation_config.json").unlink()
    with pytest.raises(ConfigError, match="has no eos_token"):
        tokenizer(without, chat=False)


def test_a_tokenizer_without_padding_trains_alike(model: Path, tmp_path: Path) -> None:
    without = edited(model, tmp_path / "m", "tokenizer_config.json", pad_token=None)
    assert tokenizer(without, chat=False).pad_token is None
    assert alike(trained(without, tmp_path / "without"), trained(model, tmp_path / "with"))


def test_a_missing_chat_template_is_told(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"no chat template; set tune.chat = false"):
        tokenizer(model, chat=True)


def test_pickled_weights_and_code_are_refused(model: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(model, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"tune.model: .* has no \*.safetensors"):
        trained(pickled, tmp_path / "out")
    coded = edited(model, tmp_path / "coded", "config.json", auto_map={"x": "y.Z"})
    with pytest.raises(ConfigError, match="brings code of its own"):
        trained(coded, tmp_path / "out")


def test_space_is_asked_for_before(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    checkpoint.check_space(tmp_path / "new", free // 2, "models")
    with pytest.raises(EnvironmentProblem, match=r"models need .* GB left; make room"):
        checkpoint.check_space(tmp_path / "new", 2 * free, "models")


def test_steps_go_through_every_text_once_an_epoch() -> None:
    lengths, human = list(range(5, 18)), [7, 9, 4]
    steps = schedule.mixed(lengths, human, batch=4, human_batch=2, epochs=3, seed=1)
    assert [len(step) for step in steps] == [6, 6, 6, 3] * 3
    for epoch in range(3):
        seen = [item for step in steps[4 * epoch : 4 * epoch + 4] for item in step]
        assert sorted(place for place, _ in seen if place < 13) == list(range(13))
        assert all(count == [*lengths, *human][place] for place, count in seen)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_processes_share_a_step(world: int) -> None:
    step = [(place, place % 5 + 1) for place in range(11)]
    parts = [schedule.dealt(step, rank, world) for rank in range(world)]
    assert sorted(item for part in parts for item in part) == sorted(step)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_control_fills_its_budgets_exactly() -> None:
    steps = schedule.control([3, 5, 8], [4, 20, 1], seed=2)
    assert [schedule.tokens(step) for step in steps] == [4, 20, 1]


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [schedule.rate(step, 20, 1.0, 0.2) for step in range(20)]
    assert rates.index(max(rates)) == 4
    assert max(rates) == 1.0
    assert rates[0] == pytest.approx(0.2)
    assert rates[-1] == pytest.approx(1 / 16)
    assert not math.isclose(rates[-1], rates[-2])
