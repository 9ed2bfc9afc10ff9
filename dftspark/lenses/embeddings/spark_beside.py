"""The embedding lens beside MMD: where the clouds differ, who makes it so, and other distances.

Regions, witnesses, copies, the Frechet distance and the classifier are of all strata of a pair
together. Pairs are taken some at a time, since a witness travels with every task.

Cost     a second pass over the vectors for every eight models, and one each for copies, moments and
         map; of each side some documents come to one task, see lenses.embeddings.spark_both_sides
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.config import Audit
from dftspark.inference.blocks import adapt
from dftspark.lenses.embeddings import spark_both_sides as both_sides
from dftspark.lenses.embeddings import spark_clouds as clouds
from dftspark.lenses.embeddings import spark_copies as copies
from dftspark.lenses.embeddings import spark_regions as regions
from dftspark.lenses.embeddings.centroids import Regions, fit_regions, region_count
from dftspark.lenses.embeddings.copies import copy_metrics
from dftspark.lenses.embeddings.fourier import DEFAULT, ONE, Frequencies, features
from dftspark.lenses.embeddings.projection import FEWEST, Projection, fit_projection
from dftspark.lenses.embeddings.regions import region_metrics
from dftspark.lenses.embeddings.spark_frechet import frechet
from dftspark.lenses.embeddings.spark_map import cloud_map
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.embeddings.witness import Witness, without_block, without_block_difference
from dftspark.lenses.metric import Metric, measured
from dftspark.stats.cluster_hashes import count_of

Floats = NDArray[np.float64]

_PAIRS_AT_ONCE = 8
_EXACT_TOGETHER = 4_000  # documents of both sides: the kernel costs less than embedding them


@dataclass(frozen=True)
class Beside:
    """Rows of schema.MEASURED, the lens's tables by name, and what
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
    counts = {row["corpus"]: row["count"]
              for row in documents.groupBy("corpus").count().toArrow().to_pylist()}  # fmt: skip
    pilot = clouds.pilot(documents, config.mmd)
    frozen = _regions(pilot, counts, of, config)
    axes = _axes(*_sides(pilot, config.human))
    metrics, clusters, tables = _second_pass(
        documents, stored, of, frozen, counts, shared, config, run_id, date
    )
    tables["copies"], copied = _copies(documents, config, run_id, date)
    tables["cloud_map"] = schema.CLOUD_MAP.empty_table()
    if axes:
        tables["cloud_map"] = cloud_map(documents, axes, frozen, config.human, run_id, date)
    rows = [
        measured(model, "", (counts[config.human], counts[model]), own + copied[model])
        for model, own in metrics.items()
    ]
    rows += both_sides.told_apart(documents, counts, config).toArrow().to_pylist()
    rows += frechet(documents, config.human, of.frequencies.dim, counts, clusters, config.inference)
    rows += _exact(documents, of, counts, shared, config)
    return Beside(rows, tables, {"regions": frozen.fingerprint, "map": _about(axes)})


def _axes(human: NDArray[np.float32], model: NDArray[np.float32]) -> Projection | None:
    """None for a pilot that has no two axes: three vectors span a plane."""
    few = min(len(human), len(model)) < FEWEST or human.shape[1] < 2
    return None if few else fit_projection(human, model)


def _about(axes: Projection | None) -> dict[str, Any]:
    if axes is None:
        return {"missing": f"no map: a side has fewer than {FEWEST} clusters with a vector"}
    return {
        "axes": "principal components of the pilot",
        "cells": axes.cells,
        "explained": axes.explained.tolist(),
    }


def _exact(
    documents: DataFrame, of: FeatureSums, counts: dict[str, int], shared: dict[str, int],
    config: Audit,
) -> list[dict[str, Any]]:  # fmt: skip
    """schema.MEASURED of MMD by the kernel itself, of the models that `mmd.exact` asks for."""
    most, human = config.mmd.exact, counts[config.human]
    if most < 0:
        most = _EXACT_TOGETHER
        few = [corpus for corpus, count in counts.items()
               if corpus != config.human and human + count <= most]  # fmt: skip
        documents = documents.where(F.col("corpus").isin(config.human, *few))
        most = most if few else 0
    if not most:
        return []
    found: list[dict[str, Any]] = (
        both_sides.exact(documents, of, counts, shared, config, most).toArrow().to_pylist()
    )
    return found


def _second_pass(
    documents: DataFrame,
    stored: DataFrame,
    of: FeatureSums,
    frozen: Regions,
    counts: dict[str, int],
    shared: dict[str, int],
    config: Audit,
    run_id: str,
    date: str,
) -> tuple[dict[str, list[Metric]], dict[str, float], dict[str, pa.Table]]:
    """Metrics of regions by model, clusters by corpus, and the tables of regions and witnesses."""
    human = _state(stored, of, config.human)
    models = sorted(counts.keys() - {config.human})
    metrics: dict[str, list[Metric]] = {}
    clusters = {config.human: count_of(human)}
    tables: dict[str, list[pa.Table]] = {"regions": [], "witness": []}
    for first in range(0, len(models), _PAIRS_AT_ONCE):
        some = models[first : first + _PAIRS_AT_ONCE]
        states = {model: _state(stored, of, model) for model in some}
        clusters |= {model: count_of(state) for model, state in states.items()}
        paired = {model: shared.get(model, 0) > 0 for model in some}
        plan = regions.SecondPass(
            human=config.human,
            features=_Features(of.frequencies),
            regions=frozen,
            witnesses={m: _witness(of, human, states[m], paired[m]) for m in some},
        )
        own = documents.where(F.col("corpus").isin(config.human, *some))
        found = regions.collect(regions.fold(own, plan))
        both = {model: (clusters[config.human], clusters[model]) for model in some}
        count = {model: adapt(int(min(sizes))) for model, sizes in both.items()}
        tables["regions"].append(regions.regions(found, plan, count, run_id, date))
        tables["witness"].append(regions.witness(found, plan, run_id, date))
        for model in some:
            metrics[model] = region_metrics(
                found.sums[config.human, model], found.sums[model, model], both[model],
                paired=paired[model], settings=config.inference,
            )  # fmt: skip
    return metrics, clusters, {name: pa.concat_tables(parts) for name, parts in tables.items()}


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
        model: copy_metrics(human, own, confidence=confidence) for model, own in sums.items()
    }
