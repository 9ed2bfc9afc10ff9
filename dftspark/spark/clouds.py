"""Vectors to sums of random features on Spark: one state a (corpus, stratum).

`vectors` are rows of schema.CLOUDS, in any order: array<float> or fixed-size lists of float32. A
pilot gives the bandwidth, which is frozen; then documents come to a task sorted by corpus and
stratum and leave it as one state each. States are whole numbers and add exactly, so no result
hangs on how Spark cuts the work.

Cost     one shuffle of the vectors; in Python 60 microseconds a document and core;
         a task holds 16,384 vectors and two states, a merge at most 128 encoded ones
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Mmd
from dftspark.corpus.blocks import block_of
from dftspark.distances.mmd import median_distance
from dftspark.errors import IncomparableProfiles, InputError, ShapeError
from dftspark.features.fourier import Frequencies
from dftspark.features.hashing import digest64
from dftspark.spark.records import record, runs
from dftspark.stats.feature_sums import FeatureState, FeatureSums
from dftspark.stats.protocol import VectorBatch

ROWS_A_TASK = 50_000
_MOST_TASKS = 128  # of one stratum: their states meet in one merge
_BUFFER = 16_384  # documents whose features are taken at once
_MOST_PILOT = 4_000  # documents of all corpora together: their distances are all taken

Group = tuple[str, str]

_PLACES = pa.schema(
    [("corpus", pa.string()), ("stratum", pa.string()), ("first", pa.int64()),
     ("width", pa.int64())]
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How the work is cut; no result hangs on it.

    tasks  for each (corpus, stratum): the first of its tasks, and how many it has
    total  tasks in all
    """

    tasks: dict[Group, tuple[int, int]]
    total: int

    @classmethod
    def of(cls, documents: dict[Group, int], rows: int = ROWS_A_TASK) -> Layout:
        """`documents` as `counts` gives them; small groups share a task of about `rows`."""
        tasks, used = {}, 0.0
        for group, count in sorted(documents.items()):
            wanted = min(_MOST_TASKS, max(1, round(count / rows)))
            first = int(used) if wanted == 1 else int(np.ceil(used))
            tasks[group] = (first, wanted)
            used = first + wanted if wanted > 1 else max(used, first) + count / rows
        return cls(tasks, int(used) + 1)


def counts(vectors: DataFrame) -> dict[Group, int]:
    """Documents of each (corpus, stratum)."""
    rows = vectors.groupBy("corpus", "stratum").count().toArrow().to_pylist()
    return {(row["corpus"], row["stratum"]): row["count"] for row in rows}


@dataclass(frozen=True, eq=False)
class Pilot:
    """vectors `(k, dim)` float32, and the corpus `(k,)` of each."""

    vectors: NDArray[np.float32]
    corpora: NDArray[Any]


