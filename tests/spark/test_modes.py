"""One audit, four ways to run Spark: the tables are the same."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dftspark import runs, sample
from dftspark.config import Audit
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from tests.spark import processes
from tests.spark.agreement import assert_same

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.cluster]


FRAMES = """
import sys
import dftspark
from dftspark.config import Audit
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
rows = [(f"We went to the river on day {i} and slept.", f"p{i}") for i in range(60)]
spark.createDataFrame(rows, "text string, prompt_id string").createOrReplaceTempView("humans")
rows = [(f"It is a rich tapestry, {i}, of things.", f"p{i}") for i in range(60)]
model = spark.createDataFrame([*rows, rows[0]], "text string, prompt_id string")
query = "SELECT text, prompt_id FROM humans WHERE length(text) > 3"
corpora = {"human": {"role": "human", "query": query}, "ckpt-100": {"role": "model", "path": "x"}}
settings = {"out": "frames", "lenses": ["ngrams"], "report": {"page": False}}
config = Audit.parse({"corpora": corpora, **settings}, "test")
print(dftspark.audit(spark, config, models={"ckpt-100": model}).path)
"""


def configured(folder: Path) -> Path:
    """The bundled sample with a configuration. Without embeddings, which take as long again and
    whose modes test_embed.py tests."""
    sample.write(folder)
    columns = 'columns = { doc_id = "prompt_id" }\n'
    (folder / "demo.toml").write_text(
        'out = "runs"\nlenses = ["ngrams", "structure"]\n'
        f'[corpora.human]\nrole = "human"\npath = "human.jsonl"\n{columns}'
        f'[corpora.model]\nrole = "model"\npath = "polished.jsonl"\n{columns}'
        "[ngrams]\norders = [1, 2, 3]\n"
    )
    return folder / "demo.toml"


def demo(folder: Path, master: str) -> Run:
    """Through the command line, in a process of its own."""
    command = processes.dftspark("audit", configured(folder).name, "--master", master, "--quiet")
    done = processes.finished(command, folder)
    assert done.returncode == 0, done.stderr[-4000:]
    path = Path(done.stdout.splitlines()[-1])
    assert path.parent == folder / "runs"
    return open_run(str(path))


@pytest.fixture(scope="module")
def local(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    conf = configured(tmp_path_factory.mktemp("local"))
    with contextlib.chdir(conf.parent):
        return runs.audit(spark, Audit.load(conf))


def assert_as_local(run: Run, local: Run) -> None:
    assert run.tables == local.tables
    assert_same(run, local, "corpora", "metrics", "ngrams", "document_ratios", "patterns")


@pytest.mark.slow
def test_local_cluster(local: Run, tmp_path: Path) -> None:
    assert_as_local(demo(tmp_path, "local-cluster[2,1,1024]"), local)


def test_standalone_cluster(local: Run, tmp_path: Path) -> None:
    """A master and two workers of one core each."""
    with processes.cluster(tmp_path) as cluster:
        run = demo(tmp_path, cluster.master)
        # Both workers had an executor, or this was a test of one.
        logs = list(tmp_path.glob("worker-*/app-*/*/stderr"))
        assert {path.parents[2].name for path in logs} == {"worker-1", "worker-2"}
    assert_as_local(run, local)


def test_spark_connect(local: Run, tmp_path: Path) -> None:
    """The client has no Java machine of its own."""
    with processes.connect(tmp_path) as server:
        run = demo(tmp_path, server)
        done = processes.finished([sys.executable, "-c", FRAMES, server], tmp_path)
    assert_as_local(run, local)
    assert done.returncode == 0, done.stderr[-4000:]
    framed = open_run(done.stdout.splitlines()[-1])
    told = framed.manifest["sources"]
    view = {"format": "view", "version": None, "files": None}
    assert told["human"]["tables"] == {"humans": view}
    assert {name: one["rows"] for name, one in told.items()} == {"human": 60, "ckpt-100": 61}
    counted = {row["corpus"]: row["documents"] for row in framed.table("corpora").to_pylist()}
    assert counted == {"human": 60, "ckpt-100": 61}
