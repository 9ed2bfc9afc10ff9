"""What the driver does itself where documents are few: the same as Spark does at any size."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def staged(seed: int) -> pa.Table:
    """Documents, rejected rows, repairs, and files with and without what their footers tell."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for i in range(300):
        source = rng.choice(["human", "model"])
        row: dict[str, Any] = {
            "source": source,
            "corpus": rng.choice([source, f"{source}/a", None]),
            "file": rng.choice(["f1", "f2"]),
            "position": f"line {i}",
            "doc_id": rng.choice([f"d{i}", "same"]),
            "cluster": rng.choice([f"p{i % 9}", None]),
            "text": rng.choice(["", "text", "\u00e9\u00e9", None]),
            "action": rng.choice([None, None, "rejected", "repaired", "noted"]),
        }
        if row["action"] == "rejected" and rng.random() < 0.5:
            row |= {"unread_bytes": rng.choice([0, 7]), "lost_rows": rng.choice([None, 3])}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema.STAGED)


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_tallied_alike(spark: SparkSession, seed: int) -> None:
    from pyspark.sql import functions as F

    from dftspark.spark.documents import NAMES, _tally, tallied

    rows = staged(seed)
    names = ("source", "corpus", "action")
    by = [
        {tuple(row[name] for name in names): row for row in found}
        for found in (
            tallied(rows.select(list(NAMES))),
            _tally(spark.createDataFrame(rows).withColumn("ours", F.lit(True))),
        )
    ]
    assert by[0] == by[1]
    assert any(row["cut"] for row in by[0].values())
    assert any(row["blank"] for row in by[0].values())


def test_shared_clusters_are_alike(spark: SparkSession) -> None:
    from dftspark.spark.clusters import shared_clusters

    rows = staged(3)
    kept = spark.createDataFrame(rows).where("action IS NULL AND corpus IS NOT NULL")
    found = shared_clusters(kept.where("cluster IS NOT NULL"), "human")
    known = rows.filter(pa.compute.is_valid(rows["cluster"]))
    assert shared_clusters(kept, "human", known) == found
    assert found


def test_only_small_tables_are_read_by_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dftspark.spark import tables

    (tmp_path / "t").mkdir()
    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), tmp_path / "t" / "part-0.parquet")
    assert tables.small(str(tmp_path / "t"), ["b"]) == pa.table({"b": [3, 4]})
    monkeypatch.setattr(tables, "_SMALL", 10)
    assert tables.small(str(tmp_path / "t"), ["b"]) is None
