"""The Frechet distance on Spark: moments of every corpus, of all its documents, then of each pair.

Cost     a pass over the vectors, 7 microseconds a document and core for d = 384 beside reading it;
         states of 9.5 MB a corpus and stratum; then a task for each model
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import config, schema
from dftspark.lenses.embeddings import spark_clouds as clouds
from dftspark.lenses.embeddings.moments import frechet_metrics
from dftspark.lenses.embeddings.spark_compare import by_model
from dftspark.lenses.embeddings.statistic_moments import Moments, MomentSums
from dftspark.lenses.metric import measured


def frechet(
    documents: DataFrame,
    human: str,
    dim: int,
    counts: Mapping[str, int],
    clusters: Mapping[str, float],
    settings: config.Inference,
) -> list[dict[str, Any]]:
    """schema.MEASURED from schema.CLOUDS of width `dim`; `counts` are the documents of each corpus
    and `clusters` its clusters."""
    of = Moments(dim=dim)
    stored = clouds.fold(documents, of).cache()
    try:
        found = by_model(stored, human).applyInArrow(
            _comparing(of, human, counts, clusters, settings), from_arrow_schema(schema.MEASURED)
        )
        rows: list[dict[str, Any]] = found.toArrow().to_pylist()
    finally:
        stored.unpersist()
    return rows


def _comparing(
    of: Moments,
    human: str,
    counts: Mapping[str, int],
    clusters: Mapping[str, float],
    settings: config.Inference,
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], both: pa.Table) -> pa.Table:
        model = key[0].as_py()
        metrics = frechet_metrics(
            _of_side(of, both, "human"), _of_side(of, both, "model"),
            int(min(clusters[human], clusters[model])),
            confidence=settings.confidence, seed=settings.seed,
        )  # fmt: skip
        row = measured(model, "", (counts[human], counts[model]), metrics)
        return pa.Table.from_pylist([row], schema=schema.MEASURED)

    return run


def _of_side(of: Moments, both: pa.Table, side: str) -> MomentSums:
    own = both.filter(pc.equal(both["side"], side))["state"]
    return _together(of, (of.state.decode(encoded.as_buffer()) for encoded in own))


def _together(of: Moments, states: Iterable[MomentSums]) -> MomentSums:
    return reduce(of.merge, states, of.empty())
