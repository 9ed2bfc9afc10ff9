"""Vectors to sums of random features on Spark: one state a (corpus, stratum).

`vectors` are rows of schema.CLOUDS, in any order. A pilot gives the bandwidth, which is frozen;
then tasks sum the documents where they lie, and their states, whole numbers that add exactly, are
merged. So no result depends on how Spark cuts the work.

Cost     in Python 55 microseconds a document and core at d = 384; a task holds up to eight states
         and as many buffers of 8,192 vectors, 250 MB. Vectors are shuffled only where there are
         more than eight groups
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.config import Mmd
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.errors import InputError
from dftspark.lenses.embeddings.cloud_files import Vectors
from dftspark.lenses.embeddings.distance_mmd import median_distance
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
from dftspark.lenses.fold import Group, GroupRows, Key, Left
from dftspark.location import Location, writing
from dftspark.making import PACKED
from dftspark.spark import tables
from dftspark.spark.fold import Folded, fold
from dftspark.spark.records import record
from dftspark.spark.rows import Rows, Session
from dftspark.stats.protocol import Statistic, VectorBatch
from dftspark.store.state_table import StateTable
from dftspark.text.hashing import digest64
from dftspark.text.xxhash64 import xxhash64

_OPEN = 8  # states that a task holds
_BUFFER = 8_192  # documents of a group whose features are computed at once
_GROUP_ROWS = 1024  # rows in a piece of a file, so that one corpus can be read without all others
_FILES = 8  # files of the documents that the driver writes, for as many tasks
_PILOT = "dftspark pilot v1"
_MOST_PILOT = 4_000  # documents of all corpora together: all their distances are computed

Summed = Statistic[VectorBatch, Any]


@dataclass(frozen=True, eq=False)
class Pilot:
    """vectors `(k, dim)` float32, and the corpus `(k,)` of each."""

    vectors: NDArray[np.float32]
    corpora: NDArray[Any]


def staged(vectors: DataFrame, staging: str) -> Vectors:
    """Writes the documents that have a vector, schema.TEXTED_CLOUDS, with a few corpora in each
    piece of a file.
    """
    tables.write(vectors.sortWithinPartitions("corpus"), staging, PACKED, _GROUP_ROWS)
    return Vectors(StateTable.of([staging]))


def staged_few(rows: pa.Table, staging: str) -> Vectors:
    """Does the same as `staged` for documents that the driver has."""
    folder = Location.parse(staging)
    with writing(folder):
        folder.filesystem.create_dir(folder.path)
        rows, each = rows.sort_by("corpus"), -(-len(rows) // _FILES) or 1
        for number, start in enumerate(range(0, max(len(rows), 1), each)):
            file = folder / f"part-{number:05}.parquet"
            with file.filesystem.open_output_stream(file.path) as stream:
                pq.write_table(
                    rows.slice(start, each),
                    stream,
                    compression="NONE",
                    use_dictionary=False,
                    row_group_size=_GROUP_ROWS,
                    write_page_checksum=True,
                )
    return Vectors(StateTable.of([staging]))


def documents(spark: Session, vectors: Vectors) -> Rows:
    """Reads rows of schema.TEXTED_CLOUDS."""
    return tables.files(spark, vectors.stored.files, schema.TEXTED_CLOUDS)


def pilot(vectors: Rows, settings: Mmd, corpora: int) -> Pilot:
    """Takes one document of each of up to `settings.pilot` clusters of each of `corpora` corpora.

    Clusters come by their hash, with the first doc_id of each: the same sample for any
    partitioning, in the same order. Many corpora give fewer each, 4,000 in all. Raises InputError
    where there are none.
    """
    most = min(settings.pilot, max(20, _MOST_PILOT // max(corpora, 1)))
    ranked = _ranked_here if isinstance(vectors, pa.Table) else _ranked
    table = ranked(vectors, settings.seed, most)
    table = table.sort_by([("corpus", "ascending"), ("rank", "ascending")])
    if not table.num_rows:
        raise InputError("no document has a vector; look at the rejects of the embedding")
    names = np.array(table["corpus"].to_pylist(), object)
    return Pilot(matrix(table["vector"]), names)


def _ranked(vectors: DataFrame, seed: int, most: int) -> pa.Table:
    """Returns corpus, rank and vector of the first document of `most` clusters of each corpus."""
    firsts = vectors.groupBy("corpus", "cluster").agg(F.min("doc_id").alias("doc_id"))
    order = F.xxhash64(F.lit(_PILOT), F.lit(seed), "cluster")
    ranked = firsts.withColumn(
        "rank", F.row_number().over(Window.partitionBy("corpus").orderBy(order, "cluster"))
    )
    chosen = ranked.where(F.col("rank") <= most).select("corpus", "doc_id", "rank")
    found = vectors.join(F.broadcast(chosen), ["corpus", "doc_id"])
    return found.select("corpus", "rank", "vector").toArrow()


def _ranked_here(vectors: pa.Table, seed: int, most: int) -> pa.Table:
    order = xxhash64([_PILOT, seed], vectors["cluster"].to_pylist())
    names = ("corpus", "order", "cluster", "doc_id")
    rows = vectors.append_column("order", pa.array(order))
    rows = rows.sort_by([(name, "ascending") for name in names])
    first: dict[str, set[str]] = {}
    at, ranks = [], []
    for i, (corpus, cluster) in enumerate(
        zip(rows["corpus"].to_pylist(), rows["cluster"].to_pylist(), strict=True)
    ):
        seen = first.setdefault(corpus, set())
        if cluster not in seen and len(seen) < most:
            seen.add(cluster)
            at.append(i)
            ranks.append(len(seen))
    chosen = rows.take(pa.array(at, pa.int64())).select(["corpus", "vector"])
    return chosen.append_column("rank", pa.array(ranks, pa.int32()))


def statistic(sample: Pilot, settings: Mmd, fingerprint: str = "") -> FeatureSums:
    """Freezes the statistic of these vectors, which the manifest keeps and all corpora share.

    `fingerprint` is that of cleaning and embedder. The pilot gives the bandwidth unless the
    configuration does.
    """
    dim = sample.vectors.shape[1]
    sigma = settings.bandwidth or median_distance(sample.vectors)
    frequencies = Frequencies(dim=dim, sigma=sigma, least=settings.features, seed=settings.seed)
    return FeatureSums(frequencies=frequencies, vectors=fingerprint)


def summed(
    vectors: Rows, groups: Collection[Group], of: Mapping[str, Summed], staging: str
) -> dict[str, Folded]:
    """Returns, by name, schema.FEATURE_SUMS of each statistic: one state a (corpus, stratum) of
    `groups`, the same for any cut, bit for bit.

    Raises, in its tasks, ShapeError for vectors of another width, InputError for unfit ones.
    """
    documents = vectors.select(["corpus", "stratum", "cluster", "vector"])
    if len(groups) > _OPEN and not isinstance(documents, pa.Table):
        documents = _gathered(documents)
    corpora = sorted({corpus for corpus, _ in groups})
    first = {corpus: i for i, corpus in enumerate(corpora)}
    folds = [SumsFold(name, own) for name, own in of.items()]
    return fold(documents, folds, staging, max(len(corpora), 1), first, sort=False)


def _gathered(documents: DataFrame) -> DataFrame:
    """Puts few groups into a task, one after another, and large groups into several tasks."""
    order = "corpus", "stratum", F.xxhash64("cluster")
    return documents.repartitionByRange(*order).sortWithinPartitions("corpus", "stratum")


# --- in the tasks -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SumsFold:
    """States of a statistic of vectors, which add up."""

    table: str
    of: Summed
    columns = schema.FEATURE_SUMS

    def observer(self) -> _Summing:
        return _Summing(self.of)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        state = self.of.empty()
        for encoded in states:
            state = self.of.merge(state, self.of.state.decode(encoded))
        row = (key.corpus, key.stratum, self.of.fingerprint, int(state.documents.sum()))
        return record(schema.FEATURE_SUMS, *row, state.encode()), b""


class _Summing:
    def __init__(self, of: Summed) -> None:
        self.of = of
        self.held: dict[Group, _Held] = {}  # ordered by last use

    def add(self, rows: GroupRows) -> Left:
        if rows.group not in self.held and len(self.held) == _OPEN:
            oldest = next(iter(self.held))
            yield Key(*oldest), self.held.pop(oldest).summed().encode()
        own = self.held.pop(rows.group, None) or _Held(self.of, self.of.empty())
        own.add(rows.batch)
        self.held[rows.group] = own

    def end(self) -> Left:
        for group, own in self.held.items():
            yield Key(*group), own.summed().encode()


@dataclass
class _Held:
    """Sums of a (corpus, stratum), and its documents whose features are not yet computed."""

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
