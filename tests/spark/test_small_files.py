"""Many small files are few tasks; what is read does not depend on how they are packed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from dftspark.config import Audit
from dftspark.corpus.files import SPLIT_BYTES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def test_three_hundred_files(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.spark import documents

    for i in range(300):
        (tmp_path / f"h{i}.txt").write_text(f"text {i}")
    (tmp_path / "m.txt").write_text("other")
    corpora = {
        "human": {"role": "human", "path": str(tmp_path / "h*.txt")},
        "m": {"role": "model", "path": str(tmp_path / "m.txt")},
    }
    staging = tmp_path / "staging"
    found = documents.read(spark, Audit.parse({"corpora": corpora}, "test"), str(staging))
    written = list(staging.glob("part-*.parquet"))
    assert len(written) == 5  # 301 files that cost as much as 1 MiB each to open, by 64 MiB
    assert sum(pq.read_metadata(path).num_rows for path in written) == 301
    texts = {row["text"] for row in found.kept.select("text").toArrow().to_pylist()}
    assert texts == {f"text {i}" for i in range(300)} | {"other"}


@pytest.mark.parametrize("slots", [1, 4, 200])
def test_tasks_have_about_the_same_to_read(slots: int) -> None:
    from dftspark.spark.reading import packed

    sizes = [1 << (i % 25) for i in range(2_000)]
    tasks = packed(sizes, slots)
    load = [0] * (max(tasks) + 1)
    for task, size in zip(tasks, sizes, strict=True):
        load[task] += size
    assert len(load) == max(slots, -(-(sum(sizes) + (2_000 << 20)) // SPLIT_BYTES))
    # Given to the least loaded, no task has more than the mean and one file more than another.
    opened = [0] * len(load)
    for task in tasks:
        opened[task] += 1
    weights = [size + (count << 20) for size, count in zip(load, opened, strict=True)]
    assert max(weights) - min(weights) <= max(sizes) + (1 << 20)


def test_a_file_is_a_task_where_there_are_few() -> None:
    from dftspark.spark.reading import packed

    assert sorted(packed([10, 20, 30], 8)) == [0, 1, 2]
    large = [SPLIT_BYTES] * 9
    assert len(set(packed(large, 2))) == 9
    assert all(task < 4096 for task in packed([SPLIT_BYTES] * 5_000, 2))
