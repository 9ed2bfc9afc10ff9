"""A target of a real profile, and the gate on a real sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from dftspark import runs
from dftspark.choose.splits import REFEREE, TARGET, blocks_of
from dftspark.cli import main
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.errors import ConfigError, InputError
from dftspark.store.run import Run
from dftspark.tuning import gated_run
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.target import Target
from tests import models

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PROMPTS = 640
COLORS = ("red", "green", "blue")
HUMAN = (0.5, 0.3, 0.2)
SETTINGS = {"0.5": (0.8, 0.1, 0.1), "1.0": (0.7, 0.2, 0.1), "control": (0.7, 0.2, 0.1)}
SIDES = {**SETTINGS, "chosen": (0.68, 0.2, 0.12)}


def text(rng: np.random.Generator, shares: tuple[float, ...]) -> str:
    words = rng.choice(COLORS, rng.integers(8, 24), p=shares)
    return " ".join(words).capitalize() + "."


def prompts(split: str) -> list[int]:
    blocks = block_of([f"p{p}" for p in range(PROMPTS)])
    return np.flatnonzero(np.isin(blocks, list(blocks_of(split)))).tolist()


def write(path: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return {"path": str(path), "columns": {"doc_id": "id"}}


def rows(wanted: list[int], shares: tuple[float, ...], seed: int, **more: Any) -> list[Any]:
    rng = np.random.default_rng(seed)
    name = f"{seed}"
    return [
        {"id": f"{name} {p}", "prompt_id": f"p{p}", "text": text(rng, shares), **more}
        for p in wanted
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    models.static(folder / "model", models.ROWS)
    return folder


def config(folder: Path, name: str, corpora: dict[str, Any], **more: Any) -> Audit:
    document = {
        "name": name,
        "out": str(folder / "runs"),
        "lenses": ["ngrams", "embeddings", "structure"],
        "ngrams": {"orders": [1, 2], "sketch_width": 256},
        "embedding": {"embedder": str(folder / "model"), "sample": "all"},
        "mmd": {"features": 66},
        "report": {"page": False},
        "corpora": corpora,
        **more,
    }
    return Audit.parse(document, "the test")


@pytest.fixture(scope="module")
def profile(spark: SparkSession, folder: Path) -> Run:
    everyone = list(range(PROMPTS))
    human = write(folder / "human.jsonl", rows(everyone, HUMAN, 1))
    base = write(folder / "base.jsonl", rows(everyone, SETTINGS["1.0"], 2))
    corpora = {"human": {"role": "human", **human}, "base": {"role": "model", **base}}
    return runs.audit(spark, config(folder, "base", corpora))


@pytest.fixture(scope="module")
def target(profile: Run) -> Target:
    return Target.of(profile)


def of_split(folder: Path, name: str, split: str) -> list[str]:
    wanted = {f"p{p}" for p in prompts(split)}
    lines = map(json.loads, (folder / f"{name}.jsonl").read_text().splitlines())
    return [line["text"] for line in lines if line["prompt_id"] in wanted]


def test_the_means_are_those_of_the_texts_on_the_targets_prompts(
    folder: Path, target: Target
) -> None:
    reward = WitnessReward(target)
    for name, mean in (("human", target.human), ("base", target.model)):
        texts = of_split(folder, name, TARGET)
        assert np.abs(reward.features(texts).mean(axis=0) - mean).max() < 1e-4
    human = target.source["documents"][0]
    assert human == len(of_split(folder, "human", TARGET))
    assert target.source["blocks"] == [0, 47]
    counted = [len(text.replace(".", " .").split()) for text in of_split(folder, "human", TARGET)]
    assert target.lengths[1] == pytest.approx(np.mean(counted), rel=0.2)


def test_columns_are_divided_by_the_spread_of_single_texts(folder: Path, target: Target) -> None:
    phi = WitnessReward(target).features(of_split(folder, "human", TARGET))
    variance = phi.var(axis=0) * target.factor**2
    sizes = {part.name: variance[part.columns].sum() for part in target.features.parts}
    wanted = {
        "ngrams_1": 0.5,
        "ngrams_2": 0.5,
        "embeddings": 0.7,
        "structure": 0.2,
        "lengths": 0.1,
    }
    # From 48 blocks a variance is known to within the root of 2 / 47.
    assert sizes == pytest.approx(wanted, rel=3 * np.sqrt(2 / 47))


def test_unseen_human_texts_have_the_larger_reward(folder: Path, target: Target) -> None:
    reward = WitnessReward(target)
    human, base = (reward.score(of_split(folder, name, REFEREE)) for name in ("human", "base"))
    assert (human[:, None] > base).mean() > 0.7


def test_what_is_no_target_is_refused(profile: Run) -> None:
    with pytest.raises(ConfigError, match="never a target"):
        Target.of(profile, split=REFEREE)
    with pytest.raises(ConfigError, match="no model 'other'; name the one to be tuned"):
        Target.of(profile, model="other")


def test_the_command_writes_the_target_and_prints_the_lines(
    profile: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "base.arrow"
    assert main(["reward", profile.path, "--for", "trl", "--target", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "reward_and_callback" in printed
    assert str(path) in printed
    assert path.stat().st_size < 30e6
    assert Target.load(path).source["model"] == "base"
    assert main(["reward", profile.path, "--for", "other"]) == 2


def judged(spark: SparkSession, folder: Path, tuned: tuple[float, ...]) -> Run:
    """An audit of the referee's prompts, by another embedder."""
    other = {**models.ROWS, "red": [0.0, 1.0, 0.0], "green": [1.0, 0.0, 2.0]}
    models.static(folder / "other", other)
    wanted = prompts(REFEREE)
    pool = [
        row
        for seed, (name, shares) in enumerate(SIDES.items(), 10)
        for row in rows(wanted, shares, seed, setting=name)
    ]
    corpora = {
        "human": {"role": "human", **write(folder / "h.jsonl", rows(wanted, HUMAN, 3))},
        "sft": {"role": "model", **write(folder / "s.jsonl", pool), "split_by": ["setting"]},
        "tuned": {"role": "model", **write(folder / "t.jsonl", rows(wanted, tuned, 4))},
    }
    settings = config(
        folder,
        "gate",
        corpora,
        prompts=REFEREE,
        sweep={"challenger": "tuned"},
        embedding={"embedder": str(folder / "other"), "sample": "all"},
    )
    return runs.audit(spark, settings)


