"""The judge lens: from judgements to win rates, JMQ, controls and what to be wary of.

JMQ is twice the rate at which a judge prefers the model's text to the human text on the same
prompt; 1 is parity, the range 0 to 2. It is the number of one judge on one question, and no number
that another judge, a classifier say, may be given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference.agreement import MISSING, alpha_interval, cohen_kappa
from dftspark.inference.bradley_terry import bradley_terry
from dftspark.inference.intervals import Inference
from dftspark.inference.length_control import length_controlled
from dftspark.inference.win_rate import WinRate, from_odds, orders, win_rate
from dftspark.lenses.metric import Metric

Floats = NDArray[np.float64]
Row = dict[str, Any]

MODEL = "model"
VERSION = "judge-v1"
_SCORES = {"model": 1.0, "tie": 0.5, "against": 0.0}
_COLUMNS = [
    "kind", "model", "against", "stratum", "judge", "dimension", "pair_id", "cluster", "order",
    "verdict", "odds", "model_characters", "against_characters",
]  # fmt: skip
_FEWEST = 20  # pairs of a stratum that gets rows of its own

_BROKEN_WINS = 0.25
_FLIPS = 0.3
_ERRORS = 0.05


@dataclass(frozen=True)
class OfModel:
    """Metrics of a model in a stratum, or in all where that is empty, from so many pairs."""

    model: str
    stratum: str
    pairs: int
    metrics: list[Metric]


@dataclass(frozen=True)
class Found:
    """`rates` are rows of schema.WIN_RATES but for run_id, date and human; `kappas` of judges two
    by two; `warnings` in words; `length_scale` in characters."""

    rates: list[Row]
    metrics: list[OfModel]
    kappas: list[Row]
    warnings: list[str]
    length_scale: float


@dataclass(frozen=True)
class _Pairs:
    """Pairs of one comparison `(P,)`, with the model's score and log odds in either order `(P, 2)`,
    first where its text stood first; nan where there is none."""

    names: NDArray[Any]
    clusters: NDArray[Any]
    strata: NDArray[Any]
    scores: Floats
    odds: Floats
    longer: Floats
    asked: int

    def of(self, stratum: str) -> _Pairs:
        own = self.strata == stratum
        return _Pairs(
            self.names[own], self.clusters[own], self.strata[own], self.scores[own],
            self.odds[own], self.longer[own], 2 * int(own.sum()),
        )  # fmt: skip


Key = tuple[str, str, str, str, str]  # kind, model, against, dimension, judge


def judged(table: pa.Table, settings: config.Inference) -> Found:
    """Everything that follows from a table of schema.JUDGEMENTS."""
    groups = dict(_groups(table))
    scale = _length_scale(table)
    rates: list[Row] = []
    for key, pairs in sorted(groups.items()):
        strata = {s for s in pairs.strata.tolist() if s and (pairs.strata == s).sum() >= _FEWEST}
        if len(set(pairs.strata.tolist())) == 1:
            strata = set()
        for stratum in ["", *sorted(strata)]:
            own = pairs.of(stratum) if stratum else pairs
            rates.append({**_named(key, stratum), **_rates(own, key, scale, settings.confidence)})
    metrics = _metrics(rates, groups, settings)
    return Found(rates, metrics, _kappas(groups), _warnings(rates), scale)


def _groups(table: pa.Table) -> Iterator[tuple[Key, _Pairs]]:
    columns = {name: table[name].to_pylist() for name in _COLUMNS}
    keys = list(zip(*(columns[n] for n in ("kind", "model", "against", "dimension", "judge")),
                    strict=True))  # fmt: skip
    rows: dict[Key, list[int]] = {}
    for i, key in enumerate(keys):
        rows.setdefault(key, []).append(i)
    for key, own in rows.items():
        names = [columns["pair_id"][i] for i in own]
        place = {name: p for p, name in enumerate(dict.fromkeys(names))}
        first = dict(zip(reversed(names), reversed(own), strict=True))
        scores, odds = (np.full((len(place), 2), math.nan) for _ in range(2))
        for name, i in zip(names, own, strict=True):
            order = 0 if columns["order"][i] == "model_first" else 1
            scores[place[name], order] = _SCORES.get(columns["verdict"][i], math.nan)
            value = columns["odds"][i]
            odds[place[name], order] = math.nan if value is None else value
        at = [first[name] for name in place]
        longer = [columns["model_characters"][i] - columns["against_characters"][i] for i in at]
        yield key, _Pairs(
            np.array(list(place)), np.array([columns["cluster"][i] for i in at], object),
            np.array([columns["stratum"][i] for i in at], object), scores, odds,
            np.array(longer, np.float64), len(own),
        )  # fmt: skip


def _length_scale(table: pa.Table) -> float:
    """Standard deviation of the human texts' lengths in characters, the same for all models."""
    columns = (table[n].to_pylist() for n in ("kind", "against_id", "against_characters"))
    lengths = {name: size for kind, name, size in zip(*columns, strict=True) if kind == MODEL}
    spread = float(np.std(list(lengths.values()), ddof=1)) if len(lengths) > 1 else 0.0
    return spread if spread > 0 else 1.0


