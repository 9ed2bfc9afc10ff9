"""Rows that Spark has, or that this process has, and the few things that stages do with either.

An audit of a few megabytes spends most of its time on starting Java and on moving rows to Python
and back. Where everything fits, `InProcess` stands in the place of the session, Arrow tables in the
place of DataFrames, and the functions that tasks would run are called here, with equal results.
What needs more of Spark than that raises NeedsSpark, and the work starts again on Spark.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark.needs_spark import NeedsSpark
from dftspark.spark import session
from dftspark.spark.placement import placed

_BATCH_ROWS = 1024  # as many as Spark gives to a function


class InProcess:
    """Stands where the session stands, in a run that this process makes without Spark."""


Session: TypeAlias = SparkSession | InProcess
Rows: TypeAlias = DataFrame | pa.Table
Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def on_spark(spark: Session) -> SparkSession:
    """Returns the session. Raises NeedsSpark in a process that does without one."""
    if isinstance(spark, InProcess):
        raise NeedsSpark("this work is done by Spark alone")
    return spark


def dealt(spark: Session, rows: pa.Table, tasks: int) -> Rows:
    """Returns rows of the driver, each in the task that its column `task` names."""
    if isinstance(spark, InProcess):
        return rows
    return placed(spark.createDataFrame(rows), tasks, "task")


def mapped(rows: Rows, work: Task, of: pa.Schema) -> Rows:
    """Returns what `work` makes of the batches of every task, with the columns `of`."""
    if isinstance(rows, pa.Table):
        return pa.Table.from_batches(list(work(_batches(rows))), of)
    return rows.mapInArrow(work, from_arrow_schema(of))


def each(rows: Rows, work: Task, of: pa.Schema) -> Rows:
    """Returns the same as `mapped` where every row is work of its own; this process does it in as
    many threads as it has cores."""
    if isinstance(rows, pa.Table):
        alone = [rows.slice(i, 1) for i in range(len(rows))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = pool.map(lambda row: list(work(_batches(row))), alone)
            return pa.Table.from_batches([batch for own in done for batch in own], of)
    return mapped(rows, work, of)


def _batches(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    return iter(rows.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS))


def only(rows: Rows, column: str, values: Sequence[str]) -> Rows:
    """Returns the rows that have one of those values in a column."""
    if isinstance(rows, pa.Table):
        return rows.filter(pc.is_in(rows[column], value_set=pa.array(values, pa.string())))
    return rows.where(F.col(column).isin(list(values)))


def collected(rows: Rows) -> pa.Table:
    """Returns the rows on the driver."""
    return rows if isinstance(rows, pa.Table) else rows.toArrow()


def slots(spark: Session) -> int:
    """Returns how many tasks a stage should have at least, for every core to have work."""
    if isinstance(spark, InProcess):
        return os.cpu_count() or 1
    return session.shuffle_partitions(spark)


def here(spark: Session) -> bool:
    """Returns whether this machine does the work: this process, or a Spark that is local."""
    if isinstance(spark, InProcess):
        return True
    remote = type(spark).__module__.startswith("pyspark.sql.connect")
    return not remote and (spark.conf.get("spark.master", None) or "").startswith("local")


def relied_on(spark: Session) -> Session:
    """Returns the session itself, with the settings on which results depend."""
    return spark if isinstance(spark, InProcess) else session.relied_on(spark)
