"""The copy check on Spark: every document against the human documents, which every task holds.

Human documents are compared with those of other clusters, model documents with all. The search is
exhaustive, so it is for the sample that the audit embeds, or for as many as there is patience for.

Cost     2 d operations a pair of documents; 4 d bytes a human document in every task
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.embedding.spark_vectors import matrix
from dftspark.errors import InputError
from dftspark.features.tokens import one_line
from dftspark.inference.proportions import ClusterSums
from dftspark.lenses.embeddings.distance_copies import NEAR, nearest, overlap

_EXCERPT = 240
_COMPARED = 100_000  # characters of a text whose phrases are compared


@dataclass(frozen=True, eq=False)
class HumanSide:
    """Name of the human corpus; its documents' vectors `(N, d)`, ids and clusters, by id."""

    name: str
    vectors: NDArray[np.float32]
    doc_ids: NDArray[Any]
    clusters: NDArray[Any]


def human_side(documents: DataFrame, name: str) -> HumanSide:
    """Collects the human vectors, (corpus, cluster, doc_id, vector, ...), to the driver.

    Raises InputError where there is none.
    """
    own = documents.where(F.col("corpus") == name).select("doc_id", "cluster", "vector")
    table = own.toArrow().sort_by("doc_id")
    if not table.num_rows:
        raise InputError(f"corpus {name!r} has no document with a vector; look at the rejects")
    columns = [np.array(table[c].to_pylist(), str) for c in ("doc_id", "cluster")]
    return HumanSide(name, matrix(table["vector"]), *columns)


def neighbors(documents: DataFrame, human: HumanSide) -> DataFrame:
    """schema.NEIGHBORS of (corpus, cluster, doc_id, vector, text); the same for any cut.

    Persist or write it: what follows reads it more than once.
    """
    columns = documents.select("corpus", "cluster", "doc_id", "vector", "text")
    return columns.mapInArrow(_searching(human), from_arrow_schema(schema.NEIGHBORS))


def cluster_sums(found: DataFrame) -> dict[str, ClusterSums]:
    """What `lenses.copies.copy_metrics` takes, of every corpus."""
    near = F.col("near").cast("long")
    clusters = found.groupBy("corpus", "cluster").agg(
        F.count("*").alias("d"), F.sum(near).alias("c")
    )
    c, d = F.col("c"), F.col("d")
    sums = clusters.groupBy("corpus").agg(
        F.count("*"), F.sum(d), F.sum(c), F.sum(c * c), F.sum(d * d), F.sum(c * d)
    )
    rows = (list(row.values()) for row in sums.toArrow().to_pylist())
    return {corpus: ClusterSums(*numbers) for corpus, *numbers in rows}


def pairs(
    found: DataFrame, documents: DataFrame, human: str, run_id: str, date: str, most: int = 1_000
) -> pa.Table:
    """schema.COPIES: near duplicates of each corpus, nearest first, at most `most` a corpus.

    Those of the human side come once, with the model column empty.
    """
    order = Window.partitionBy("corpus").orderBy(F.desc("cosine"), "doc_id")
    ranked = found.where("near").withColumn("rank", F.row_number().over(order))
    kept = ranked.where(F.col("rank") <= most).toArrow().to_pylist()
    kept.sort(key=lambda row: (row["corpus"], row["rank"]))
    wanted = sorted({row["neighbor_id"] for row in kept})
    own = documents.where((F.col("corpus") == human) & F.col("doc_id").isin(wanted))
    texts = {r["doc_id"]: r["text"] for r in own.select("doc_id", "text").toArrow().to_pylist()}
    rows = []
    for row in kept:
        side = "human" if row["corpus"] == human else "model"
        other = texts[row["neighbor_id"]]
        rows.append(
            {
                "run_id": run_id, "date": date, "human": human, "stratum": "", "side": side,
                "model": row["corpus"] if side == "model" else "", "doc_id": row["doc_id"],
                "neighbor_id": row["neighbor_id"], "cosine": row["cosine"],
                "overlap": overlap(row["text"], other[:_COMPARED]),
                "same_cluster": row["same_cluster"], "excerpt": _excerpt(row["text"]),
                "neighbor_excerpt": _excerpt(other),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema.COPIES)


def _excerpt(text: str) -> str:
    return one_line(text[: 2 * _EXCERPT])[:_EXCERPT]


def _searching(
    human: HumanSide,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            corpora = np.array(batch["corpus"].to_pylist(), object)
            for own in (corpora == human.name, corpora != human.name):
                if own.any():
                    yield _found(batch.filter(pa.array(own)), human)

    return run


def _found(batch: pa.RecordBatch, human: HumanSide) -> pa.RecordBatch:
    """All documents of `batch` are human, or none is."""
    vectors = matrix(batch["vector"], human.vectors.shape[1])
    clusters = np.array(batch["cluster"].to_pylist(), str)
    ours = batch["corpus"][0].as_py() == human.name
    rows, cosines = nearest(vectors, human.vectors, (clusters, human.clusters) if ours else None)
    near = np.nan_to_num(cosines, nan=-1.0) >= NEAR
    texts = batch["text"].to_pylist()
    columns = [
        batch["corpus"], batch["cluster"], batch["doc_id"], near, cosines,
        [str(human.doc_ids[i]) if i >= 0 else None for i in rows],
        [bool(human.clusters[i] == c) if i >= 0 else None
         for i, c in zip(rows, clusters, strict=True)],
        [text[:_COMPARED] if close else None for text, close in zip(texts, near, strict=True)],
    ]  # fmt: skip
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema.NEIGHBORS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.NEIGHBORS)