def pilot(vectors: DataFrame, settings: Mmd) -> Pilot:
    """One document of each of up to `settings.pilot` clusters a corpus.

    Clusters by their hash, of each the first doc_id: the same sample for any partitioning, in the
    same order. Of many corpora fewer each, 4,000 in all. Raises InputError where there is none.
    """
    corpora = vectors.select("corpus").distinct().count()
    most = min(settings.pilot, max(20, _MOST_PILOT // max(corpora, 1)))
    firsts = vectors.groupBy("corpus", "cluster").agg(F.min("doc_id").alias("doc_id"))
    order = F.xxhash64(F.lit("dftspark pilot v1"), F.lit(settings.seed), "cluster")
    ranked = firsts.withColumn(
        "rank", F.row_number().over(Window.partitionBy("corpus").orderBy(order, "cluster"))
    )
    chosen = ranked.where(F.col("rank") <= most).select("corpus", "doc_id", "rank")
    found = vectors.join(F.broadcast(chosen), ["corpus", "doc_id"]).select(
        "corpus", "rank", "vector"
    )
    table = found.toArrow().sort_by([("corpus", "ascending"), ("rank", "ascending")])
    if not table.num_rows:
        raise InputError("no document has a vector; look at the rejects of the embedding")
    names = np.array(table["corpus"].to_pylist(), object)
    return Pilot(matrix(table["vector"].combine_chunks()), names)


def statistic(vectors: DataFrame, settings: Mmd, fingerprint: str = "") -> FeatureSums:
    """The frozen statistic of these vectors: what the manifest keeps, and all corpora share.

    `fingerprint` is that of cleaning and embedder. The pilot is not read where the configuration
    sets the bandwidth.
    """
    if settings.bandwidth == 0:
        sample = pilot(vectors, settings).vectors
        dim, sigma = sample.shape[1], median_distance(sample)
    else:
        dim = vectors.select(F.size("vector").alias("dim")).limit(1).toArrow()["dim"][0].as_py()
        sigma = settings.bandwidth
    frequencies = Frequencies(dim=dim, sigma=sigma, least=settings.features, seed=settings.seed)
    return FeatureSums(frequencies=frequencies, vectors=fingerprint)


def fold(vectors: DataFrame, of: FeatureSums, layout: Layout) -> DataFrame:
    """schema.FEATURE_SUMS: one row a (corpus, stratum), the same for any layout, bit for bit.

    Raises, in its tasks, ShapeError for vectors of another width, InputError for unfit ones.
    """
    placed = _placed(vectors, layout)
    partial = placed.mapInArrow(_folding(of), from_arrow_schema(schema.PARTIAL_SUMS))
    grouped = partial.groupBy("corpus", "stratum")
    return grouped.applyInArrow(merging(of), from_arrow_schema(schema.FEATURE_SUMS))


def states(stored: DataFrame, of: FeatureSums) -> Iterator[tuple[Group, FeatureState]]:
    """The states of `fold`, one after another. Raises IncomparableProfiles for one of another
    statistic: other frequencies, bandwidth, seed or embedder."""
    for row in stored.select(*schema.FEATURE_SUMS.names).toLocalIterator():
        if row["fingerprint"] != of.fingerprint:
            raise IncomparableProfiles(of.name, of.fingerprint, row["fingerprint"])
        yield (row["corpus"], row["stratum"]), FeatureState.decode(bytes(row["state"]))


def matrix(column: pa.Array[Any], dim: int | None = None) -> NDArray[np.float32]:
    """`(B, dim)` of a column of float32 lists, without a copy where it has no gaps.

    Raises InputError for nulls, ShapeError for lists of unlike lengths, or of another than `dim`.
    """
    values = column.flatten()
    if column.null_count or values.null_count:
        raise InputError(
            f"{column.null_count} of {len(column)} vectors are null, {values.null_count} "
            f"coordinates are; documents without a vector are rejects, leave them out"
        )
    lengths = np.unique(np.asarray(pc.list_value_length(column)))
    wanted = dim if dim is not None else int(lengths[0]) if len(lengths) else 0
    if len(lengths) > 1 or (len(lengths) and lengths[0] != wanted):
        raise ShapeError(
            f"vectors have {lengths[:5].tolist()} coordinates, expected {wanted} in all of them; "
            f"was a corpus embedded with another model?"
        )
    return np.asarray(values, np.float32).reshape(-1, wanted)


def _placed(vectors: DataFrame, layout: Layout) -> DataFrame:
    """Documents in their group's tasks, by their cluster, sorted by group."""
    rows = [
        {"corpus": corpus, "stratum": stratum, "first": first, "width": width}
        for (corpus, stratum), (first, width) in layout.tasks.items()
    ]  # none of a day without documents
    places = vectors.sparkSession.createDataFrame(pa.Table.from_pylist(rows, schema=_PLACES))
    # A group that came since the counts were taken goes to the first task, not astray.
    task = F.coalesce(F.col("first") + F.pmod(F.xxhash64("cluster"), F.col("width")), F.lit(0))
    return (
        vectors.select("corpus", "stratum", "cluster", "vector")
        .join(F.broadcast(places), ["corpus", "stratum"], "left")
        .select("corpus", "stratum", "cluster", "vector", task.cast("int").alias("task"))
        .repartitionById(layout.total, F.col("task"))
        .drop("task")
        .sortWithinPartitions("corpus", "stratum")
    )


def _folding(of: FeatureSums) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        group: Group | None = None
        state, held = of.empty(), _Held([], [], 0)
        for key, rows in runs(batches):
            if key != group:
                if group is not None:
                    state = of.merge(state, of.observe(held.take()))
                    yield record(schema.PARTIAL_SUMS, *group, state.encode())
                group, state = key, of.empty()
            held.add(matrix(rows["vector"], of.frequencies.dim), rows["cluster"].to_pylist())
            if held.count >= _BUFFER:
                state = of.merge(state, of.observe(held.take()))
        if group is not None:
            state = of.merge(state, of.observe(held.take()))
            yield record(schema.PARTIAL_SUMS, *group, state.encode())

    return run


@dataclass
class _Held:
    """Documents of one (corpus, stratum) whose features are not yet taken."""

    vectors: list[NDArray[np.float32]]
    clusters: list[str]
    count: int

    def add(self, vectors: NDArray[np.float32], clusters: list[str]) -> None:
        self.vectors.append(vectors)
        self.clusters += clusters
        self.count += len(vectors)

    def take(self) -> VectorBatch:
        names, which = np.unique(np.array(self.clusters, object), return_inverse=True)
        hashes = np.array([digest64(name, "dftspark cluster v1") for name in names], np.uint64)
        blocks = block_of(names.tolist()).astype(np.int64)
        batch = VectorBatch(np.concatenate(self.vectors), hashes[which], blocks[which])
        self.vectors, self.clusters, self.count = [batch.vectors[:0]], [], 0
        return batch


def merging(of: FeatureSums) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        state = of.empty()
        for encoded in partials["state"]:
            state = of.merge(state, FeatureState.decode(encoded.as_buffer()))
        row = record(
            schema.FEATURE_SUMS,
            key[0].as_py(), key[1].as_py(), of.fingerprint,
            int(state.documents.sum()), state.encode(),
        )  # fmt: skip
        return pa.Table.from_batches([row])

    return run
