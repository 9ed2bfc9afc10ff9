"""Win rates from judgements: verdicts gathered by comparison, and the numbers of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.endpoints.answers import NOT_ASKED
from dftspark.inference.length_control import length_controlled
from dftspark.inference.win_rate import from_odds, orders, win_rate

Floats = NDArray[np.float64]
Row = dict[str, Any]
Key = tuple[str, str, str, str, str]  # kind, model, against, dimension, judge

MODEL = "model"
_SCORES = {"model": 1.0, "tie": 0.5, "against": 0.0}
_COLUMNS = [
    "kind",
    "model",
    "against",
    "stratum",
    "judge",
    "dimension",
    "pair_id",
    "cluster",
    "order",
    "verdict",
    "odds",
    "error",
    "model_characters",
    "against_characters",
]


@dataclass(frozen=True)
class Pairs:
    """Pairs of one comparison `(P,)`, with the model's score and log odds in either order `(P, 2)`,
    first where its text stood first; nan where there is none. A person is shown a pair once, and
    the other order is then not planned.
    """

    names: NDArray[Any]
    clusters: NDArray[Any]
    strata: NDArray[Any]
    scores: Floats
    odds: Floats
    longer: Floats
    planned: NDArray[np.bool_]  # (P, 2)
    unasked: NDArray[np.bool_]  # (P, 2): planned and never sent

    def of(self, stratum: str) -> Pairs:
        own = self.strata == stratum
        return Pairs(
            self.names[own],
            self.clusters[own],
            self.strata[own],
            self.scores[own],
            self.odds[own],
            self.longer[own],
            self.planned[own],
            self.unasked[own],
        )

    @property
    def judged(self) -> NDArray[np.bool_]:
        """True for pairs with a verdict in every planned order, `(P,)`."""
        return np.asarray((~np.isnan(self.scores) == self.planned).all(axis=1))

    @property
    def score(self) -> Floats:
        """The mean score of each judged pair over its orders."""
        return np.asarray(np.nanmean(self.scores[self.judged], axis=1))


def gathered(table: pa.Table) -> Iterator[tuple[Key, Pairs]]:
    """Yields pairs by kind, model, other corpus, dimension and judge, from schema.JUDGEMENTS."""
    columns = {name: table[name].to_pylist() for name in _COLUMNS}
    keys = list(
        zip(*(columns[n] for n in ("kind", "model", "against", "dimension", "judge")), strict=True)
    )
    rows: dict[Key, list[int]] = {}
    for i, key in enumerate(keys):
        rows.setdefault(key, []).append(i)
    for key, own in rows.items():
        names = [columns["pair_id"][i] for i in own]
        place = {name: p for p, name in enumerate(dict.fromkeys(names))}
        first = dict(zip(reversed(names), reversed(own), strict=True))
        scores, odds = (np.full((len(place), 2), math.nan) for _ in range(2))
        planned, unasked = (np.zeros((len(place), 2), bool) for _ in range(2))
        for name, i in zip(names, own, strict=True):
            order = 0 if columns["order"][i] == "model_first" else 1
            planned[place[name], order] = True
            scores[place[name], order] = _SCORES.get(columns["verdict"][i], math.nan)
            unasked[place[name], order] = columns["error"][i] == NOT_ASKED
            value = columns["odds"][i]
            odds[place[name], order] = math.nan if value is None else value
        at = [first[name] for name in place]
        longer = [columns["model_characters"][i] - columns["against_characters"][i] for i in at]
        yield (
            key,
            Pairs(
                np.array(list(place)),
                np.array([columns["cluster"][i] for i in at], object),
                np.array([columns["stratum"][i] for i in at], object),
                scores,
                odds,
                np.array(longer, np.float64),
                planned,
                unasked,
            ),
        )


def length_scale(table: pa.Table) -> float:
    """Returns the standard deviation of the human texts' lengths in characters, the same for all
    models.
    """
    columns = (table[n].to_pylist() for n in ("kind", "against_id", "against_characters"))
    lengths = {name: size for kind, name, size in zip(*columns, strict=True) if kind == MODEL}
    spread = float(np.std(list(lengths.values()), ddof=1)) if len(lengths) > 1 else 0.0
    return spread if spread > 0 else 1.0


def rates(pairs: Pairs, key: Key, scale: float, confidence: float) -> Row:
    """Returns the columns of schema.WIN_RATES for `pairs`; `scale` comes from `length_scale`."""
    found = win_rate(pairs.score, pairs.clusters[pairs.judged], confidence)
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
        "pairs": found.pairs,
        "clusters": found.clusters,
        "verdicts": len(single),
        "wins": int((single == 1).sum()),
        "ties": int((single == 0.5).sum()),
        "losses": int((single == 0).sum()),
        "not_asked": int(pairs.unasked.sum()),
        "errors": int(pairs.planned.sum()) - int(pairs.unasked.sum()) - len(single),
        "win_rate": found.value,
        "std_error": found.std_error,
        "ci_low": found.low,
        "ci_high": found.high,
        "p_value": found.p_value,
        "mde": found.mde,
        "jmq": 2 * found.value if is_jmq else None,
        "jmq_low": 2 * found.low if is_jmq else None,
        "jmq_high": 2 * found.high if is_jmq else None,
        "first_rate": turned.first,
        "flip_rate": turned.flips,
        "longer_rate": float(won_longer.mean()) if len(won_longer) else math.nan,
        "lc_win_rate": controlled.value,
        "lc_low": controlled.low,
        "lc_high": controlled.high,
        "position_effect": controlled.position,
        "length_effect": controlled.length,
        "odds_pairs": soft.pairs,
        "odds_win_rate": soft.value,
        "odds_low": soft.low,
        "odds_high": soft.high,
        "_rate": found,
        "_lc": controlled,
        "_soft": soft,
    }
