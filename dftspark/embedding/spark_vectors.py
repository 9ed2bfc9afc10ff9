"""Vectors on Spark: from the store to documents, and between Arrow and NumPy.

On Spark a vector is binary, its float32 coordinates in a row, which Java moves as a whole: through
`mapInArrow` it costs 5 microseconds at d = 384 and a list of floats 25; written to Parquet, 10 and
100. So lists, which the store keeps for the sake of all readers, are read in Python.

Cost    one shuffle of the members' names; a task holds one file of the store, at most 16,384 texts
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from dftspark import schema
from dftspark.embedding.recipe import Recipe
from dftspark.embedding.store import VectorStore
from dftspark.errors import InputError, ShapeError
from dftspark.spark import object_store
from dftspark.spark.session import shuffle_partitions

_ITEM = np.dtype(np.float32).itemsize


def matrix(column: pa.Array[Any] | pa.ChunkedArray[Any], dim: int | None = None) -> NDArray[Any]:
    """Returns a binary column as `(B, dim)` float32, without a copy where it is one array.

    Raises InputError for nulls, ShapeError for vectors whose widths differ from each other or from
    `dim`.
    """
    if column.null_count:
        raise InputError(
            f"{column.null_count} of {len(column)} vectors are null; documents without a vector "
            f"are rejects, leave them out"
        )
    lengths = pc.unique(pc.binary_length(column)).to_pylist()
    wanted = _ITEM * dim if dim is not None else lengths[0] if lengths else 0
    if any(length != wanted for length in lengths):
        raise ShapeError(
            f"vectors have {[length // _ITEM for length in lengths[:5]]} coordinates, expected "
            f"{wanted // _ITEM} in all of them; was a corpus embedded with another model?"
        )
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_rows(chunk, wanted // _ITEM) for chunk in chunks]
    none = np.empty((0, wanted // _ITEM), np.float32)
    return parts[0] if len(parts) == 1 else np.concatenate([none, *parts])


def _rows(chunk: pa.Array[Any], dim: int) -> NDArray[np.float32]:
    if not len(chunk):
        return np.empty((0, dim), np.float32)
    _, offsets, data = chunk.buffers()
    first = np.frombuffer(offsets, np.int32)[chunk.offset]
    return np.frombuffer(data, np.float32, len(chunk) * dim, int(first)).reshape(-1, dim)


def column(vectors: NDArray[np.float32]) -> pa.Array[Any]:
    """Returns the binary column of vectors `(B, d)`, below 2 GiB."""
    whole = np.ascontiguousarray(vectors, np.float32)
    offsets = np.arange(len(whole) + 1, dtype=np.int32) * np.int32(_ITEM * whole.shape[1])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(whole)]
    return pa.Array.from_buffers(pa.binary(), len(whole), buffers)


# --- from the store -----------------------------------------------------------------------------


def stored(spark: SparkSession, store: VectorStore) -> DataFrame:
    """Returns (key, problem, file) of all that the store holds; a text may be in several files."""
    files = [store.folder / name for name in store.files()]
    of = from_arrow_schema(schema.VECTORS)
    if store.folder.object_store or not files:
        known = StructType([of["key"], of["problem"]])
        return object_store.read(spark, files, known, file="file")
    reader = spark.read.schema(of).option("parquet.page.verify-checksum.enabled", "true")
    file = F.col("_metadata.file_name").alias("file")
    return reader.parquet(*[place.for_spark for place in files]).select("key", "problem", file)


def of_members(members: DataFrame, root: str, recipe: Recipe) -> DataFrame:
    """Returns schema.TEXTED_CLOUDS of those schema.MEMBERS whose text has a vector."""
    spark, store = members.sparkSession, VectorStore.of(root, recipe)
    held = stored(spark, store).where("problem IS NULL")
    # Two jobs may have embedded a text at once; on a GPU the last bits of their vectors differ.
    located = (
        members.select("key")
        .distinct()
        .join(held, "key")
        .groupBy("key")
        .agg(F.min("file").alias("file"))
    )
    tasks = max(1, min(len(store.files()), shuffle_partitions(spark)))
    placed = members.join(located, "key").repartition(tasks, "file").sortWithinPartitions("file")
    turn = F.xxhash64("cluster").alias("turn")
    columns = placed.select("corpus", "stratum", "cluster", "doc_id", "text", turn, "key", "file")
    return columns.mapInArrow(_reading(root, recipe), from_arrow_schema(schema.TEXTED_CLOUDS))


def _reading(
    root: str, recipe: Recipe
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store, name = VectorStore.of(root, recipe), ""
        keys, vectors = pa.array([], pa.binary()), np.empty((0, 0), np.float32)
        for batch in batches:
            files = np.array(batch["file"].to_pylist(), object)
            cuts = [0, *(np.flatnonzero(files[1:] != files[:-1]) + 1).tolist(), len(files)]
            for start, end in pairwise(cuts):
                if files[start] != name:
                    name = files[start]
                    keys, vectors = store.read(name)
                part = batch.slice(start, end - start)
                found = vectors[pc.index_in(part["key"], keys).to_numpy()]
                columns = {
                    **{name: part[name] for name in part.schema.names},
                    "vector": column(found),
                }
                arrays = [columns[name] for name in schema.TEXTED_CLOUDS.names]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema.TEXTED_CLOUDS)

    return run
