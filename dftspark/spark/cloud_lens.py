"""The embedding lens beside MMD: where the clouds differ, who makes it so, and other distances.

Regions, witnesses, copies, the Frechet distance and the classifier are of all strata of a pair
together. Pairs are taken some at a time, since a witness travels with every task.

Cost     a second pass over the vectors for every eight models, and one each for copies, moments and
         map; of each side at most `CLASSIFIED` documents come to one task for the classifier, and
         `mmd.exact` to another where that is asked for
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
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
from dftspark.distances.c2st import classify
from dftspark.distances.witness import Witness, without_block, without_block_difference
from dftspark.features.fourier import DEFAULT, ONE, Frequencies, features
from dftspark.features.projection import fit_projection
from dftspark.features.regions import Regions, fit_regions, region_count
from dftspark.inference.blocks import adapt
from dftspark.inference.intervals import Inference
from dftspark.lenses.copies import copy_metrics
from dftspark.lenses.exact_mmd import exact_metrics
from dftspark.lenses.metric import Metric
from dftspark.lenses.regions import region_metrics
from dftspark.spark import clouds, copies, regions
from dftspark.spark.cloud_map import cloud_map
from dftspark.spark.compare import metric_row
from dftspark.spark.frechet import frechet
from dftspark.spark.vectors import matrix
from dftspark.stats.feature_sums import FeatureState, FeatureSums

Floats = NDArray[np.float64]

CLASSIFIED = 5_000  # documents of a side, by the hash of their cluster
_PAIRS_AT_ONCE = 8


@dataclass(frozen=True)
class Beside:
    """Rows of schema.COMPARED_CLOUDS, the lens's tables of schema.LENS_TABLES by name, and what
    the manifest says of regions (their fingerprint) and of the axes of the map."""

    rows: list[dict[str, Any]]
    tables: dict[str, pa.Table]
    manifest: dict[str, Any]


def beside(
    documents: DataFrame,
    stored: DataFrame,
    of: FeatureSums,
    shared: dict[str, int],
    config: Audit,
    run_id: str,
    date: str,
) -> Beside:
    """From (corpus, cluster, doc_id, vector, text) and the feature sums `stored` of `of`."""
    human = _state(stored, of, config.human)
    counts = {row["corpus"]: row["count"]
              for row in documents.groupBy("corpus").count().toArrow().to_pylist()}  # fmt: skip
    models = sorted(counts.keys() - {config.human})
    pilot = clouds.pilot(documents, config.mmd)
    frozen = _regions(pilot, counts, of, config)
    axes = fit_projection(*_sides(pilot, config.human))
    metrics: dict[str, list[Metric]] = {}
    clusters = {config.human: len(human.clusters)}
    tables: dict[str, list[pa.Table]] = {"regions": [], "witness": []}
    for first in range(0, len(models), _PAIRS_AT_ONCE):
        some = models[first : first + _PAIRS_AT_ONCE]
        states = {model: _state(stored, of, model) for model in some}
        clusters |= {model: len(state.clusters) for model, state in states.items()}
        paired = {model: shared.get(model, 0) > 0 for model in some}
        plan = regions.SecondPass(
            human=config.human,
            features=_Features(of.frequencies),
            regions=frozen,
            witnesses={m: _witness(of, human, states[m], paired[m]) for m in some},
        )
        own = documents.where(F.col("corpus").isin(config.human, *some))
        found = regions.collect(regions.fold(own, plan))
        count = {m: adapt(min(clusters[config.human], clusters[m])) for m in some}
        tables["regions"].append(regions.regions(found, plan, count, run_id, date))
        tables["witness"].append(regions.witness(found, plan, run_id, date))
        for model in some:
            metrics[model] = region_metrics(
                found.sums[config.human, model], found.sums[model, model], count[model],
                paired=paired[model], settings=config.inference,
            )  # fmt: skip
    found_copies, copied = _copies(documents, config, run_id, date)
    more = told_apart(documents, config).toArrow().to_pylist()
    more += frechet(documents, config.human, of.frequencies.dim, clusters, config.inference)
    if config.mmd.exact:
        more += _exact(documents, of, shared, config).toArrow().to_pylist()
    apart: dict[str, list[dict[str, Any]]] = {model: [] for model in models}
    for row in more:
        apart[row["model"]] += row["metrics"]
    rows = [
        {
            "model": model, "stratum": "", "n_human": counts[config.human],
            "n_model": counts[model],
            "metrics": [metric_row(m) for m in metrics[model] + copied[model]] + apart[model],
        }
        for model in models
    ]  # fmt: skip
    joined = {name: pa.concat_tables(parts) for name, parts in tables.items()}
    drawn = cloud_map(documents, axes, frozen, config.human, run_id, date)
    return Beside(
        rows,
        {**joined, "copies": found_copies, "cloud_map": drawn},
        {
            "regions": frozen.fingerprint,
            "map": {"axes": "principal components of the pilot", "cells": axes.cells,
                    "explained": axes.explained.tolist()},
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Features:
    """phi of vectors at the bandwidth that is reported, in the units of the block sums."""

    frequencies: Frequencies

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        scale = 1 / (ONE * np.sqrt(self.frequencies.count))
        return np.asarray(features(self.frequencies, vectors, DEFAULT) * scale, np.float64)


def _state(stored: DataFrame, of: FeatureSums, corpus: str) -> FeatureState:
    own = (state for _, state in clouds.states(stored.where(F.col("corpus") == corpus), of))
    return reduce(of.merge, own, of.empty())


def _witness(of: FeatureSums, human: FeatureState, model: FeatureState, paired: bool) -> Witness:
    """The one whose scores add up to the reported MMD squared, centered as that is."""
    kernel = of.frequencies.kernels.index(DEFAULT)
    sums = [state.block_sums(kernel) for state in (human, model)]
    sizes = [state.documents.astype(np.float64) for state in (human, model)]
    center = sum(s.sum(axis=0) / n.sum() for s, n in zip(sums, sizes, strict=True)) / 2
    form = without_block_difference if paired else without_block
    return form(*sums, *sizes, center=np.asarray(center))


def _regions(
    pilot: clouds.Pilot, counts: dict[str, int], of: FeatureSums, config: Audit
) -> Regions:
    """Fitted on the pilot: as many human vectors as of all models together."""
    human, others = _sides(pilot, config.human)
    each = min(len(human), len(others))
    fewest = min(count for corpus, count in counts.items() if corpus != config.human)
    count = min(region_count(counts[config.human], fewest, 2 * each), 2 * each)
    return fit_regions(human, others, count=count, seed=config.mmd.seed, text=of.vectors)


def _sides(pilot: clouds.Pilot, human: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    own = pilot.corpora == human
    return pilot.vectors[own], pilot.vectors[~own]


def _copies(
    documents: DataFrame, config: Audit, run_id: str, date: str
) -> tuple[pa.Table, dict[str, list[Metric]]]:
    near = copies.neighbors(documents, copies.human_side(documents, config.human)).cache()
    try:
        sums = copies.cluster_sums(near)
        table = copies.pairs(near, documents, config.human, run_id, date)
    finally:
        near.unpersist()
    confidence = config.inference.confidence
    human = sums.pop(config.human)
    return table, {
        model: copy_metrics(own, human, confidence=confidence) for model, own in sums.items()
    }


# --- what needs the vectors of both sides at once, a task for each model -------------------------


def told_apart(documents: DataFrame, config: Audit) -> DataFrame:
    """(model, metrics): the classifier's."""
    return _both_sides(documents, config.human, CLASSIFIED).applyInArrow(
        _telling_apart(config), from_arrow_schema(schema.TOLD_APART)
    )


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
    def fewest_clusters(self) -> int:
        return min(len(np.unique(self.clusters[own])) for own in (~self.model, self.model))


