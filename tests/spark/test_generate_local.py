"""A model that Spark's tasks load: its texts, its resume, and the choice from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dftspark.endpoints.store import AnswerStore
from dftspark.generation import run as generation
from dftspark.generation import spark_local
from dftspark.generation.asking import prepare
from dftspark.generation.texts import KIND
from tests.generation import tiny
from tests.generation.test_local import config

pytestmark = [pytest.mark.spark, pytest.mark.embedder]

EVERY = 9 * 2 * 2
COLUMNS = ["doc_id", "prompt_id", "setting", "sample", "seed", "text"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return tiny.model(tmp_path_factory.mktemp("tiny"))


def test_tasks_write_what_one_process_writes(
    spark: SparkSession, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = generation.generate(config(folder, tmp_path / "one"), spark=spark)
    own = config(folder, tmp_path / "two", tasks=2, batch=3)
    two = generation.generate(own, spark=spark)
    rows = one.table("texts", COLUMNS).num_rows + one.table("textless").num_rows
    assert rows == EVERY
    assert {row["problem"] for row in one.table("textless").to_pylist()} <= {"empty"}
    assert two.table("texts", COLUMNS).equals(one.table("texts", COLUMNS))
    again = generation.generate(own)  # all is stored, so no session is asked for
    assert again.table("texts", COLUMNS).equals(two.table("texts", COLUMNS))
    assert again.manifest["generate"]["stored_before"] == EVERY


def test_what_a_dead_task_had_written_is_not_written_again(
    spark: SparkSession, folder: Path, tmp_path: Path
) -> None:
    own = config(folder, tmp_path)
    store = AnswerStore.of(own.store, KIND)
    ready = prepare(own)
    with store.held():
        wanted = ready.plan.local(own.generate)
        half = {name: requests[: EVERY // 2] for name, requests in wanted.items()}
        assert spark_local.write(spark, half, store, "dead") == EVERY // 2
        # The same journal again, as a retry of the task finds it.
        assert spark_local.write(spark, wanted, store, "dead") == EVERY - EVERY // 2
    run = generation.generate(own)
    assert run.manifest["generate"]["stored_before"] == EVERY
