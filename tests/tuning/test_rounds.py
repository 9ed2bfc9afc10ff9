"""Whole rounds with a tiny model, in this process: what they leave, and how they go on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dftspark.cli import main
from dftspark.config.generate import Writer
from dftspark.config.tune import Tune, Tuning
from dftspark.errors import InputError, LossNotFinite
from dftspark.generation.briefs import Brief
from dftspark.generation.local import Local, Wanted
from dftspark.generation.template import Template
from dftspark.store.listing import open_run
from dftspark.tuning.encoding import TrainingText
from dftspark.tuning.material import Material
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.rounds import OwnSample, Workers, tune, usable, weighed
from dftspark.tuning.run import published
from dftspark.tuning.trainer import TrainedAdapter, token_losses, train
from tests import extras
from tests.generation import tiny
from tests.tuning import made
from tests.tuning.test_trainer import SETTINGS

pytestmark = [pytest.mark.embedder, extras.tune]

HUMAN_WORDS = ("w1", "w2", "w3", "w4")
TEMPLATE = Template("<<prompt>>")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("tiny"))


class Here:
    """The workers, in this process; `written` and `trained` count what they did."""

    def __init__(self, settings: Tune) -> None:
        self.settings, self.written, self.trained = settings, 0, 0
        self.budgets: list[tuple[int, ...]] = []

    def write(self, model: Path, briefs: Sequence[Brief], samples: range) -> list[OwnSample]:
        local = Local(Writer(name="m", path=str(model), chat=False, max_tokens=10, batch=64), "cpu")
        wanted = {
            b"%d %d" % (i, k): (brief, Wanted(b"%d %d" % (i, k), brief.prompt, 1000 * i + k))
            for i, brief in enumerate(briefs)
            for k in samples
        }
        texts = dict(local.write([one for _, one in wanted.values()], self.settings.sampler))
        self.written += len(texts)
        return [
            OwnSample(brief, brief.prompt, said.text, said.finish_reason == "length")
            for key, (brief, _) in wanted.items()
            if (said := texts[key]).text is not None
        ]

    def train(
        self,
        model: Path,
        samples: Sequence[TrainingText],
        human: Sequence[TrainingText],
        folder: Path,
        control: Sequence[int] | None = None,
    ) -> TrainedAdapter:
        self.trained += 1
        training = self.settings.training
        found = train(model, samples, human, training, folder, chat=False, control=control)
        self.budgets.append(found.budgets)
        return found

    @property
    def workers(self) -> Workers:
        return Workers(self.write, self.train)


def material(model: Path, folder: Path, **changes: Any) -> Material:
    rng = np.random.default_rng(1)

    def human(count: int) -> list[str]:
        return [" ".join(rng.choice(HUMAN_WORDS, rng.integers(4, 9))) for _ in range(count)]

    asked = {"samples": 3, "chat": False, "cut": True, "training": SETTINGS, **changes}
    settings = Tune(model=str(model), profile="-", briefs="-", human="-", **asked)
    briefs = [Brief(f"p{i}", f"w{i % 45}") for i in range(60)]
    texts = [
        TrainingText(brief.prompt, text) for brief, text in zip(briefs, human(60), strict=True)
    ]
    own = Here(settings).write(model, briefs, range(1))
    target = made.target(human(300), [one.text for one in own])
    validation = replace(target, human=made.target(human(60), ["w1"]).human)
    return Material(
        settings,
        TEMPLATE,
        tuple(briefs[:24]),
        tuple(briefs[24:]),
        tuple(texts[:24]),
        tuple(texts[24:]),
        target,
        validation,
        WitnessReward(target),
        folder,
        {},
    )


LEARNS = SETTINGS.model_copy(update={"learning_rate": 0.05, "epochs": 4, "anchor": 2.0})


@pytest.mark.parametrize("weights", [pytest.param("choice", marks=pytest.mark.slow), "tilt"])
def test_rounds_bring_the_model_nearer_and_go_on(model: Path, tmp_path: Path, weights: str) -> None:
    what = material(model, tmp_path / "t", weights=weights, training=LEARNS)
    here = Here(what.settings)
    found = tune(what, 2, here.workers)
    own = [row for row in found.rows if row["round"] == 0 and row["system"] == "tuned"]
    (control,) = [r for r in found.rows if r["round"] == 0 and r["system"] == "control"]
    (taken,) = [row for row in own if row["taken"]]
    assert [row["scale"] for row in own] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert taken["distance"] == min(row["distance"] for row in own) < own[0]["distance"]
    assert taken["cross_entropy"] < own[0]["cross_entropy"]
    assert taken["kl"] > 0
    assert control["tokens"] == taken["tokens"] > 0
    assert here.budgets[0] == here.budgets[1]
    assert taken["pool_kl"] == pytest.approx(np.log(3) if weights == "choice" else 0.3, rel=1e-4)
    assert found.model is not None
    assert {file.name for file in found.model.glob("*.safetensors")} == {"model.safetensors"}
    again = Here(what.settings)
    same = tune(what, 2, again.workers)
    assert (again.written, again.trained) == (0, 0)
    assert repr(same) == repr(found)


def test_a_run_has_the_rounds_and_names_both_models(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    what = material(model, tmp_path / "t", training=LEARNS, rounds=1)
    told = {
        "model": "m", "model_sha256": "a1", "human": "h.jsonl", "human_texts": 24,
        "human_sha256": "b2", "profile": "r", "prompts": 24,
    }  # fmt: skip
    what = replace(what, told=told)
    config = Tuning(name="t", out=str(tmp_path / "runs"), tune=what.settings)
    made = published(config, what, Here(what.settings).workers)
    assert open_run(str(tmp_path / "runs")).id == made.id
    assert made.manifest["kind"] == "tune"
    said = made.manifest["tune"]
    rows = made.table("rounds").to_pylist()
    assert said["rounds"] == sum(row["taken"] for row in rows) > 0
    for name, place in (("tuned", "model"), ("control", "control")):
        assert said[name] == str(tmp_path / "t" / place)
        assert list(Path(said[name]).glob("*.safetensors"))
        assert not list(Path(said[name]).glob("*.bin"))
        card = (Path(said[name]) / "README.md").read_text()
        assert "24 of `-`, on prompts of blocks 0 to 47 alone, SHA-256 `b2`" in card
        assert token_losses(said[name], what.human, SETTINGS, chat=False).shape == (24, 2)
    capsys.readouterr()
    assert main(["show", made.path]) == 0
    printed = capsys.readouterr().out
    assert f"Tuned in {said['rounds']} round" in printed
    assert "0 control" in printed
    assert "Nothing is compared yet" not in printed
    assert main(["show", made.path, "rounds"]) == 0
    assert "distance" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "runs")]) == 0
    assert made.id in capsys.readouterr().out


@pytest.mark.slow
def test_a_round_that_was_killed_is_made_again_alike(model: Path, tmp_path: Path) -> None:
    what = material(model, tmp_path / "t", training=LEARNS)
    whole = tune(what, 1, Here(what.settings).workers)
    assert whole.model is not None
    weights = (whole.model / "model.safetensors").read_bytes()
    (tmp_path / "t" / "round-0" / "outcome.json").unlink()
    shutil.rmtree(whole.model)
    again = tune(what, 1, Here(what.settings).workers)
    assert (again.model, again.stopped) == (whole.model, whole.stopped)
    assert (whole.model / "model.safetensors").read_bytes() == weights
    kept = ("distance", "kl", "cross_entropy", "tokens", "loss_human", "taken")
    for one, two in zip(whole.rows, again.rows, strict=True):
        assert repr([one[name] for name in kept]) == repr([two[name] for name in kept])


def test_it_stops_where_nothing_is_nearer(model: Path, tmp_path: Path) -> None:
    """The model is at its own mean already, so whatever is added leads away."""
    what = material(model, tmp_path / "t", training=LEARNS)
    texts = [one.text for one in Here(what.settings).write(model, what.validation_briefs, range(1))]
    at_home = what.reward.features(texts).mean(axis=0)
    what = replace(what, validation=replace(what.validation, human=at_home))
    found = tune(what, 3, Here(what.settings).workers)
    assert found.model is None
    assert found.stopped == "round 0: scale 0 won"
    assert found.control == tmp_path / "t" / "round-0" / "control"
    assert not any(row["taken"] for row in found.rows)
    assert {row["round"] for row in found.rows} == {0}


def test_a_first_round_that_runs_away_is_an_error(model: Path, tmp_path: Path) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 1.0, "alpha": 10**30, "epochs": 20})
    what = material(model, tmp_path / "t", training=wild)
    with pytest.raises(LossNotFinite):
        tune(what, 1, Here(what.settings).workers)


def test_a_pool_of_one_text_a_prompt_is_refused(model: Path, tmp_path: Path) -> None:
    what = material(model, tmp_path / "t")
    same = [OwnSample(brief, "", "w1 w2", False) for brief in what.briefs for _ in range(3)]
    with pytest.raises(InputError, match="all samples of each prompt are the same text"):
        weighed(what, same)


def test_texts_that_were_cut_are_no_samples() -> None:
    briefs = [Brief(f"p{i}", "w1") for i in range(20)]
    pool = [OwnSample(b, "w1", "w2", i >= 16) for i, b in enumerate(briefs)]
    assert len(usable(pool, False)) == 16
    assert len(usable(pool, True)) == 20
    with pytest.raises(InputError, match=r"of 19 texts 4 were cut at tune.max_tokens"):
        usable(pool[1:], False)
