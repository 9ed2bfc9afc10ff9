"""The Frechet distance of each pair, from the moments of every corpus.

Cost     a state of moments is 9.5 MB a corpus and stratum; 25 evaluations of the distance a pair.
         A worker keeps the human side: its sums, and 25 roots of (d, d), 29 MB at d = 384
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dftspark import config, schema
from dftspark.lenses.embeddings.cloud_files import states, together
from dftspark.lenses.embeddings.moments import MomentSide, RootSide, frechet_metrics
from dftspark.lenses.embeddings.statistic_moments import Moments
from dftspark.lenses.metric import measured
from dftspark.store.state_table import StateTable


@dataclass(frozen=True)
class FrechetPairs:
    """The distance of a model: one row of schema.MEASURED, for all strata together.

    `counts` are the documents and `clusters` the clusters of each corpus.
    """

    stored: StateTable
    of: Moments
    human: str
    counts: Mapping[str, int]
    clusters: Mapping[str, float]
    settings: config.Inference
    columns = schema.MEASURED

    def __call__(self, model: str) -> list[dict[str, Any]]:
        metrics = frechet_metrics(
            _kept(self.stored, self.of, self.human),
            MomentSide(together(self.of, states(self.stored, self.of, model))),
            int(min(self.clusters[self.human], self.clusters[model])),
            confidence=self.settings.confidence,
            seed=self.settings.seed,
        )
        return [measured(model, "", (self.counts[self.human], self.counts[model]), metrics)]


@lru_cache(maxsize=1)
def _kept(stored: StateTable, of: Moments, human: str) -> RootSide:
    return RootSide(together(of, states(stored, of, human)))
