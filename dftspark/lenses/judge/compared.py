"""The judge lens: from judgements to win rates, JMQ, controls and warnings.

JMQ is twice the rate at which a judge prefers the model's text to the human text on the same
prompt; 1 is parity, the range 0 to 2. It is the number of one judge on one question, and not a
number that another judge, such as a classifier, may be given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference.agreement import MISSING, alpha_interval, cohen_kappa
from dftspark.inference.bradley_terry import bradley_terry
from dftspark.inference.intervals import Inferred
from dftspark.inference.win_rate import WinRate
from dftspark.lenses.judge.rates import MODEL, Key, Pairs, Row, gathered, length_scale, rates
from dftspark.lenses.judge.warnings import warnings
from dftspark.lenses.metric import Metric

VERSION = "judge-v1"
_FEWEST = 20  # pairs; a stratum with fewer has no rows


@dataclass(frozen=True)
class OfModel:
    """Metrics of a model in a stratum, or in all where that is empty, from so many pairs."""

    model: str
    stratum: str
    pairs: int
    metrics: list[Metric]


@dataclass(frozen=True)
class Judged:
    """Results: `rates` are rows of schema.WIN_RATES except run_id, date and human; `kappas` of
    judges two by two; `warnings` in words; `length_scale` in characters.
    """

    rates: list[Row]
    metrics: list[OfModel]
    kappas: list[Row]
    warnings: list[str]
    length_scale: float


def judged(table: pa.Table, settings: config.Inference) -> Judged:
    """Computes everything that follows from a table of schema.JUDGEMENTS."""
    groups = dict(gathered(table))
    scale = length_scale(table)
    rows: list[Row] = []
    for key, pairs in sorted(groups.items()):
        strata = {s for s in pairs.strata.tolist() if s and (pairs.strata == s).sum() >= _FEWEST}
        if len(set(pairs.strata.tolist())) == 1:
            strata = set()
        for stratum in ["", *sorted(strata)]:
            own = pairs.of(stratum) if stratum else pairs
            rows.append({**_named(key, stratum), **rates(own, key, scale, settings.confidence)})
    metrics = _metrics(rows, groups, settings)
    return Judged(rows, metrics, _kappas(groups), warnings(rows), scale)


def _named(key: Key, stratum: str) -> Row:
    return dict(zip(("kind", "model", "against", "dimension", "judge"), key, strict=True)) | {
        "stratum": stratum
    }


def _metrics(
    rows: list[Row], groups: dict[Key, Pairs], settings: config.Inference
) -> list[OfModel]:
    found: dict[tuple[str, str], OfModel] = {}
    for row in rows:
        hard, controlled, soft = (row.pop(name) for name in ("_rate", "_lc", "_soft"))
        if row["kind"] != MODEL:
            continue
        place = (row["model"], row["stratum"])
        metrics = found.setdefault(place, OfModel(*place, row["pairs"], [])).metrics
        name = f"{row['dimension']}:{row['judge']}"
        metrics.append(Metric(f"jmq_{name}", row["jmq"], "2 x win rate", _twice(hard)))
        if math.isfinite(controlled.value):
            inference = Inferred(
                std_error=2 * controlled.std_error,
                ci_low=2 * controlled.low,
                ci_high=2 * controlled.high,
                p_value=controlled.p_value,
                blocks=controlled.clusters,
            )
            metrics.append(
                Metric(
                    f"jmq_lc_{name}",
                    2 * controlled.value,
                    "2 x win rate at equal lengths",
                    inference,
                )
            )
        if soft.pairs and math.isfinite(soft.low):
            metrics.append(
                Metric(f"jmq_odds_{name}", 2 * soft.value, "2 x win probability", _twice(soft))
            )
    for model, metric in [*_strengths(groups, settings), *_agreements(groups, settings)]:
        found[model, ""].metrics.append(metric)
    return list(found.values())


def _twice(found: WinRate) -> Inferred:
    return Inferred(
        std_error=2 * found.std_error,
        ci_low=2 * found.low,
        ci_high=2 * found.high,
        p_value=found.p_value,
        mde=2 * found.mde,
        n_tell=found.n_tell,
        n_tell_low=found.n_tell_low,
        n_tell_high=found.n_tell_high,
        blocks=found.clusters,
    )


def _strengths(
    groups: dict[Key, Pairs], settings: config.Inference
) -> Iterator[tuple[str, Metric]]:
    """Yields Bradley-Terry strengths by judge and dimension, human at 0, from two models on."""
    every = sorted({(key[3], key[4]) for key in groups})
    for dimension, judge in every:
        own = {
            key: pairs
            for key, pairs in groups.items()
            if key[3:] == (dimension, judge) and key[0] in (MODEL, "models")
        }
        human = {key[2] for key in own if key[0] == MODEL}
        models = sorted({key[1] for key in own if key[0] == MODEL})
        if len(models) < 2:
            continue
        number = {name: i for i, name in enumerate([*human, *models])}
        sides, scores, clusters = [], [], []
        for key, pairs in own.items():
            both = ~np.isnan(pairs.scores).any(axis=1)
            scores.append(pairs.scores[both].mean(axis=1))
            clusters.append(pairs.clusters[both])
            sides.append(np.tile([number[key[1]], number[key[2]]], (int(both.sum()), 1)))
        found = bradley_terry(
            np.concatenate(sides),
            np.concatenate(scores),
            np.concatenate(clusters),
            len(number),
            confidence=settings.confidence,
            seed=settings.seed,
        )
        groups_seen = len(np.unique(np.concatenate(clusters)))
        for model in models:
            i = number[model]
            inference = Inferred(
                std_error=float(found.std_error[i]),
                ci_low=float(found.low[i]),
                ci_high=float(found.high[i]),
                blocks=groups_seen,
            )
            name = f"bradley_terry_{dimension}:{judge}"
            yield model, Metric(name, float(found.value[i]), "log odds against human", inference)


def _agreements(
    groups: dict[Key, Pairs], settings: config.Inference
) -> Iterator[tuple[str, Metric]]:
    """Yields Krippendorff's alpha of all judges of a model and dimension, from two judges on."""
    for model, dimension in sorted({(key[1], key[3]) for key in groups if key[0] == MODEL}):
        codes, clusters, _ = _side_by_side(groups, model, dimension)
        if len(codes) < 2:
            continue
        value, error, low, high = alpha_interval(codes, clusters, settings.confidence)
        inference = Inferred(
            std_error=error, ci_low=low, ci_high=high, blocks=len(np.unique(clusters))
        )
        yield model, Metric(f"judge_agreement_{dimension}", value, "Krippendorff alpha", inference)


