"""`dftspark tune` end to end: with a tiny model, on a standalone cluster, and with SmolLM2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from dftspark import runs
from dftspark.cli import main
from dftspark.config import Audit
from dftspark.config.template import toml_value
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from tests import extras, models
from tests.generation import smol, tiny
from tests.spark import processes

pytestmark = [
    pytest.mark.spark,
    pytest.mark.embedder,
    pytest.mark.program,
    pytest.mark.slow,
    extras.tune,
]

PROMPTS = 256
HUMAN = ("w1", "w2", "w3", "w4")


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows(seed: int) -> dict[str, list[float]]:
    words = ["[UNK]", *(f"w{i}" for i in range(45))]
    drawn = np.random.default_rng(seed).normal(size=(len(words), 3))
    return dict(zip(words, drawn.tolist(), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    rng = np.random.default_rng(1)
    tiny.model(folder / "model")
    models.static(folder / "embedder", rows(1))
    ids = [f"p{i}" for i in range(PROMPTS)]

    def written(words: tuple[str, ...]) -> str:
        return " ".join(rng.choice(words, rng.integers(4, 9)))

    lines(
        folder / "briefs.jsonl",
        [{"prompt_id": i, "prompt": f"w{n % 45}"} for n, i in enumerate(ids)],
    )
    lines(folder / "human.jsonl", [{"prompt_id": i, "text": written(HUMAN)} for i in ids])
    others = tuple(f"w{i}" for i in range(45))
    lines(folder / "base.jsonl", [{"prompt_id": i, "text": written(others)} for i in ids])
    return folder


@pytest.fixture(scope="module")
def profile(spark: SparkSession, folder: Path) -> Run:
    sides = {"human": "human", "base": "model"}
    document = {
        "name": "base",
        "out": str(folder / "runs"),
        "lenses": ["ngrams", "embeddings"],
        "ngrams": {"orders": [1, 2], "sketch_width": 256},
        "embedding": {"embedder": str(folder / "embedder"), "sample": "all"},
        "mmd": {"features": 66},
        "report": {"page": False},
        "corpora": {
            name: {"role": role, "path": str(folder / f"{name}.jsonl")}
            for name, role in sides.items()
        },
    }
    return runs.audit(spark, Audit.parse(document, "the test"))


def conf(folder: Path, profile: Run, name: str, training: dict[str, Any], **more: Any) -> Path:
    own = {
        "model": str(folder / "model"),
        "profile": profile.path,
        "briefs": str(folder / "briefs.jsonl"),
        "human": str(folder / "human.jsonl"),
        "rounds": 1,
        "prompts": 24,
        "samples": 2,
        "validation_prompts": 20,
        "chat": False,
        "cut": True,
        "max_tokens": 8,
        **more,
    }
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\nout = {toml_value(str(folder / "runs"))}\n[tune]\n'
        + "".join(f"{key} = {toml_value(value)}\n" for key, value in own.items())
        + "[tune.training]\n"
        + "".join(f"{key} = {toml_value(value)}\n" for key, value in training.items())
    )
    return path


FAST = {
    "rank": 4,
    "targets": ["q_proj", "v_proj"],
    "learning_rate": 0.05,
    "batch": 4,
    "human_batch": 4,
    "epochs": 4,
    "anchor": 2.0,
}


def test_a_tuning_makes_a_run_and_two_models(
    spark: SparkSession, folder: Path, profile: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = conf(folder, profile, "tiny", FAST, processes=2)
    assert main(["tune", str(path), "--quiet"]) == 0
    printed = capsys.readouterr()
    first = open_run(printed.out.strip().splitlines()[-1])
    told = first.manifest["tune"]
    assert first.manifest["kind"] == "tune"
    assert told["rounds"] == 1
    for name in ("tuned", "control"):
        made = Path(told[name])
        assert list(made.glob("*.safetensors"))
        assert not list(made.glob("*.bin"))
        card = (made / "README.md").read_text()
        assert told["human_sha256"] in card
        assert str(folder / "human.jsonl") in card
    before = first.table("rounds").to_pylist()
    assert [row["scale"] for row in before] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.0]
    weights = (Path(told["tuned"]) / "model.safetensors").read_bytes()

    assert main(["tune", str(path)]) == 0  # it had ended, so nothing is written or trained
    said = capsys.readouterr().out
    assert "Tuned in 1 round" in said
    assert "0 control" in said
    again = open_run(str(folder / "runs"))
    assert again.id != first.id
    for one, two in zip(before, again.table("rounds").to_pylist(), strict=True):
        assert repr({**one, "run_id": ""}) == repr({**two, "run_id": ""})
    assert (Path(told["tuned"]) / "model.safetensors").read_bytes() == weights

    assert main(["show", again.path]) == 0
    assert "Tuned in 1 round" in capsys.readouterr().out
    assert main(["show", again.path, "rounds"]) == 0
    assert "distance" in capsys.readouterr().out
    assert main(["runs", str(folder / "runs")]) == 0
    assert again.id in capsys.readouterr().out
    assert main(["history", "js_1gram", str(folder / "runs")]) == 0  # that of the audit alone
    assert "base" in capsys.readouterr().out


def test_what_does_not_fit_is_told_before(
    spark: SparkSession, folder: Path, profile: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    models.static(folder / "other", rows(2))
    leak = lines(folder / "sft.jsonl", [
        *({"text": json.loads(row)["text"]} for row in (folder / "human.jsonl").open()),
        {"text": "another"},
    ])  # fmt: skip
    for changes, code, said in (
        ({"embedder": str(folder / "other")}, 2, "the embedder is not the one of the target"),
        ({"sft": [leak]}, 2, "of 257 texts of"),
        ({"chat": True}, 2, "has no chat template"),
        ({"processes": 64}, 2, "slots, so it would wait"),
        ({"model": str(folder)}, 2, "tune.model: the folder"),
        ({"weights": "tilt", "kl": 5.0}, 2, "kl is below log(samples)"),
        ({"max_tokens": 8, "cut": False}, 4, "were cut at tune.max_tokens"),
    ):
        path = conf(folder, profile, "wrong", FAST, **changes)
        assert main(["tune", str(path), "--quiet"]) == code, changes
        error = capsys.readouterr().err
        assert said in error, changes
        assert len(error[error.index("error: ") :].splitlines()) < 10
    path = conf(folder, profile, "wrong", {**FAST, "targets": ["c_attn"]})
    assert main(["tune", str(path), "--quiet"]) == 2
    assert "it has down_proj" in capsys.readouterr().err


@pytest.mark.cluster
def test_on_a_standalone_cluster(folder: Path, profile: Run, tmp_path: Path) -> None:
    path = conf(folder, profile, "alone", FAST, processes=2)
    with processes.cluster(tmp_path) as cluster:
        done = processes.finished(
            processes.dftspark("tune", path.name, "--master", cluster.master, "--quiet"), folder
        )
    assert done.returncode == 0, done.stderr[-4000:]
    made = open_run(str(folder / done.stdout.splitlines()[-1]))
    assert made.table("rounds").num_rows == 7


def test_a_real_model(
    spark: SparkSession, folder: Path, profile: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """SmolLM2-135M-Instruct, one round of few texts: that it works, not that it helps."""
    training = {"rank": 4, "layers": 4, "learning_rate": 1e-3, "batch": 8, "human_batch": 4}
    path = conf(
        folder,
        profile,
        "smol",
        training,
        model=str(smol.weights()),
        chat=True,
        prompts=16,
        validation_prompts=16,
        weights="tilt",
    )
    assert main(["tune", str(path), "--quiet"]) == 0
    made = open_run(capsys.readouterr().out.strip().splitlines()[-1])
    before, *_, control = made.table("rounds").to_pylist()
    assert control["system"] == "control"
    assert control["tokens"] == before["tokens"] > 0
    assert np.isfinite([before["distance"], control["distance"]]).all()
    assert control["cross_entropy"] < before["cross_entropy"]
