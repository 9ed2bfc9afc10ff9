"""The second pass over the vectors: regions, witnesses, copies and the map.

Regions, witnesses and copies are of all strata of a pair together. Pairs are taken some at a time,
since a witness travels with every task.

Cost     a pass over the vectors for every eight models, which finds copies and the map too
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.config import Audit
from dftspark.inference.blocks import adapt
from dftspark.lenses.embeddings import copies_pass as copies
from dftspark.lenses.embeddings import second_pass as regions
from dftspark.lenses.embeddings import spark_clouds as clouds
from dftspark.lenses.embeddings.centroids import Regions, fit_regions, region_count
from dftspark.lenses.embeddings.cloud_files import Vectors, states, together
from dftspark.lenses.embeddings.copies import copy_metrics
from dftspark.lenses.embeddings.fourier import DEFAULT, ONE, Frequencies, features
from dftspark.lenses.embeddings.map_pass import MapFold, cloud_map
from dftspark.lenses.embeddings.projection import FEWEST, Projection, fit_projection
from dftspark.lenses.embeddings.regions import region_metrics
from dftspark.lenses.embeddings.second_pass import RegionFold, SecondPass
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.embeddings.witness import Witness, without_block, without_block_difference
from dftspark.lenses.fold import Fold
from dftspark.lenses.metric import Metric, measured
from dftspark.making import Making
from dftspark.spark.fold import fold
from dftspark.spark.rows import only
from dftspark.stats.cluster_hashes import count_of
from dftspark.store.state_table import StateTable

Floats = NDArray[np.float64]

_PAIRS_AT_ONCE = 8


@dataclass(frozen=True)
class Beside:
    """Rows of schema.MEASURED, the clusters of each corpus, the lens's tables by name, and for the
    manifest the fingerprint of the regions and the axes of the map.
    """

    rows: list[dict[str, Any]]
    clusters: dict[str, float]
    tables: dict[str, pa.Table]
    manifest: dict[str, Any]


def beside(
    vectors: Vectors,
    pilot: clouds.Pilot,
    stored: StateTable,
    of: FeatureSums,
    shared: dict[str, int],
    making: Making,
) -> Beside:
    """Runs the pass over documents with their vectors, with the feature sums `stored` of `of`."""
    config, counts = making.config, vectors.counts
    run = (making.writer.id, making.date)
    frozen = _regions(pilot, counts, of, config)
    axes = _axes(*_sides(pilot, config.human))
    passed = _second_pass(vectors, stored, of, (frozen, axes), shared, making)
    confidence = config.inference.confidence
    sums = copies.cluster_sums(passed.copied)
    human = sums.pop(config.human)
    tables = {
        "regions": passed.regions,
        "witness": passed.witness,
        "copies": copies.pairs(passed.copied, vectors, config.human, *run),
        "cloud_map": cloud_map(passed.placed, config.human, *run),
    }
    rows = [
        measured(
            model,
            "",
            (counts[config.human], counts[model]),
            own + copy_metrics(human, sums[model], confidence=confidence),
        )
        for model, own in passed.metrics.items()
    ]
    about = {"regions": frozen.fingerprint, "map": _about(axes)}
    return Beside(rows, passed.clusters, tables, about)


def _axes(human: NDArray[np.float32], model: NDArray[np.float32]) -> Projection | None:
    """Returns None for a pilot that has no two axes: three vectors span a plane."""
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


@dataclass(frozen=True, eq=False)
class _Found:
    """Metrics of regions by model, clusters by corpus, the tables of regions and witnesses, and
    schema.COPIED and schema.PLACED of all corpora.
    """

    metrics: dict[str, list[Metric]]
    clusters: dict[str, float]
    regions: pa.Table
    witness: pa.Table
    copied: pa.Table
    placed: pa.Table


def _second_pass(
    vectors: Vectors,
    stored: StateTable,
    of: FeatureSums,
    frozen: tuple[Regions, Projection | None],
    shared: dict[str, int],
    making: Making,
) -> _Found:
    config, run = making.config, (making.writer.id, making.date)
    human = together(of, states(stored, of, config.human))
    ours = copies.human_side(vectors, config.human)
    models = sorted(vectors.counts.keys() - {config.human})
    metrics: dict[str, list[Metric]] = {}
    clusters = {config.human: count_of(human)}
    tables: dict[str, list[pa.Table]] = {"copied": [], "placed": [schema.PLACED.empty_table()]}
    for first in range(0, len(models), _PAIRS_AT_ONCE):
        some = models[first : first + _PAIRS_AT_ONCE]
        own = {model: together(of, states(stored, of, model)) for model in some}
        clusters |= {model: count_of(state) for model, state in own.items()}
        paired = {model: shared.get(model, 0) > 0 for model in some}
        plan = SecondPass(
            human=config.human,
            features=_Features(of.frequencies),
            regions=frozen[0],
            witnesses=_witnesses(of, human, own, paired),
        )
        # Copies and places of the human side are found only once.
        corpora = some if first else [config.human, *some]
        passed = _passed(vectors, plan, ours, frozen[1], corpora, making)
        found = regions.collect(passed.pop("region_pass").to_pylist())
        both = {model: (clusters[config.human], clusters[model]) for model in some}
        blocks = {model: adapt(int(min(sizes))) for model, sizes in both.items()}
        passed["regions"] = regions.regions(found, plan, blocks, *run)
        passed["witness"] = regions.witness(found, plan, *run)
        for name, table in passed.items():
            tables.setdefault(name, []).append(table)
        metrics |= {model: [] for model in some}
        for model in plan.witnesses:
            metrics[model] = region_metrics(
                found.sums[config.human, model],
                found.sums[model, model],
                both[model],
                paired=paired[model],
                settings=config.inference,
            )
    whole = {name: pa.concat_tables(parts) for name, parts in tables.items()}
    return _Found(metrics, clusters, **whole)


def _passed(
    vectors: Vectors,
    plan: SecondPass,
    human: copies.HumanSide,
    axes: Projection | None,
    corpora: list[str],
    making: Making,
) -> dict[str, pa.Table]:
    """Returns the results of one pass, by table: regions and witnesses of `plan`, and copies and
    places of the corpora.
    """
    folds: list[Fold] = [RegionFold(plan), copies.CopiesFold(human, corpora)]
    if axes is not None:
        folds.append(MapFold(axes, plan.regions, corpora))
    every = sorted({plan.human, *corpora})
    documents = only(clouds.documents(making.spark, vectors), "corpus", every)
    first = {corpus: i for i, corpus in enumerate(every)}
    found = fold(documents, folds, making.staging("second_pass"), len(every), first, sort=False)
    return {name: own.collected() for name, own in found.items()}


@dataclass(frozen=True)
class _Features:
    """phi of vectors at the bandwidth that is reported, in the units of the block sums."""

    frequencies: Frequencies

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        scale = 1 / (ONE * np.sqrt(self.frequencies.count))
        return np.asarray(features(self.frequencies, vectors, DEFAULT) * scale, np.float64)


def _witnesses(
    of: FeatureSums,
    human: FeatureState,
    models: Mapping[str, FeatureState],
    paired: Mapping[str, bool],
) -> dict[str, Witness]:
    """Returns the witness of each pair that has one: nothing is left of a side, or of what two
    sides share, whose only filled block is left out.
    """
    found = {name: _witness(of, human, own, paired[name]) for name, own in models.items()}
    return {name: one for name, one in found.items() if np.isfinite(one.directions).all()}


def _witness(of: FeatureSums, human: FeatureState, model: FeatureState, paired: bool) -> Witness:
    """Returns the witness whose scores add up to the reported MMD squared, centered alike."""
    kernel = of.frequencies.kernels.index(DEFAULT)
    sums = [state.block_sums(kernel) for state in (human, model)]
    sizes = [state.documents.astype(np.float64) for state in (human, model)]
    center = sum(s.sum(axis=0) / n.sum() for s, n in zip(sums, sizes, strict=True)) / 2
    form = without_block_difference if paired else without_block
    return form(*sums, *sizes, center=np.asarray(center))


def _regions(
    pilot: clouds.Pilot, counts: dict[str, int], of: FeatureSums, config: Audit
) -> Regions:
    """Fits regions to the pilot: as many human vectors as of all models together."""
    human, others = _sides(pilot, config.human)
    each = min(len(human), len(others))
    fewest = min(count for corpus, count in counts.items() if corpus != config.human)
    count = min(region_count(counts[config.human], fewest, 2 * each), 2 * each)
    return fit_regions(human, others, count=count, seed=config.mmd.seed, text=of.vectors)


def _sides(pilot: clouds.Pilot, human: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    own = pilot.corpora == human
    return pilot.vectors[own], pilot.vectors[~own]
