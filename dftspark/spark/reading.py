"""Reads files and rows on Spark into one row per document or issue, schema.STAGED."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import files, fit, ingest
from dftspark.corpus.losses import Listed
from dftspark.needs_spark import NeedsSpark
from dftspark.spark import sources
from dftspark.spark.placement import placed
from dftspark.spark.session import shuffle_partitions
from dftspark.spark.sources import RowSource

_SPLITS = pa.schema([("task", pa.int32()), ("source", pa.string()), ("split", pa.string())])
_OPENING = 1 << 20  # bytes that are read in the time that opening a file takes
_MOST_TASKS = 4096
# Of files, and of rows in memory, with which a process does without Spark.
MOST_FILES, MOST_BYTES = 8 << 20, 32 << 20


def stage(
    spark: SparkSession, config: Audit, row_sources: Mapping[str, RowSource]
) -> tuple[DataFrame, dict[str, Listed]]:
    """Returns one row per document or issue, schema.STAGED; files are read inside the tasks.

    Also returns the files of each corpus as they were listed. Raises what `files.find_all` raises,
    and ConfigError for a column that is not in the first files of a corpus.
    """
    found, notes, listed = _listed(config)
    parts = [sources.staged(source, name, config) for name, source in row_sources.items()]
    if found:
        parts.append(_of_files(spark, config, found))
    if notes:
        parts.append(spark.createDataFrame(notes))
    return reduce(DataFrame.unionByName, parts), listed


def _listed(
    config: Audit,
) -> tuple[list[tuple[str, files.Split]], pa.Table, dict[str, Listed]]:
    """Returns what there is to read, what is said of files that are not read, schema.STAGED, and
    the files of each corpus."""
    found: list[tuple[str, files.Split]] = []
    notes: list[dict[str, str | int | None]] = []
    listed = dict.fromkeys(config.corpora, Listed(0, 0))
    for name, (splits, issues) in files.find_all(config.corpora).items():
        fit.check_files(name, config.corpora[name], splits)
        found += [(name, split) for split in splits]
        sizes = {split.path: split.size for split in splits}
        listed[name] = Listed(len(sizes), sum(sizes.values()))
        notes += [ingest.issue_row(name, config.corpora[name], issue) for issue in issues]
    return found, pa.Table.from_pylist(notes, schema=schema.STAGED), listed


def read_here(
    config: Audit, row_sources: Mapping[str, RowSource]
) -> tuple[pa.Table, dict[str, Listed]]:
    """Returns what `stage` does, of files and of tables in memory, read by this process.

    Raises NeedsSpark where there are more than MOST_BYTES of text.
    """
    found, rows, listed = _listed(config)
    if sum(each.bytes for each in listed.values()) > MOST_FILES:
        raise NeedsSpark(f"there are more than {MOST_FILES >> 20} MB of files")
    held = sum(source.frame.nbytes for source in row_sources.values())
    if held > MOST_BYTES:
        raise NeedsSpark(f"there are more than {MOST_BYTES >> 20} MB in tables")
    parts = [sources.staged(source, name, config) for name, source in row_sources.items()]
    batches: list[pa.RecordBatch] = []
    for name, split in found:
        for batch in ingest.ingest(split, name, config.corpora[name], config.cleaning):
            held += batch.nbytes
            if held > MOST_BYTES:
                raise NeedsSpark(f"there are more than {MOST_BYTES >> 20} MB of text")
            batches.append(batch)
    return pa.concat_tables([*parts, pa.Table.from_batches(batches, schema.STAGED), rows]), listed


def _of_files(
    spark: SparkSession, config: Audit, found: Sequence[tuple[str, files.Split]]
) -> DataFrame:
    tasks = packed([size_of(split) for _, split in found], shuffle_partitions(spark))
    columns = [tasks, [name for name, _ in found], [split.to_json() for _, split in found]]
    table = pa.Table.from_arrays([pa.array(c) for c in columns], schema=_SPLITS)
    return (
        placed(spark.createDataFrame(table), max(tasks) + 1, "task")
        .select("source", "split")
        .mapInArrow(_reader(config), from_arrow_schema(schema.STAGED))
    )


def size_of(split: files.Split) -> int:
    """Returns the bytes that a split has; a part of a Parquet file has about SPLIT_BYTES."""
    if split.end < 0:
        return split.size
    return files.SPLIT_BYTES if split.format == "parquet" else split.end - split.start


def packed(sizes: Sequence[int], slots: int) -> list[int]:
    """Returns the task of each split, numbered from 0, so that many small files make few tasks.

    There are as many tasks as `slots`, or one for each SPLIT_BYTES if that is more, and never more
    than splits. The largest splits are given out first, each to the task that has the least.
    """
    weights = [size + _OPENING for size in sizes]
    count = min(len(sizes), max(slots, -(-sum(weights) // files.SPLIT_BYTES)), _MOST_TASKS)
    load = [(0, task) for task in range(count)]
    tasks = [0] * len(sizes)
    for at in sorted(range(len(sizes)), key=lambda at: (-weights[at], at)):
        least, task = load[0]
        tasks[at] = task
        heapq.heapreplace(load, (least + weights[at], task))
    return tasks


def _reader(
    config: Audit,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                name, split = row["source"], files.Split.from_json(row["split"])
                yield from ingest.ingest(split, name, config.corpora[name], config.cleaning)

    return run