def test_the_gate_judges_a_stored_sweep(
    spark: SparkSession,
    folder: Path,
    profile: Run,
    target: Target,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError, match="no sweep with a challenger"):
        gated_run.measures(profile, target, control="sft/control", choice="sft/chosen")
    path = folder / "target.arrow"
    target.save(path)
    run = judged(spark, folder, HUMAN)
    said = {
        one.name: (one.trained, one.primary)
        for one in gated_run.measures(run, target, control="sft/control", choice="sft/chosen")
    }
    assert said["mmd_squared"] == (False, True)  # of another embedder
    assert said["structure_outside"] == (True, True)
    assert said["l2_squared_corrected_1gram"] == (True, False)
    with pytest.raises(ConfigError, match="name settings of its sweep"):
        gated_run.measures(run, target, control="sft/none", choice="sft/chosen")
    words = ["gate", run.path, "--target", str(path), "--control", "sft/control"]
    words += ["--choice", "sft/chosen", "--cross-entropy", "3.31"]
    # Vectors of three words are all alike, so by its embedder every text nearly repeats another.
    assert main([*words, "3.32"]) == 3
    printed = capsys.readouterr()
    assert printed.out.startswith("not accepted: it wins only on what it was trained on (js_1gram)")
    assert "of its texts nearly repeat a human one" in printed.out
    assert "cross-entropy on human text is" not in printed.out
    assert printed.err.startswith("error: by no primary measure that judges (mmd_squared)")
    assert main([*words, "3.52"]) == 3
    assert "its cross-entropy on human text is 3.520" in capsys.readouterr().out


def test_too_few_prompts_are_no_target(spark: SparkSession, folder: Path) -> None:
    few = list(range(20))
    corpora = {
        "human": {"role": "human", **write(folder / "few.jsonl", rows(few, HUMAN, 5))},
        "base": {"role": "model", **write(folder / "few2.jsonl", rows(few, HUMAN, 6))},
    }
    run = runs.audit(spark, config(folder, "few", corpora, lenses=["ngrams"]))
    with pytest.raises(InputError, match="a mean of fewer than 16 is no target"):
        Target.of(run)
