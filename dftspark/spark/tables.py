"""Tables that Spark writes and reads, in the columns of their schemas."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from dftspark import schema
from dftspark.location import Location, writing
from dftspark.spark import object_store
from dftspark.spark.rows import InProcess, Rows, Session
from dftspark.store import publish
from dftspark.store.run import Run

_ROW_GROUP = 16 << 20  # bytes of a row group that a task holds while it writes


def write(table: Rows, path: str, compression: str = "zstd", group_rows: int | None = None) -> None:
    """Writes Parquet to a new folder; `group_rows` is the largest number of rows in a row group."""
    place = Location.parse(path)
    if isinstance(table, pa.Table):
        return _put(table, place, compression, group_rows)
    if place.object_store:
        return object_store.write(table, place, compression, _ROW_GROUP, group_rows)
    writer = table.write.mode("error").option("parquet.block.size", _ROW_GROUP)
    if group_rows is not None:
        writer = writer.option("parquet.block.row.count.limit", group_rows)
    writer.parquet(path, compression=compression)


def _put(table: pa.Table, place: Location, compression: str, group_rows: int | None) -> None:
    with writing(place):
        place.filesystem.create_dir(place.path)
        file = (place / "part-00000.parquet").path
        with place.filesystem.open_output_stream(file) as stream:
            pq.write_table(
                table,
                stream,
                compression=compression,
                row_group_size=group_rows,
                write_page_checksum=True,
            )
        place.filesystem.open_output_stream((place / "_SUCCESS").path).close()


def append(table: DataFrame, path: str) -> None:
    """Adds rows to what `write` wrote."""
    place = Location.parse(path)
    if place.object_store:
        return object_store.write(table, place, "zstd", _ROW_GROUP, None)
    table.write.mode("append").parquet(path, compression="zstd")


def read(spark: Session, path: str, of: pa.Schema | StructType) -> Rows:
    """Reads what `write` wrote, without a job that looks up the columns in a file."""
    return files(spark, [path], of)


def files(spark: Session, paths: Sequence[str], of: pa.Schema | StructType) -> Rows:
    """Reads several Parquet files or folders, each page of which must be as it was written."""
    if isinstance(spark, InProcess):
        assert isinstance(of, pa.Schema)
        return _here([Location.parse(path) for path in paths], of)
    columns = of if isinstance(of, StructType) else from_arrow_schema(of)
    places = [Location.parse(path) for path in paths]
    if any(place.object_store for place in places):
        parts = [place.at(part) for place in places for part in sorted(publish.files_of(place))]
        return object_store.read(spark, parts, columns)
    # A page that has changed on the disk must be an error, not a different number.
    reader = spark.read.schema(columns).option("parquet.page.verify-checksum.enabled", "true")
    return reader.parquet(*[place.for_spark for place in places])


def collected(path: str, of: pa.Schema) -> pa.Table:
    """Reads everything that `write` wrote on the driver, without a job."""
    return _here([Location.parse(path)], of)


def _here(places: Sequence[Location], of: pa.Schema) -> pa.Table:
    parts = [of.empty_table()]
    for place in places:
        for part in sorted(publish.files_of(place)):
            with place.filesystem.open_input_file(part) as file:
                found = pq.read_table(file, page_checksum_verification=True)
                parts.append(found.select(of.names).cast(of))
    return pa.concat_tables(parts)


def settled(rows: Rows, path: str, of: pa.Schema) -> pa.Table:
    """Returns all rows, which Spark leaves at `path`, on the driver."""
    if isinstance(rows, pa.Table):
        return rows
    write(rows, path)
    return collected(path, of)


_SMALL = 32 << 20  # bytes of files that the driver reads itself rather than start a job


def small(path: str, columns: Sequence[str]) -> pa.Table | None:
    """Reads columns of what `write` wrote on the driver, without a job; None if that is too
    much."""
    place = Location.parse(path)
    files = publish.files_of(place)
    if sum(files.values()) > _SMALL:
        return None
    parts = []
    for part in sorted(files):
        with place.filesystem.open_input_file(part) as file:
            parts.append(pq.read_table(file, columns=list(columns)))
    return pa.concat_tables(parts) if parts else None


def stored(spark: SparkSession, table: str, runs: Sequence[Run]) -> DataFrame:
    """Reads the rows of a table of states in several runs; a day without documents may have no
    file."""
    return files(spark, [run.table_path(table) for run in runs], schema.STATES[table])


def conform(table: DataFrame, of: pa.Schema) -> DataFrame:
    """Returns the columns of a schema in its order and types; raises if one is missing."""
    spark_types = from_arrow_schema(of)
    return table.select(*[F.col(f.name).cast(f.dataType).alias(f.name) for f in spark_types])


def rejects(issues: Rows, run_id: str, date: str) -> Rows:
    """Returns schema.REJECTS."""
    if isinstance(issues, pa.Table):
        of_run = {"run_id": [run_id] * len(issues), "date": [date] * len(issues)}
        columns = {**of_run, **{name: issues[name] for name in issues.column_names}}
        return pa.table([columns[name] for name in schema.REJECTS.names], schema=schema.REJECTS)
    run = {"run_id": F.lit(run_id), "date": F.lit(date)}
    # Only a damaged file has unread bytes.
    absent = [name for name in ("unread_bytes", "lost_rows") if name not in issues.columns]
    run |= {name: F.lit(None).cast("long") for name in absent}
    return conform(issues.withColumns(run), schema.REJECTS)
