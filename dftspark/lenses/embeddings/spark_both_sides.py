"""What needs the vectors of both sides at once: the classifier and the exact MMD, a task a model.

Cost     at most `CLASSIFIED` documents of a side for the classifier, what is asked for of the other
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, GroupedData, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.inference.intervals import Inference
from dftspark.lenses.embeddings.distance_c2st import classify
from dftspark.lenses.embeddings.exact_mmd import exact_metrics
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
from dftspark.lenses.metric import Metric, measured

CLASSIFIED = 5_000  # documents of a side, by the hash of their cluster


def told_apart(documents: DataFrame, counts: Mapping[str, int], config: Audit) -> DataFrame:
    """schema.MEASURED: the classifier's metrics; `counts` are the documents of each corpus."""
    return _both_sides(documents, config.human, CLASSIFIED).applyInArrow(
        _telling_apart(counts, config), from_arrow_schema(schema.MEASURED)
    )


def exact(
    documents: DataFrame, of: FeatureSums, counts: Mapping[str, int], shared: dict[str, int],
    config: Audit, most: int,
) -> DataFrame:  # fmt: skip
    """schema.MEASURED: MMD by the kernel itself, of at most `most` documents of a side."""

    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        model, found = key[0].as_py(), _Together.of(both, config.human)
        metrics = exact_metrics(
            found.vectors, found.model, found.blocks, found.cluster_counts, of.frequencies,
            paired=shared.get(model, 0) > 0, settings=config.inference,
        )  # fmt: skip
        row = measured(model, "", (counts[config.human], counts[model]), metrics)
        return pa.Table.from_pylist([row], schema=schema.MEASURED)

    grouped = _both_sides(documents, config.human, most)
    return grouped.applyInArrow(run, from_arrow_schema(schema.MEASURED))


def _both_sides(documents: DataFrame, human: str, most: int) -> GroupedData:
    """By `model`: up to `most` vectors of a corpus, by the hash of their cluster, of both sides."""
    order = Window.partitionBy("corpus").orderBy(F.xxhash64("cluster"), "cluster", "doc_id")
    some = (
        documents.select("corpus", "cluster", "doc_id", "vector")
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") <= most)
        .select("corpus", "cluster", "doc_id", "vector")
    )
    models = some.where(F.col("corpus") != human).withColumn("model", F.col("corpus"))
    names = models.select("model").distinct()
    humans = some.where(F.col("corpus") == human).crossJoin(names)
    columns = ["model", "corpus", "cluster", "doc_id", "vector"]
    return models.select(columns).unionByName(humans.select(columns)).groupBy("model")


@dataclass(frozen=True, eq=False)
class _Together:
    """Both sides in one task, in the order of doc_id: which rows are the model's, and blocks."""

    vectors: NDArray[np.float32]
    model: NDArray[np.bool_]
    blocks: NDArray[np.int64]
    clusters: NDArray[Any]

    @classmethod
    def of(cls, both: pa.Table, human: str) -> _Together:
        ordered = both.sort_by([("corpus", "ascending"), ("doc_id", "ascending")])
        clusters = np.array(ordered["cluster"].to_pylist())
        return cls(
            matrix(ordered["vector"]),
            np.array(ordered["corpus"].to_pylist()) != human,
            block_of(clusters.tolist()).astype(np.int64),
            clusters,
        )

    @property
    def cluster_counts(self) -> tuple[int, int]:
        human, model = (len(np.unique(self.clusters[own])) for own in (~self.model, self.model))
        return human, model


def _telling_apart(counts: Mapping[str, int], config: Audit) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        model, found = key[0].as_py(), _Together.of(both, config.human)
        metrics = _classified(found.vectors, found.model, found.blocks, config.inference.confidence)
        row = measured(model, "", (counts[config.human], counts[model]), metrics)
        return pa.Table.from_pylist([row], schema=schema.MEASURED)

    return run


def _classified(
    vectors: NDArray[np.float32], model: NDArray[np.bool_], blocks: NDArray[np.int64],
    confidence: float,
) -> Iterator[Metric]:  # fmt: skip
    found = classify(vectors, model, blocks, confidence=confidence)
    for name, share in (("c2st_accuracy", found.accuracy), ("c2st_auc", found.area)):
        inference = Inference(
            std_error=share.std_error, ci_low=share.low, ci_high=share.high,
            p_value=found.p_value, blocks=found.blocks,
        )  # fmt: skip
        if name == "c2st_auc":
            inference = replace(
                inference, n_tell=found.n_tell, n_tell_low=found.n_tell_low,
                n_tell_high=found.n_tell_high,
            )  # fmt: skip
        yield Metric(name, share.value, "share", inference)
        if name == "c2st_accuracy":
            bound = replace(
                inference, std_error=2 * share.std_error, ci_low=2 * share.low - 1,
                ci_high=2 * share.high - 1,
            )  # fmt: skip
            yield Metric("c2st_tv_bound", found.variation, "share", bound)
