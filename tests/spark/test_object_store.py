"""Tables and whole audits in an object store: tasks write and read through pyarrow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dftspark import open_run
from dftspark.config import Audit
from dftspark.location import Location, below
from dftspark.runs import audit
from dftspark.spark import failures, object_store, tables
from dftspark.spark.probe import round_trip
from dftspark.store import publish
from dftspark.store.run import Run
from tests.object_stores import CREDENTIALS, served

os.environ.update(CREDENTIALS)  # before Spark starts, whose workers inherit them

pytestmark = pytest.mark.spark
_COLUMNS = pa.schema([("id", pa.int64()), ("text", pa.string()), ("parts", pa.list_(pa.int64()))])


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with served() as uri:
        yield uri


def rows(spark: SparkSession, count: int, tasks: int) -> DataFrame:
    frame = spark.range(0, count, 1, tasks)
    return frame.select(
        "id", F.col("id").cast("string").alias("text"), F.array("id").alias("parts")
    )


def test_a_table_comes_back_as_it_was(spark: SparkSession, store: str) -> None:
    path = below(store, "whole.parquet")
    tables.write(rows(spark, 1_000, 3), path, group_rows=100)
    assert len(publish.files_of(Location.parse(path))) == 3
    assert tables.collected(path, _COLUMNS).sort_by("id")["id"].to_pylist() == [*range(1_000)]
    back = tables.read(spark, path, _COLUMNS)
    assert back.orderBy("id").toArrow().to_pylist() == rows(spark, 1_000, 1).toArrow().to_pylist()
    part = next(iter(publish.files_of(Location.parse(path))))
    with Location.parse(path).filesystem.open_input_file(part) as file:
        footer = pq.ParquetFile(file).metadata
    assert max(footer.row_group(i).num_rows for i in range(footer.num_row_groups)) == 100
    tables.append(rows(spark, 7, 1), path)
    assert tables.read(spark, path, _COLUMNS).count() == 1_007


def test_a_table_without_rows_has_its_columns(spark: SparkSession, store: str) -> None:
    path = below(store, "empty.parquet")
    tables.write(rows(spark, 0, 2), path)
    assert tables.read(spark, path, _COLUMNS).count() == 0
    assert tables.collected(path, _COLUMNS).schema == _COLUMNS


def test_what_a_lost_attempt_left_is_no_part_of_the_table(store: str) -> None:
    place = Location.parse(below(store, "attempts.parquet"))
    for name in ("first-0", "second-0-reported", "second-0-lost"):
        file = place / f"{name}.parquet"
        with file.filesystem.open_output_stream(file.path) as stream:
            pq.write_table(_COLUMNS.empty_table(), stream)
    object_store.settle(place, "second", {"second-0-reported.parquet"}, _COLUMNS)
    assert sorted(info.base_name for info in place.children()) == [
        "_SUCCESS",
        "first-0.parquet",
        "second-0-reported.parquet",
    ]


def test_a_file_that_is_not_whole_is_named(spark: SparkSession, store: str) -> None:
    path = below(store, "damaged.parquet")
    tables.write(rows(spark, 10, 1), path)
    place = Location.parse(path)
    (part,) = publish.files_of(place)
    with place.filesystem.open_output_stream(part) as file:
        file.write(b"PAR1 and no more")
    with pytest.raises(PySparkException) as caught:
        tables.read(spark, path, _COLUMNS).collect()
    said = failures.cause(str(caught.value))
    assert said.startswith(f"s3a://audits/our runs/damaged.parquet/{part.rsplit('/', 1)[-1]}")
    assert " cannot be read: " in said


def test_a_probe_leaves_nothing(spark: SparkSession, store: str, tmp_path: Path) -> None:
    assert round_trip(spark, below(store, "probed")) == ""
    assert Location.parse(below(store, "probed")).children() == []
    assert round_trip(spark, str(tmp_path / "new")) == ""
    assert list(tmp_path.iterdir()) == []
    assert "no-such-bucket" in round_trip(spark, store.replace("audits", "no-such-bucket"))


def audited(spark: SparkSession, out: str, texts: Path, lenses: list[str]) -> Run:
    """The audit of 40 texts a side, each with a reject, which are written to the folder `texts`."""
    sides = {
        "human": [f"The {i} birds sang, and nobody wrote about them." for i in range(40)],
        "model": [f"Birds — all {i} of them — sang. It was not noise but joy." for i in range(40)],
    }
    for side, lines in sides.items():
        own = [json.dumps({"text": text}) for text in [*lines, ""]]
        (texts / f"{side}.jsonl").write_text("\n".join(own))
    document = {
        "out": out,
        "corpora": {s: {"role": s, "path": str(texts / f"{s}.jsonl")} for s in sides},
        "ngrams": {"orders": [1]},
        "embedding": {"embedder": "static", "sample": "all"},
        "lenses": lenses,
    }
    return audit(spark, Audit.parse(document, "here"))


def test_an_audit_is_there_with_all_its_tables(
    spark: SparkSession, store: str, tmp_path: Path
) -> None:
    run = audited(spark, below(store, "runs"), tmp_path, ["ngrams"])
    assert open_run(below(store, "runs")).id == run.id
    assert run.table("rejects").num_rows == 2
    assert run.table("metrics").num_rows > 0
    assert run.spark(spark, "metrics").count() == run.table("metrics").num_rows
    names = {info.base_name for info in Location.parse(run.path).children()}
    assert names == {"manifest.json", "report.html", *(f"{name}.parquet" for name in run.tables)}


@pytest.mark.slow
def test_an_audit_there_and_on_this_disk_are_the_same(
    spark: SparkSession, store: str, tmp_path: Path
) -> None:
    """With all default lenses, whose vectors and documents are staged in the store as well."""
    lenses = ["ngrams", "embeddings", "structure"]
    there, here = (
        audited(spark, out, tmp_path, lenses)
        for out in (below(store, "all"), str(tmp_path / "runs"))
    )
    assert there.tables == here.tables
    for name in ("metrics", "ngrams", "rejects", "corpora", "patterns"):
        own, other = (run.table(name).drop_columns(["run_id"]).to_pylist() for run in (there, here))
        assert sorted(map(str, own)) == sorted(map(str, other)), name
