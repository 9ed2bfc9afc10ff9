"""The tuning benchmark from end to end, with a random model of two layers and a few prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _group_sums
from benchmarks._held_out import mmd, squared
from dftspark.tuning.gate import GateDecision
from tests import extras
from tests.generation import tiny

peft = extras.needs("peft", "the extra `tune` is not installed")
GROUPS = 8


def rows(rng: np.random.Generator, count: int, shift: float) -> tuple[Any, Any]:
    return (
        (rng.standard_normal((count, 6)) + shift).astype(np.float32),
        rng.integers(0, GROUPS, count),
    )


def test_sums_over_groups_give_the_squares_of_the_texts_in_them() -> None:
    rng = np.random.default_rng(0)
    human, model = rows(rng, 60, 0.0), rows(rng, 40, 0.4)
    kept = np.arange(GROUPS) % 3 > 0
    first, second = (side[kept[groups]] for side, groups in (human, model))
    linear = _group_sums.of_rows(human, model, GROUPS)
    assert linear.squared(kept) == pytest.approx(squared(first, second), rel=1e-9)
    gaussian = _group_sums.of_vectors(human, model, GROUPS, 2.0)
    # Squared lengths and products are in float32.
    assert gaussian.squared(kept) == pytest.approx(mmd(first, second, 2.0), abs=1e-6)
    whole = np.ones(GROUPS, bool)
    assert gaussian.squared(whole) == pytest.approx(mmd(human[0], model[0], 2.0), abs=1e-6)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from benchmarks import tune
    from benchmarks._language_model import Shape
    from benchmarks._tuning_data import Sizes, Work

    folder = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(0)
    words = [rng.integers(0, 45, 120) for _ in range(150)]
    texts = [(f"d{i}", " ".join(f"w{w}" for w in own)) for i, own in enumerate(words)]
    return tune.Lab(
        str(tiny.model(folder / "model")),
        Work(folder / "work"),
        texts=texts,
        sizes=Sizes(
            first=4, length=8, train=48, rounds=1, prompts=10, validation=16, searched=8, human=64
        ),
        pace=tune.Pace(phases=(1e-2,), look=2, most=6, batch=8, own=5, human=3),
        shape=Shape(layers=1, rank=2, first=4),
        device="cpu",
    )


@peft
@pytest.mark.embedder
def test_windows_are_of_other_documents_where_they_judge(lab: Any) -> None:
    data = lab.data
    assert data.train.shape == (48, 12)
    assert data.prompts.shape == (10, 12)
    # Random words never repeat a window, so no window is in two parts.
    parts = (data.train, data.prompts, data.validation, data.test)
    seen = [tuple(row) for part in parts for row in part.tolist()]
    assert len(seen) == len(set(seen))
    assert lab.texts(data.train[:1])[0].split() == [
        tiny.WORDS[token] for token in data.kept[data.train[0]]
    ]


@peft
@pytest.mark.embedder
def test_the_cut_model_has_the_losses_and_the_samples_of_the_whole(lab: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    windows, first = lab.data.train[:6], lab.sizes.first
    model = lab.model(())
    whole = AutoModelForCausalLM.from_pretrained(lab.folder, dtype=torch.float32)
    kept = lab.data.kept
    with torch.inference_mode():
        logits = whole(torch.from_numpy(kept[windows])).logits[:, first - 1 : -1, kept]
    wanted = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), torch.from_numpy(windows[:, first:]), reduction="none"
    )
    assert np.abs(model.losses(windows, model.lower(windows)) - wanted.numpy()).max() < 1e-5
    # At almost no temperature each token is the likeliest one behind what is written.
    texts = model.sample(windows[:, :first], 2, 8, 1e-6, 1.0, seed=1)
    assert (texts[:, 0] == texts[:, 1]).all()
    with torch.inference_mode():
        written = np.hstack([windows[:, :first], texts[:, 0]])
        logits = model.model(torch.from_numpy(written)).logits
    assert (logits[:, first - 1 : -1].argmax(-1).numpy() == texts[:, 0]).all()


@peft
@pytest.mark.embedder
def test_top_p_keeps_the_fewest_likely_tokens_that_reach_it() -> None:
    import torch

    from benchmarks._language_model import draw

    logits = torch.log(torch.tensor([[0.05, 0.5, 0.15, 0.3]])).repeat(4_000, 1)
    drawn = draw(logits, 1.0, 0.75, torch.Generator().manual_seed(0))[:, 0]
    assert set(drawn.tolist()) == {1, 3}
    share = float((drawn == 1).float().mean())
    assert share == pytest.approx(0.5 / 0.8, abs=4 * np.sqrt(0.234 / 4_000))
    cold = draw(logits, 0.5, 1.0, torch.Generator().manual_seed(0))[:, 0]
    shares = np.bincount(cold.numpy(), minlength=4) / 4_000
    squares = np.array([0.05, 0.5, 0.15, 0.3]) ** 2
    assert np.abs(shares - squares / squares.sum()).max() < 4 * np.sqrt(0.25 / 4_000)


@peft
@extras.embed
@pytest.mark.embedder
@pytest.mark.slow
def test_the_experiment_runs_to_its_decision_and_resumes(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import _tuned, _tuning_report, tune

    found = tune.seed_of(lab, None, 1)
    assert found.judged.whole.shape == (len(_tuned.MEASURES), 8)
    assert found.judged.left_out.shape == (len(_tuned.MEASURES), 8, _tuned.GROUPS)
    assert len(found.searches[0]) == 1 + len(tune.SCALES)
    # Training on these words makes them likelier.
    assert found.losses["SFT"].mean() < found.losses["before SFT"].mean()
    decision = found.decision((*found.settings, *_tuning_report.HELD), found.settings)
    assert isinstance(decision, GateDecision)
    said = "\n".join([*_tuning_report.told(found), *_tuning_report.together([found])])
    assert decision.first_line in said
    assert "the gate accepts the tuned model in" in said
    assert "sft: " in capsys.readouterr().err
    steps = sorted(path.name for path in Path(lab.work.folder).iterdir())
    again = tune.seed_of(lab, None, 1)
    assert sorted(path.name for path in Path(lab.work.folder).iterdir()) == steps
    assert "sft: " not in capsys.readouterr().err
    assert (again.judged.whole == found.judged.whole).all()
    assert again.searches == found.searches
