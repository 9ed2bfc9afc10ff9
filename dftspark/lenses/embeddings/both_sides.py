"""Measures that need the vectors of both sides at once: the classifier and the exact MMD.

Cost     a task a model; at most `CLASSIFIED` documents of a side for the classifier, and as many
         as the settings ask for in the exact MMD
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.inference.intervals import Inferred
from dftspark.lenses.embeddings.cloud_files import Vectors, kept_side
from dftspark.lenses.embeddings.distance_c2st import classify
from dftspark.lenses.embeddings.exact_mmd import exact_metrics
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
from dftspark.lenses.metric import Metric, measured

CLASSIFIED = 5_000  # documents of a side, by the hash of their cluster
_EXACT_TOGETHER = 4_000  # documents of both sides: the kernel costs less than embedding them


@dataclass(frozen=True)
class ToldApart:
    """The classifier's metrics of a model, schema.MEASURED; `counts` are documents by corpus."""

    vectors: Vectors
    human: str
    counts: Mapping[str, int]
    confidence: float
    columns = schema.MEASURED

    def __call__(self, model: str) -> list[dict[str, Any]]:
        found = _together(self.vectors, self.human, model, CLASSIFIED)
        metrics = _classified(found.vectors, found.model, found.blocks, self.confidence)
        return [measured(model, "", (self.counts[self.human], self.counts[model]), metrics)]


@dataclass(frozen=True)
class Exact:
    """MMD by the kernel for `models`, schema.MEASURED, from up to `most` documents a side."""

    vectors: Vectors
    of: FeatureSums
    counts: Mapping[str, int]
    shared: dict[str, int]
    config: Audit
    most: int
    models: frozenset[str]
    columns = schema.MEASURED

    @classmethod
    def asked(
        cls,
        vectors: Vectors,
        of: FeatureSums,
        counts: Mapping[str, int],
        shared: dict[str, int],
        config: Audit,
    ) -> Exact:
        """Makes the work for the models that `mmd.exact` asks for."""
        most, human = config.mmd.exact, counts[config.human]
        models = counts.keys() - {config.human}
        if most < 0:
            most = _EXACT_TOGETHER
            models = {name for name in models if human + counts[name] <= most}
        return cls(vectors, of, counts, shared, config, most, frozenset(models if most else ()))

    def __call__(self, model: str) -> list[dict[str, Any]]:
        if model not in self.models:
            return []
        human = self.config.human
        found = _together(self.vectors, human, model, self.most)
        metrics = exact_metrics(
            found.vectors,
            found.model,
            found.blocks,
            found.cluster_counts,
            self.of.frequencies,
            paired=self.shared.get(model, 0) > 0,
            settings=self.config.inference,
        )
        return [measured(model, "", (self.counts[human], self.counts[model]), metrics)]


def _together(vectors: Vectors, human: str, model: str, most: int) -> _Together:
    sides = [kept_side(vectors, human, most), vectors.side(model, most)]
    return _Together.of(pa.concat_tables(sides), human)


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


def _classified(
    vectors: NDArray[np.float32],
    model: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    confidence: float,
) -> Iterator[Metric]:
    found = classify(vectors, model, blocks, confidence=confidence)
    for name, share in (("c2st_accuracy", found.accuracy), ("c2st_auc", found.area)):
        inference = Inferred(
            std_error=share.std_error,
            ci_low=share.low,
            ci_high=share.high,
            p_value=found.p_value,
            blocks=found.blocks,
        )
        if name == "c2st_auc":
            inference = replace(
                inference,
                n_tell=found.n_tell,
                n_tell_low=found.n_tell_low,
                n_tell_high=found.n_tell_high,
            )
        yield Metric(name, share.value, "share", inference)
        if name == "c2st_accuracy":
            bound = replace(
                inference,
                std_error=2 * share.std_error,
                ci_low=2 * share.low - 1,
                ci_high=2 * share.high - 1,
            )
            yield Metric("c2st_tv_bound", found.variation, "share", bound)