def _exact(
    documents: DataFrame, of: FeatureSums, shared: dict[str, int], config: Audit
) -> DataFrame:
    """(model, metrics): MMD by the kernel itself, of at most `mmd.exact` documents of a side."""

    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        model, found = key[0].as_py(), _Together.of(both, config.human)
        metrics = exact_metrics(
            found.vectors, found.model, found.blocks, found.fewest_clusters, of.frequencies,
            paired=shared.get(model, 0) > 0, settings=config.inference,
        )  # fmt: skip
        row = {"model": model, "metrics": [metric_row(metric) for metric in metrics]}
        return pa.Table.from_pylist([row], schema=schema.TOLD_APART)

    grouped = _both_sides(documents, config.human, config.mmd.exact)
    return grouped.applyInArrow(run, from_arrow_schema(schema.TOLD_APART))


def _telling_apart(config: Audit) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        found = _Together.of(both, config.human)
        metrics = _classified(found.vectors, found.model, found.blocks, config.inference.confidence)
        row = {"model": key[0].as_py(), "metrics": [metric_row(metric) for metric in metrics]}
        return pa.Table.from_pylist([row], schema=schema.TOLD_APART)

    return run


def _classified(
    vectors: NDArray[np.float32], model: NDArray[np.bool_], blocks: NDArray[np.int64],
    confidence: float,
) -> Iterator[Metric]:  # fmt: skip
    found = classify(vectors, model, blocks, confidence=confidence)
    nan = float("nan")
    for name, share in (("c2st_accuracy", found.accuracy), ("c2st_auc", found.area)):
        inference = Inference(
            share.std_error, share.low, share.high, found.p_value, nan, nan, found.blocks
        )
        yield Metric(name, share.value, "share", inference)
        if name == "c2st_accuracy":
            bound = replace(
                inference, std_error=2 * share.std_error, ci_low=2 * share.low - 1,
                ci_high=2 * share.high - 1,
            )  # fmt: skip
            yield Metric("c2st_tv_bound", found.variation, "share", bound)
