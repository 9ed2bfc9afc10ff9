"""A real model writes: over HTTP, in tasks of one session, and on a standalone cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dftspark.config.generate import Generation
from dftspark.generation import run as generation
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from tests.generation import smol
from tests.spark import processes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.embedder, pytest.mark.program]

MOST = 16  # tokens


def conf(folder: Path, **model: Any) -> Path:
    folder.mkdir(exist_ok=True)
    briefs = [{"prompt_id": name, "prompt": prompt} for name, prompt in smol.PROMPTS.items()]
    (folder / "briefs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in briefs))
    own = {"name": "smol", "max_tokens": MOST, **model}
    lines = [f"{name} = {json.dumps(value)}" for name, value in own.items()]
    path = folder / "write.toml"
    path.write_text(
        'out = "runs"\n[generate]\nbriefs = "briefs.jsonl"\n[generate.sampler]\n'
        "temperature = [0.0, 0.9]\n[[generate.models]]\n" + "\n".join(lines) + "\n"
    )
    return path


def texts(run: Run) -> dict[tuple[str, str], str]:
    rows = run.table("texts").to_pylist()
    assert len(rows) == 2 * len(smol.PROMPTS)
    return {(row["prompt_id"], row["setting"]): row["text"] for row in rows}


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    folder = tmp_path_factory.mktemp("http")
    with smol.chat(smol.model(MOST)) as server, pytest.MonkeyPatch.context() as patch:
        path = conf(folder, urls=[server.url], model="stub-2026", concurrency=2)
        patch.chdir(folder)
        run = generation.generate(Generation.load(path))
        asked = len(server.requests)
        assert asked == 2 * len(smol.PROMPTS)
        again = generation.generate(Generation.load(path))
        assert len(server.requests) == asked
        assert texts(again) == texts(run)
    assert all(len(text.split()) > 3 for text in texts(run).values())
    assert len(set(texts(run).values())) == asked
    return texts(run)


def test_tasks_write_what_comes_over_http(
    spark: SparkSession,
    over_http: dict[tuple[str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = conf(tmp_path, path=str(smol.weights()), tasks=2, batch=1)
    monkeypatch.chdir(tmp_path)
    assert texts(generation.generate(Generation.load(path), spark=spark)) == over_http


@pytest.mark.cluster
def test_on_a_standalone_cluster(over_http: dict[tuple[str, str], str], tmp_path: Path) -> None:
    path = conf(tmp_path / "own", path=str(smol.weights()), tasks=2, batch=1)
    with processes.cluster(tmp_path) as cluster:
        done = processes.finished(
            processes.dftspark("generate", path.name, "--master", cluster.master, "--quiet"),
            path.parent,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    assert texts(open_run(str(path.parent / done.stdout.splitlines()[-1]))) == over_http
