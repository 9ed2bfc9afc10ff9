"""How far Spark is with the work of a stage, for the progress display."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from dftspark.report.progress import Stage


@contextmanager
def watched(spark: SparkSession, stage: Stage) -> Iterator[None]:
    yield