def _named(key: Key, stratum: str) -> Row:
    return dict(zip(("kind", "model", "against", "dimension", "judge"), key, strict=True)) | {
        "stratum": stratum
    }


def _rates(pairs: _Pairs, key: Key, scale: float, confidence: float) -> Row:
    both = ~np.isnan(pairs.scores).any(axis=1)
    found = win_rate(pairs.scores[both].mean(axis=1), pairs.clusters[both], confidence)
    turned = orders(pairs.scores[:, 0], pairs.scores[:, 1])
    shown = ~np.isnan(pairs.scores)
    single = pairs.scores[shown]
    longer = np.broadcast_to(pairs.longer[:, None], shown.shape)[shown]
    first = np.broadcast_to(np.array([True, False]), shown.shape)[shown]
    clusters = np.broadcast_to(pairs.clusters[:, None], shown.shape)[shown]
    controlled = length_controlled(single, first, longer, clusters, scale, confidence)
    unlike = longer != 0
    won_longer = np.where(longer > 0, single, 1 - single)[unlike]
    told = ~np.isnan(pairs.odds).any(axis=1)
    soft = win_rate(from_odds(*pairs.odds[told].T), pairs.clusters[told], confidence)
    is_jmq = key[0] == MODEL
    return {
        "pairs": found.pairs, "clusters": found.clusters, "verdicts": len(single),
        "wins": int((single == 1).sum()), "ties": int((single == 0.5).sum()),
        "losses": int((single == 0).sum()), "errors": pairs.asked - len(single),
        "win_rate": found.value, "std_error": found.std_error, "ci_low": found.low,
        "ci_high": found.high, "p_value": found.p_value, "mde": found.mde,
        "jmq": 2 * found.value if is_jmq else None,
        "jmq_low": 2 * found.low if is_jmq else None,
        "jmq_high": 2 * found.high if is_jmq else None,
        "first_rate": turned.first, "flip_rate": turned.flips,
        "longer_rate": float(won_longer.mean()) if len(won_longer) else math.nan,
        "lc_win_rate": controlled.value, "lc_low": controlled.low, "lc_high": controlled.high,
        "position_effect": controlled.position, "length_effect": controlled.length,
        "odds_pairs": soft.pairs, "odds_win_rate": soft.value, "odds_low": soft.low,
        "odds_high": soft.high, "_lc": controlled, "_soft": soft,
    }  # fmt: skip


# --- rows of the metrics table -------------------------------------------------------------------


def _metrics(
    rates: list[Row], groups: dict[Key, _Pairs], settings: config.Inference
) -> list[OfModel]:
    found: dict[tuple[str, str], OfModel] = {}
    for row in rates:
        controlled, soft = row.pop("_lc"), row.pop("_soft")
        if row["kind"] != MODEL:
            continue
        place = (row["model"], row["stratum"])
        metrics = found.setdefault(place, OfModel(*place, row["pairs"], [])).metrics
        name = f"{row['dimension']}:{row['judge']}"
        metrics.append(Metric(f"jmq_{name}", row["jmq"], "2 x win rate", _twice(row)))
        nan = math.nan
        if math.isfinite(controlled.value):
            inference = Inference(
                2 * controlled.std_error, 2 * controlled.low, 2 * controlled.high,
                controlled.p_value, nan, nan, controlled.clusters,
            )  # fmt: skip
            metrics.append(Metric(f"jmq_lc_{name}", 2 * controlled.value, "2 x win rate at equal "
                                  "lengths", inference))  # fmt: skip
        if soft.pairs and math.isfinite(soft.low):
            metrics.append(Metric(f"jmq_odds_{name}", 2 * soft.value, "2 x win probability",
                                  _twice_of(soft)))  # fmt: skip
    for model, metric in [*_strengths(groups, settings), *_agreements(groups, settings)]:
        found[model, ""].metrics.append(metric)
    return list(found.values())


def _twice(row: Row) -> Inference:
    return Inference(
        2 * row["std_error"], row["jmq_low"], row["jmq_high"], row["p_value"], math.nan,
        2 * row["mde"], row["clusters"],
    )  # fmt: skip


def _twice_of(found: WinRate) -> Inference:
    return Inference(
        2 * found.std_error, 2 * found.low, 2 * found.high, found.p_value, math.nan,
        2 * found.mde, found.clusters,
    )  # fmt: skip


