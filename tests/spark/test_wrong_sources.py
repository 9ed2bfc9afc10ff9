"""Tables and queries that Spark cannot read, as whole processes: few lines with the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.spark.processes import dftspark, finished

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        (
            "table",
            "nosuch.db.t",
            2,
            ["'nosuch.db.t' cannot be read", "--conf spark.sql.catalog.nosuch=CLASS"],
        ),
        (
            "query",
            "SELECT body AS text FROM parquet.`texts.parquet`",
            2,
            ["cannot be read", "`body`", "Did you mean one of the following? [`essay`]"],
        ),
        (
            "query",
            "SELECT essay AS text FROM parquet.`s3a://bucket/p`",
            75,
            ["no connector for s3a:", "--packages org.apache.hadoop:hadoop-aws:", "model.path"],
        ),
    ],
)
def test_what_spark_cannot_read(
    tmp_path: Path, setting: str, value: str, code: int, words: list[str]
) -> None:
    pq.write_table(pa.table({"essay": ["words"]}), tmp_path / "texts.parquet")
    (tmp_path / "human.jsonl").write_text(json.dumps({"text": "words"}) + "\n")
    (tmp_path / "a.toml").write_text(
        "lenses = ['ngrams']\n"
        "[corpora.human]\nrole = 'human'\npath = 'human.jsonl'\n"
        f"[corpora.model]\nrole = 'model'\n{setting} = {json.dumps(value)}\n"
    )
    command = dftspark("audit", "a.toml", "--quiet", "--master", "local[1]")
    done = finished(command, tmp_path, JAVA_TOOL_OPTIONS="")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert len(done.stderr.splitlines()) < 10, done.stderr
    _, found, message = done.stderr.partition("error: ")
    assert found
    assert f"corpora.model.{setting}: " in message
    for word in words:
        assert word in message
    for trace in ("Traceback", "\tat ", "Py4J", "java."):
        assert trace not in done.stderr