def _side_by_side(
    groups: dict[Key, Pairs], model: str, dimension: str
) -> tuple[NDArray[np.int64], NDArray[Any], list[str]]:
    """Returns codes of verdicts `(J, N)` on common pairs and orders, with clusters and judges."""
    own = {
        key[4]: pairs
        for key, pairs in groups.items()
        if key[0] == MODEL and key[1] == model and key[3] == dimension
    }
    judges = sorted(own)
    places = {name: i for i, name in enumerate(own[judges[0]].names.tolist())}
    codes = np.full((len(judges), len(places), 2), MISSING)
    for j, judge in enumerate(judges):
        pairs = own[judge]
        for name, scores in zip(pairs.names.tolist(), pairs.scores, strict=True):
            if name in places:
                codes[j, places[name]] = np.where(np.isnan(scores), MISSING, scores * 2)
    clusters = np.repeat(own[judges[0]].clusters, 2)
    return codes.reshape(len(judges), -1), clusters, judges


def _kappas(groups: dict[Key, Pairs]) -> list[Row]:
    rows = []
    for model, dimension in sorted({(key[1], key[3]) for key in groups if key[0] == MODEL}):
        codes, _, judges = _side_by_side(groups, model, dimension)
        rows += [
            {
                "model": model,
                "dimension": dimension,
                "judges": [judges[a], judges[b]],
                "kappa": cohen_kappa(codes[a], codes[b]),
            }
            for a, b in combinations(range(len(judges)), 2)
        ]
    return rows
