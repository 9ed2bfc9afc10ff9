"""Stored feature sums to measures on Spark: one task a model corpus."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, GroupedData
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import IncomparableProfiles
from dftspark.inference.halves import Splits
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.lenses.metric import measured

States = dict[str, FeatureState]  # by stratum


def pairs(stored: DataFrame, of: FeatureSums, shared: dict[str, int], config: Audit) -> DataFrame:
    """One row a (model, stratum) with its metrics, schema.MEASURED.

    `stored` is schema.FEATURE_SUMS. The stratum '' is all documents; with several strata it has
    the stratified measures too, and each stratum that both sides have a row of its own. `shared`
    is how many clusters each model corpus has in common with the human one. Raises
    IncomparableProfiles for states of another statistic than `of`.
    """
    for row in stored.select("fingerprint").distinct().toArrow().to_pylist():
        if row["fingerprint"] != of.fingerprint:
            raise IncomparableProfiles(of.name, of.fingerprint, row["fingerprint"])
    return by_model(stored, config.human).applyInArrow(
        _comparing(of, shared, config), from_arrow_schema(schema.MEASURED)
    )


def by_model(stored: DataFrame, human: str) -> GroupedData:
    """The states of both sides, (corpus, stratum, state, side), by model corpus."""
    columns = stored.select("corpus", "stratum", "state")
    models = columns.where(F.col("corpus") != human)
    humans = columns.where(F.col("corpus") == human).select("stratum", "state")
    copies = models.select("corpus").distinct().crossJoin(humans)
    both = copies.withColumn("side", F.lit("human")).unionByName(
        models.withColumn("side", F.lit("model"))
    )
    return both.groupBy("corpus")


def _comparing(
    of: FeatureSums, shared: dict[str, int], config: Audit
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        model = key[0].as_py()
        human, own = _states(both, "human"), _states(both, "model")
        options: dict[str, Any] = {
            "paired": shared.get(model, 0) > 0,
            "settings": config.inference,
        }
        several = len(human.keys() | own.keys()) > 1
        sides = {"": (_together(of, human), _together(of, own))}
        if several:
            sides |= {name: (human[name], own[name]) for name in human if name and name in own}
        rows = []
        for stratum, pair in sides.items():
            splits = Splits(config.splits, config.inference.seed)
            metrics = embeddings.compared(*pair, of, splits=splits, **options)
            if stratum == "" and several:
                weights = config.mmd.weights
                metrics += embeddings.stratified(human, own, of, weights=weights, **options)
            sizes = [int(state.documents.sum()) for state in pair]
            rows.append(measured(model, stratum, sizes, metrics))
        return pa.Table.from_pylist(rows, schema=schema.MEASURED)

    return run


def _states(table: pa.Table, side: str) -> States:
    columns = (table["side"].to_pylist(), table["stratum"].to_pylist(), table["state"])
    found = {stratum: state for own, stratum, state in zip(*columns, strict=True) if own == side}
    return {stratum: FeatureState.decode(found[stratum].as_buffer()) for stratum in sorted(found)}


def _together(of: FeatureSums, states: States) -> FeatureState:
    return reduce(of.merge, states.values(), of.empty())
