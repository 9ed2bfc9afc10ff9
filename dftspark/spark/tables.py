"""Tables that are written and read by Spark, in the columns of their schemas."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.store.run import Run

_ROW_GROUP = 16 << 20  # bytes of a row group that a task holds while it writes


def write(
    table: DataFrame, path: str, compression: str = "zstd", group_rows: int | None = None
) -> None:
    """Writes Parquet to a new folder; `group_rows` is the most rows a row group has."""
    writer = table.write.mode("error").option("parquet.block.size", _ROW_GROUP)
    if group_rows is not None:
        writer = writer.option("parquet.block.row.count.limit", group_rows)
    writer.parquet(path, compression=compression)


def read(spark: SparkSession, path: str, of: pa.Schema) -> DataFrame:
    """What `write` wrote, without a job that looks the columns up in a file."""
    return spark.read.schema(from_arrow_schema(of)).parquet(path)


def stored(spark: SparkSession, table: str, runs: Sequence[Run]) -> DataFrame:
    """The rows of a table of states in several runs; a day without documents may have no file."""
    reader = spark.read.schema(from_arrow_schema(schema.STATES[table]))
    # A page that has changed on the disk is an error and not another number.
    reader = reader.option("parquet.page.verify-checksum.enabled", "true")
    return reader.parquet(*[run.table_path(table) for run in runs])


def conform(table: DataFrame, of: pa.Schema) -> DataFrame:
    """The columns of a schema in its order and types; raises where one is missing."""
    spark_types = from_arrow_schema(of)
    return table.select(*[F.col(f.name).cast(f.dataType).alias(f.name) for f in spark_types])


def rejects(issues: DataFrame, run_id: str, date: str) -> DataFrame:
    """schema.REJECTS."""
    run = {"run_id": F.lit(run_id), "date": F.lit(date)}
    # Of what is not a damaged file nothing is unread.
    absent = [name for name in ("unread_bytes", "lost_rows") if name not in issues.columns]
    run |= {name: F.lit(None).cast("long") for name in absent}
    return conform(issues.withColumns(run), schema.REJECTS)


def untested(rows: DataFrame) -> DataFrame:
    """The rows of a lens's table without what takes clusters for independent."""
    tests = [column for column in ("z", "p_value", "q_value") if column in rows.columns]
    rows = rows.withColumns({column: F.lit(None).cast("double") for column in tests})
    return rows.withColumn("outside", F.lit(False)) if "outside" in rows.columns else rows
