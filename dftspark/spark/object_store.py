"""Tables in object stores, which tasks write and read through pyarrow.

Spark itself reaches such a store only with a connector for exactly its version of Hadoop, and with
settings and credentials of its own. pyarrow has none of that to get wrong: it is installed wherever
dftspark is, and the rest of a run, its states and its manifest, goes through it already.

Cost    a task holds one row group; a table is read in one task per file
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from dftspark.location import Location, writing
from dftspark.store import publish, scan

_PART = pa.schema([("part", pa.string())])
_MOST_TASKS = 4096
_ROWS = 1 << 20  # of a row group that has no other limit


def write(
    table: DataFrame, folder: Location, compression: str, group_bytes: int, group_rows: int | None
) -> None:
    """Adds Parquet files with the rows of `table` to the folder, at least one.

    A task that fails, or runs twice, may leave a file behind; only the files of successful attempts
    stay.
    """
    token, columns = uuid.uuid4().hex, to_arrow_schema(table.schema)
    task = _writing(
        folder.name, token, columns, compression, group_bytes, min(group_rows or _ROWS, _ROWS)
    )
    told = table.mapInArrow(task, from_arrow_schema(_PART)).toArrow()
    settle(folder, token, set(told["part"].to_pylist()), columns)


def settle(folder: Location, token: str, kept: Collection[str], columns: pa.Schema) -> None:
    """Makes the files `kept`, of those whose names begin with `token`, a part of the table; one
    without rows if there are none."""
    with writing(folder):
        for part in publish.parts_of(folder):
            if part.base_name.startswith(token) and part.base_name not in kept:
                folder.filesystem.delete_file(part.path)
        if not kept:
            empty = folder / f"{token}-none.parquet"
            with empty.filesystem.open_output_stream(empty.path) as stream:
                pq.write_table(columns.empty_table(), stream, write_page_checksum=True)
        # Readers take a table without this mark for one that is not whole.
        folder.filesystem.open_output_stream((folder / "_SUCCESS").path).close()


def _writing(
    root: str, token: str, columns: pa.Schema, compression: str, most_bytes: int, most_rows: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        partition = context.partitionId() if context is not None else 0
        name = f"{token}-{partition:05}-{uuid.uuid4().hex[:8]}.parquet"
        place = Location.parse(root) / name  # each task reaches the storage by itself
        groups = _groups(batches, columns, most_bytes, most_rows)
        first = next(groups, None)
        if first is None:
            return
        with (
            writing(place),
            place.filesystem.open_output_stream(place.path) as stream,
            pq.ParquetWriter(
                stream, columns, compression=compression, write_page_checksum=True
            ) as writer,
        ):
            writer.write_table(first, most_rows)
            for group in groups:
                writer.write_table(group, most_rows)
        yield pa.RecordBatch.from_arrays([pa.array([name])], schema=_PART)

    return run


def _groups(
    batches: Iterable[pa.RecordBatch], columns: pa.Schema, most_bytes: int, most_rows: int
) -> Iterator[pa.Table]:
    """Yields the rows in tables that a row group may hold."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        if held and (size + batch.nbytes > most_bytes or rows + batch.num_rows > most_rows):
            yield pa.Table.from_batches(held).cast(columns)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if held:
        yield pa.Table.from_batches(held).cast(columns)


def read(
    spark: SparkSession, files: Sequence[Location], of: StructType, file: str | None = None
) -> DataFrame:
    """Returns the columns `of` of those Parquet files, and with `file` a column of that name with
    the name of each row's file.

    Raises, in its tasks, InputError for a file that is not whole.
    """
    columns = StructType([*of.fields])
    if file is not None:
        columns = columns.add(file, "string")
    if not files:
        return spark.createDataFrame([], columns)
    tasks = min(len(files), _MOST_TASKS)
    reading = scan.task([place.name for place in files], to_arrow_schema(of), file)
    return spark.range(0, len(files), 1, tasks).mapInArrow(reading, columns)
