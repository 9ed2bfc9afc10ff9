"""Measures from stored feature sums, one model at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dftspark import schema
from dftspark.config import Audit
from dftspark.inference.halves import Splits
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings.cloud_files import kept_states, states, together
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
from dftspark.lenses.metric import measured
from dftspark.store.state_table import StateTable


@dataclass(frozen=True)
class CloudPairs:
    """Metrics of a model, schema.MEASURED, a row a stratum, from schema.FEATURE_SUMS.

    The stratum '' is all documents. With several strata it has the stratified measures too, and
    each stratum that both sides have gets a row. `shared` is how many clusters each model corpus
    has in common with the human one.
    """

    stored: StateTable
    of: FeatureSums
    shared: dict[str, int]
    config: Audit
    columns = schema.MEASURED

    def __call__(self, model: str) -> list[dict[str, Any]]:
        of, config = self.of, self.config
        human, own = kept_states(self.stored, of, config.human), states(self.stored, of, model)
        options: dict[str, Any] = {
            "paired": self.shared.get(model, 0) > 0,
            "settings": config.inference,
        }
        several = len(human.keys() | own.keys()) > 1
        sides = {"": (together(of, human), together(of, own))}
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
        return rows
