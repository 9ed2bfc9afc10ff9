"""A Python worker of a local run that is killed while it works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.spark import processes

pytestmark = [
    pytest.mark.spark,
    pytest.mark.program,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]

KILLED = """
import os, signal, sys
from pathlib import Path
from pyspark import TaskContext
from dftspark.config import Audit
from dftspark.embedding.spark_devices import local_cores
from dftspark.spark.failures import explained
from dftspark.spark.session import session

def task(batches):
    rows = list(batches)
    if TaskContext.get().partitionId() == 1:
        try:
            Path("killed").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    yield from rows

sides = {name: {"role": name, "path": "x"} for name in ("human", "model")}
config = Audit.parse({"corpora": sides}, "x")
with session("killed", sys.argv[1]) as spark, explained(config, "runs"):
    table = spark.range(0, 1000, 1, 4).mapInArrow(task, "id long").toArrow()
    print(sum(table["id"].to_pylist()), local_cores(spark))
"""


def ran(folder: Path, master: str) -> tuple[int, str, str]:
    folder.mkdir()
    done = processes.finished([sys.executable, "-c", KILLED, master], folder)
    assert (folder / "killed").exists()
    return done.returncode, done.stdout, done.stderr


def test_a_lost_worker_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    code, said, told = ran(tmp_path / "once", "local[2]")
    assert (code, said) == (1, "")
    assert "EnvironmentProblem" in told
    assert "--master 'local[*,3]' tries a task three times" in told
    code, said, told = ran(tmp_path / "again", "local[2,3]")
    assert code == 0, told[-4000:]
    assert said.split() == ["499500", "2"]
