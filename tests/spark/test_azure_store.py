"""Tables and an audit in an emulator of Azure's blob storage: tasks go through pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow.fs import FileType
from pyspark.sql import SparkSession

from dftspark import azure, open_run
from dftspark.config import Audit
from dftspark.location import Location, below
from dftspark.runs import audit
from dftspark.spark.probe import round_trip
from tests import azurite
from tests.azurite import KEY, STORE, connection

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def store(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator, of which workers know as well, although Spark started before it."""
    with azurite.store(tmp_path_factory.mktemp("azurite")) as host:
        known = spark.sparkContext.environment
        known[azure.VARIABLE] = connection(host)
        yield STORE
        del known[azure.VARIABLE]


def test_a_probe_leaves_nothing(spark: SparkSession, store: str) -> None:
    assert round_trip(spark, below(store, "probed")) == ""
    assert Location.parse(below(store, "probed")).kind == FileType.NotFound


def test_an_audit_and_its_sources_are_there(spark: SparkSession, store: str) -> None:
    texts = {
        "human": [f"The {i} birds sang, and nobody wrote about them." for i in range(40)],
        "model": [f"Birds — all {i} of them — sang. It was not noise but joy." for i in range(40)],
    }
    for side, lines in texts.items():
        place = Location.parse(below(store, f"texts/{side}.jsonl"))
        with place.filesystem.open_output_stream(place.path) as stream:
            rows = [json.dumps({"text": text}) for text in [*lines, ""]]
            stream.write("\n".join(rows).encode())
    document = {
        "out": below(store, "runs"),
        "corpora": {s: {"role": s, "path": below(store, f"texts/{s}.jsonl")} for s in texts},
        "ngrams": {"orders": [1]},
        "lenses": ["ngrams"],
    }
    run = audit(spark, Audit.parse(document, "here"))
    assert open_run(below(store, "runs")).id == run.id
    assert run.table("rejects").num_rows == 2
    assert run.spark(spark, "metrics").count() == run.table("metrics").num_rows > 0
    below_it = Location.parse(run.path).children(recursive=True)
    names = {info.path.removeprefix(f"audits/our runs/runs/{run.id}/") for info in below_it}
    tables = {f"{name}.parquet" for name in run.tables}
    assert {name.partition("/")[0] for name in names} == {"manifest.json", "report.html", *tables}
    for name in names - tables:
        assert KEY.encode() not in run.file(name)
    assert Path(run.path).name in run.page
