"""Vectors to sums of random features on Spark: one state a (corpus, stratum).

`vectors` are rows of schema.CLOUDS, in any order. A pilot gives the bandwidth, which is frozen;
then tasks sum the documents where they lie, and their states, whole numbers that add exactly, are
merged in two steps. So no result hangs on how Spark cuts the work.

Cost     in Python 55 microseconds a document and core at d = 384; a task holds up to eight states
         and as many buffers of 8,192 vectors, 250 MB, a merge at most 64 encoded states. Vectors
         are shuffled only where there are more than eight groups
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Mmd
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.errors import IncomparableProfiles, InputError
from dftspark.features.hashing import digest64
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.spark.records import record
from dftspark.stats.protocol import Statistic, VectorBatch

_OPEN = 8  # states that a task holds
_BUFFER = 8_192  # documents of a group whose features are taken at once
_MERGED = 64  # tasks whose states are merged first
_MOST_PILOT = 4_000  # documents of all corpora together: their distances are all taken

Group = tuple[str, str]
Summed = Statistic[VectorBatch, Any]


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
    return Pilot(matrix(table["vector"]), names)


def statistic(vectors: DataFrame, settings: Mmd, fingerprint: str = "") -> FeatureSums:
    """The frozen statistic of these vectors: what the manifest keeps, and all corpora share.

    `fingerprint` is that of cleaning and embedder. The pilot is not read where the configuration
    sets the bandwidth.
    """
    if settings.bandwidth == 0:
        sample = pilot(vectors, settings).vectors
        dim, sigma = sample.shape[1], median_distance(sample)
    else:
        dim = matrix(vectors.select("vector").limit(1).toArrow()["vector"]).shape[1]
        sigma = settings.bandwidth
    frequencies = Frequencies(dim=dim, sigma=sigma, least=settings.features, seed=settings.seed)
    return FeatureSums(frequencies=frequencies, vectors=fingerprint)


def fold(vectors: DataFrame, of: Summed) -> DataFrame:
    """schema.FEATURE_SUMS: one state a (corpus, stratum), the same for any cut, bit for bit.

    Raises, in its tasks, ShapeError for vectors of another width, InputError for unfit ones.
    """
    documents = vectors.select("corpus", "stratum", "cluster", "vector")
    groups = documents.select("corpus", "stratum").distinct().limit(_OPEN + 1).count()
    if groups > _OPEN:
        documents = _gathered(documents)
    partial = documents.mapInArrow(_folding(of), from_arrow_schema(schema.PARTIAL_SUMS))
    bundle = F.floor(F.spark_partition_id() / _MERGED)
    bundled = partial.withColumn("bundle", bundle).groupBy("corpus", "stratum", "bundle")
    some = bundled.applyInArrow(_bundling(of), from_arrow_schema(schema.PARTIAL_SUMS))
    grouped = some.groupBy("corpus", "stratum")
    return grouped.applyInArrow(merging(of), from_arrow_schema(schema.FEATURE_SUMS))


def added_up(found: DataFrame, of: FeatureSums) -> DataFrame:
    """schema.FEATURE_SUMS with one row a (corpus, stratum), from a row for each of several days.

    They are merged by task first, since one is 8 MB.
    """
    partial = found.mapInArrow(_adding(of), from_arrow_schema(schema.PARTIAL_SUMS))
    grouped = partial.groupBy("corpus", "stratum")
    return grouped.applyInArrow(merging(of), from_arrow_schema(schema.FEATURE_SUMS))


def _gathered(documents: DataFrame) -> DataFrame:
    """Few groups to a task, one after another, and large groups in several tasks."""
    order = "corpus", "stratum", F.xxhash64("cluster")
    return documents.repartitionByRange(*order).sortWithinPartitions("corpus", "stratum")


def states(stored: DataFrame, of: Summed) -> Iterator[tuple[Group, Any]]:
    """The states of `fold`, one after another. Raises IncomparableProfiles for one of another
    statistic: other frequencies, bandwidth, seed or embedder."""
    for row in stored.select(*schema.FEATURE_SUMS.names).toLocalIterator():
        if row["fingerprint"] != of.fingerprint:
            raise IncomparableProfiles(of.name, of.fingerprint, row["fingerprint"])
        yield (row["corpus"], row["stratum"]), of.state.decode(bytes(row["state"]))


# --- in the tasks -------------------------------------------------------------------------------


def _folding(of: Summed) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: dict[Group, _Held] = {}  # the group that came last is last
        for batch in batches:
            for group, part in _by_group(batch):
                if group not in held and len(held) == _OPEN:
                    oldest = next(iter(held))
                    yield record(schema.PARTIAL_SUMS, *oldest, held.pop(oldest).summed().encode())
                own = held.pop(group) if group in held else _Held(of, of.empty())
                own.add(part)
                held[group] = own
        for group, own in held.items():
            yield record(schema.PARTIAL_SUMS, *group, own.summed().encode())

    return run


def _by_group(batch: pa.RecordBatch) -> Iterator[tuple[Group, pa.RecordBatch]]:
    corpora, strata = (batch[name].dictionary_encode() for name in ("corpus", "stratum"))
    codes = corpora.indices.to_numpy() * len(strata.dictionary) + strata.indices.to_numpy()
    for code in np.unique(codes):
        corpus, stratum = divmod(int(code), len(strata.dictionary))
        group = corpora.dictionary[corpus].as_py(), strata.dictionary[stratum].as_py()
        rows = np.flatnonzero(codes == code)
        yield group, batch if len(rows) == len(codes) else batch.take(pa.array(rows))


@dataclass
class _Held:
    """The sums of a (corpus, stratum), and its documents whose features are not yet taken."""

    of: Summed
    state: Any
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    clusters: list[pa.Array[Any]] = field(default_factory=list)
    count: int = 0

    def add(self, part: pa.RecordBatch) -> None:
        width = self.vectors[0].shape[1] if self.vectors else None
        self.vectors.append(matrix(part["vector"], width))
        self.clusters.append(part["cluster"])
        self.count += part.num_rows
        if self.count >= _BUFFER:
            self.summed()

    def summed(self) -> Any:
        if self.count:
            names = pa.concat_arrays(self.clusters).dictionary_encode()
            which, known = names.indices.to_numpy(), names.dictionary
            hashes = [digest64(name, "dftspark cluster v1") for name in known.to_pylist()]
            blocks = block_of(known).astype(np.int64)
            batch = VectorBatch(
                np.concatenate(self.vectors), np.array(hashes, np.uint64)[which], blocks[which]
            )
            self.state = self.of.merge(self.state, self.of.observe(batch))
            self.vectors, self.clusters, self.count = [], [], 0
        return self.state


def _adding(of: FeatureSums) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: dict[Group, FeatureState] = {}
        for batch in batches:
            for corpus, stratum, state in zip(
                *(batch[name] for name in ("corpus", "stratum", "state")), strict=True
            ):
                group = corpus.as_py(), stratum.as_py()
                own = FeatureState.decode(state.as_buffer())
                held[group] = of.merge(held[group], own) if group in held else own
        for group, merged in held.items():
            yield record(schema.PARTIAL_SUMS, *group, merged.encode())

    return run


def _bundling(of: Summed) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        corpus, stratum, _ = (value.as_py() for value in key)
        row = record(schema.PARTIAL_SUMS, corpus, stratum, _merged(of, partials).encode())
        return pa.Table.from_batches([row])

    return run


def merging(of: Summed) -> Callable[[Any, pa.Table], pa.Table]:
    """For applyInArrow: partial states of one (corpus, stratum) to a row of schema.FEATURE_SUMS."""

    def run(key: tuple[pa.Scalar, ...], partials: pa.Table) -> pa.Table:
        state = _merged(of, partials)
        row = record(
            schema.FEATURE_SUMS,
            key[0].as_py(), key[1].as_py(), of.fingerprint,
            int(state.documents.sum()), state.encode(),
        )  # fmt: skip
        return pa.Table.from_batches([row])

    return run


def _merged(of: Summed, partials: pa.Table) -> Any:
    state = of.empty()
    for encoded in partials["state"]:
        state = of.merge(state, of.state.decode(encoded.as_buffer()))
    return state
