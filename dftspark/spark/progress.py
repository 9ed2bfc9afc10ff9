"""Spark's progress within a stage, for the progress display.

This is the only place that distinguishes classic sessions from Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from dftspark.polling import polling
from dftspark.progress import Stage
from dftspark.spark.rows import InProcess, Session

_SECONDS = 0.5


@contextmanager
def watched(spark: Session, stage: Stage) -> Iterator[None]:
    """Notifies `stage` of every Spark task that ends while the block runs."""
    if isinstance(spark, InProcess):
        yield
    elif hasattr(spark, "_jsparkSession"):
        with _classic(spark, stage):
            yield
    else:
        with _connect(spark, stage):
            yield


@contextmanager
def _classic(spark: SparkSession, stage: Stage) -> Iterator[None]:
    tracker = spark.sparkContext.statusTracker()
    seen: dict[int, int] = {}

    def look() -> None:
        for number in tracker.getActiveStageIds():
            found = tracker.getStageInfo(number)
            done = found.numCompletedTasks if found else 0
            if done > seen.get(number, 0):
                stage.advance(done - seen.get(number, 0))
                seen[number] = done

    with polling(look, _SECONDS):
        yield


@contextmanager
def _connect(spark: SparkSession, stage: Stage) -> Iterator[None]:
    seen: dict[tuple[str | None, int], int] = {}

    def told(stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        for found in stages or ():
            key = (operation_id, found.stage_id)
            if found.num_completed_tasks > seen.get(key, 0):
                stage.advance(found.num_completed_tasks - seen.get(key, 0))
                seen[key] = found.num_completed_tasks

    handler: Any = told  # Spark accepts any such function; its types ask for a class
    spark.registerProgressHandler(handler)
    try:
        yield
    finally:
        spark.removeProgressHandler(handler)
