"""GPUs without a GPU: which one Spark gives to whom, and what a worker makes of it."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dftspark.errors import EnvironmentProblem
from tests import extras
from tests import models as small
from tests.spark import processes

pytestmark = [pytest.mark.spark, extras.embed]

GPUS = """
import json, sys, time
from pathlib import Path
import pyarrow as pa
from pyspark.sql import SparkSession

def report(batches):
    import os
    from dftspark.embedding.spark_devices import task_device
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
    from dftspark.progress import Silent
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


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("embed", [False, True], ids=["given", "embedding"])
def test_gpus_that_spark_gives_out(tmp_path: Path, embed: bool) -> None:
    """Two executors of one GPU each, by a discovery script that says there are two."""
    for name in ("human", "model"):
        rows = [{"doc_id": f"{name}{i}", "text": text} for i, text in enumerate(small.texts(20))]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = tmp_path / "gpus.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
    script.chmod(0o755)
    program = tmp_path / "gpus.py"
    program.write_text(GPUS)
    command = [sys.executable, str(program), str(script), str(small.static(tmp_path / "static"))]
    command.append(str(tmp_path) if embed else "")
    done = processes.finished(command, tmp_path)
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

    from dftspark.embedding import spark_devices as devices

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
