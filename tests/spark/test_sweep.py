"""Two hundred small corpora of one sampler sweep: one pass, one comparison, bounded states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import config
from dftspark.corpus.synthetic import Phrase, Source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.store import Run

pytestmark = pytest.mark.spark

HUMAN, EACH = 400, 24  # documents; 24 clusters are eight blocks
FEW, MANY = 5, 200  # corpora of a sweep
ORDERS, WIDTH = [1, 2], 256
PHRASE = "it is worth noting"
METRICS = 8  # of each order


def temperature(i: int) -> str:
    return f"{i / 100:.2f}"


def times(i: int, corpora: int) -> float:
    """How often a corpus of the sweep has the phrase, over the human rate: 0 to 8."""
    return 8 * i / (corpora - 1)


def write(folder: Path, corpora: int) -> None:
    """Human documents, and one file with every corpus of the sweep in turn."""
    parts = []
    for i in range(corpora):
        phrase = Phrase(text=PHRASE, per_thousand=3, times=times(i, corpora))
        source = Source(seed=1, vocabulary=2_000, topics=20, mean_tokens=60, phrases=(phrase,))
        if i == 0:
            source.write(folder / "human.parquet", HUMAN)
        batch = source.documents(EACH, start=HUMAN + i * EACH, role="model")
        column = pa.array([temperature(i)] * EACH)
        parts.append(batch.append_column("temperature", column))
    table = pa.Table.from_batches(parts)
    order = np.random.default_rng(0).permutation(table.num_rows)
    pq.write_table(table.take(pa.array(order)), folder / "sweep.parquet")


def audit(spark: SparkSession, folder: Path, corpora: int) -> tuple[Run, int, int]:
    """(run, Spark jobs, stages)."""
    from dftspark import runs

    write(folder, corpora)
    settings = config.Audit.parse(
        {
            "out": str(folder / "runs"),
            "corpora": {
                "human": {"role": "human", "path": str(folder / "human.parquet")},
                "sweep": {
                    "role": "model",
                    "path": str(folder / "sweep.parquet"),
                    "split_by": ["temperature"],
                },
            },
            "ngrams": {"orders": ORDERS, "sketch_width": WIDTH, "phrases": 200, "table_rows": 50},
            "inference": {"permutations": 99, "splits": 20},
        },
        "the test",
    )
    group = f"sweep of {corpora}"
    spark.sparkContext.setJobGroup(group, group)
    try:
        run = runs.audit(spark, settings)
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
    tracker = spark.sparkContext.statusTracker()
    jobs = tracker.getJobIdsForGroup(group)
    found = [tracker.getJobInfo(job) for job in jobs]
    return run, len(jobs), sum(len(info.stageIds) for info in found if info is not None)


@pytest.fixture(scope="module")
def few(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, int, int]]:
    yield audit(spark, tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def many(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, int, int]]:
    yield audit(spark, tmp_path_factory.mktemp("many"), MANY)


def test_x(few, many):
    for run, jobs, stages in (few, many):
        print(jobs, stages, run.manifest["seconds"])
        print(run.table("corpora").to_pylist()[:3])
        print(run.table("metrics").num_rows)