def _strengths(
    groups: dict[Key, _Pairs], settings: config.Inference
) -> Iterator[tuple[str, Metric]]:
    """Bradley-Terry of all models of a judge and dimension, human at 0, from two models on."""
    every = sorted({(key[3], key[4]) for key in groups})
    for dimension, judge in every:
        own = {
            key: pairs for key, pairs in groups.items()
            if key[3:] == (dimension, judge) and key[0] in (MODEL, "models")
        }  # fmt: skip
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
            np.concatenate(sides), np.concatenate(scores), np.concatenate(clusters), len(number),
            confidence=settings.confidence, seed=settings.seed,
        )  # fmt: skip
        groups_seen = len(np.unique(np.concatenate(clusters)))
        for model in models:
            i = number[model]
            nan = math.nan
            inference = Inference(
                float(found.std_error[i]), float(found.low[i]), float(found.high[i]), nan, nan,
                nan, groups_seen,
            )  # fmt: skip
            name = f"bradley_terry_{dimension}:{judge}"
            yield model, Metric(name, float(found.value[i]), "log odds against human", inference)


def _agreements(
    groups: dict[Key, _Pairs], settings: config.Inference
) -> Iterator[tuple[str, Metric]]:
    """Krippendorff's alpha of all judges of a model and dimension, from two judges on."""
    for model, dimension in sorted({(key[1], key[3]) for key in groups if key[0] == MODEL}):
        codes, clusters, _ = _side_by_side(groups, model, dimension)
        if len(codes) < 2:
            continue
        value, error, low, high = alpha_interval(codes, clusters, settings.confidence)
        nan = math.nan
        inference = Inference(error, low, high, nan, nan, nan, len(np.unique(clusters)))
        yield model, Metric(f"judge_agreement_{dimension}", value, "Krippendorff alpha", inference)


def _side_by_side(
    groups: dict[Key, _Pairs], model: str, dimension: str
) -> tuple[NDArray[np.int64], NDArray[Any], list[str]]:
    """Codes of the verdicts `(J, N)` on the same pairs and orders, their clusters, the judges."""
    own = {
        key[4]: pairs for key, pairs in groups.items()
        if key[0] == MODEL and key[1] == model and key[3] == dimension
    }  # fmt: skip
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


def _kappas(groups: dict[Key, _Pairs]) -> list[Row]:
    rows = []
    for model, dimension in sorted({(key[1], key[3]) for key in groups if key[0] == MODEL}):
        codes, _, judges = _side_by_side(groups, model, dimension)
        rows += [
            {"model": model, "dimension": dimension, "judges": [judges[a], judges[b]],
             "kappa": cohen_kappa(codes[a], codes[b])}
            for a, b in combinations(range(len(judges)), 2)
        ]  # fmt: skip
    return rows


# --- what to be wary of --------------------------------------------------------------------------


def _warnings(rates: Sequence[Row]) -> list[str]:
    whole = [row for row in rates if not row["stratum"]]
    said = []
    for judge in sorted({row["judge"] for row in whole}):
        own = [row for row in whole if row["judge"] == judge]
        main = [row for row in own if row["kind"] == MODEL]
        said += [f"judge {judge}: {text}" for text in (*_of_controls(own), *_of_judge(main))]
    return said


def _of_controls(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row["kind"] == "broken" and row["win_rate"] > _BROKEN_WINS:
            yield (
                f"prefers text of {row['model']} with its words shuffled to human text in "
                f"{row['win_rate']:.0%} of the pairs ({row['dimension']}): it prefers that source "
                f"whatever it says, or does not read, and its JMQ means nothing"
            )


def _of_judge(rows: Sequence[Row]) -> Iterator[str]:
    liked = [
        dimension for dimension, own in _by_dimension(rows)
        if len(own) > 1 and all((row["jmq_low"] or 0) > 1 for row in own)
    ]  # fmt: skip
    if liked:
        yield (
            f"prefers the text of every model to human text ({', '.join(liked)}): it may prefer "
            f"machine text whatever its source; JMQ above 1 is then the judge's taste"
        )
    for dimension, own in _by_dimension(rows):
        for row in own:
            asked = row["verdicts"] + row["errors"]
            if row["flip_rate"] > _FLIPS:
                yield (
                    f"changes its mind with the order in {row['flip_rate']:.0%} of the pairs of "
                    f"{row['model']} ({dimension}): what it prefers is mostly a place, and JMQ is "
                    f"drawn toward 1"
                )
            if asked and row["errors"] > _ERRORS * asked:
                yield (
                    f"{row['errors']:,} of {asked:,} requests about {row['model']} ({dimension}) "
                    f"have no verdict; the table judgements says why"
                )
            if _by_length(row):
                yield (
                    f"at equal lengths its preference about {row['model']} ({dimension}) is "
                    f"{2 * row['lc_win_rate']:.2f} and no longer {row['jmq']:.2f}: it is in good "
                    f"part one for {'longer' if row['length_effect'] > 0 else 'shorter'} text"
                )


def _by_dimension(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for dimension in dict.fromkeys(row["dimension"] for row in rows):
        yield dimension, [row for row in rows if row["dimension"] == dimension]


def _by_length(row: Row) -> bool:
    raw = (row["ci_low"] > 0.5) - (row["ci_high"] < 0.5)
    controlled = (row["lc_low"] > 0.5) - (row["lc_high"] < 0.5)
    return bool(raw and controlled != raw and math.isfinite(row["lc_win_rate"]))
