"""The n-gram lens, key range by key range: sums over n-grams, and the rows a table may show.

The totals of both corpora are known beforehand. N-grams that only the human side has are never
visited for each model: their part is the human sum less the part of those that both have.

Cost     one walk over the n-grams of both sides
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference.effective_counts import (
    FEWEST_CLUSTERS,
    FEWEST_EXPECTED,
    Squares,
    comparable_clustering,
    score,
    share_p,
)
from dftspark.inference.log_odds import shrunken_log_odds
from dftspark.inference.ngram_sample import in_sample
from dftspark.lenses.ngrams import distance_jensen_shannon as jensen_shannon
from dftspark.lenses.ngrams import distance_table as ngram_table
from dftspark.lenses.ngrams import distance_total_variation as total_variation
from dftspark.lenses.ngrams.counting import expanded
from dftspark.lenses.ngrams.grams import in_both, kinds, matched
from dftspark.lenses.ngrams.keys import RATE_ONE, GramRows, each
from dftspark.lenses.ngrams.side import Floats, GramSide, Totals
from dftspark.state import SumState, decode_arrays, encode_arrays
from dftspark.text.hashing import BLOCKS, mixed

COMMON_SHARE = 0.02  # of the model's documents: a rarer token has no document ratio
_SAMPLING_SEED = np.uint64(0x5A3D_91C2_77E0_4B1F)


@dataclass(frozen=True, eq=False)
class RangeSums(SumState):
    """Additive over key ranges. Products are of block sketches, human blocks first."""

    plug_in: Floats  # (2,) sum of (p - q)^2, token- and document-weighted
    human: Floats  # (4,) sum Q, sum p H, |p|^2, |document-weighted p|^2
    model: Floats  # (4,)
    divergence: Floats  # (2,) Jensen-Shannon in bits, total variation
    left_out: Floats  # (2, 64) the same without block j of both sides
    distinct: NDArray[np.int64]  # (2,) n-grams
    products: Floats  # (2, 128, 128) of counts, of rates


@dataclass(frozen=True, eq=False)
class Partial:
    """Results of one key range for a pair: sums, and rows that are put end to end."""

    sums: RangeSums
    tested: Floats  # (t,) z of every n-gram that has a test
    sample: tuple[NDArray[Any], ...]  # rates (k,), human counts (k, 64), model counts (k, 64)
    listed: dict[str, NDArray[Any]]  # columns of n-grams that may be shown
    common: dict[str, NDArray[Any]]  # tokens in enough of the model's documents
    common_tested: Floats  # (u,) p of every token whose share of documents has a test

    def encode(self) -> bytes:
        arrays = [getattr(self.sums, field.name) for field in fields(self.sums)]
        return encode_arrays(
            *arrays,
            self.tested,
            *self.sample,
            *self.listed.values(),
            *self.common.values(),
            self.common_tested,
        )

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        arrays = iter(decode_arrays(data, cls.__name__))
        return cls(
            RangeSums(*(next(arrays) for _ in fields(RangeSums))),
            next(arrays),
            tuple(next(arrays) for _ in range(3)),
            {name: next(arrays) for name in LISTED},
            {name: next(arrays) for name in COMMON},
            next(arrays),
        )


LISTED = (
    "key",
    "count_human",
    "count_model",
    "docs_human",
    "docs_model",
    "log_odds",
    "z",
    "contribution",
)
COMMON = ("key", "docs_human", "docs_model", "p_value")


def partial(
    human: GramSide,
    model: GramSide,
    human_totals: Totals,
    model_totals: Totals,
    n: int,
    settings: config.Ngrams,
) -> Partial:
    """Compares the pair in this key range, at order n."""
    at = matched(human.grams.key, model.grams.key)
    tokens = _Aligned(human.token_rates, model.token_rates, *at)
    documents = _Aligned(human.document_rates, model.document_rates, *at)
    divergence = [
        _added_up(tokens, jensen_shannon.term, 0.5),
        _added_up(tokens, total_variation.term, 0.5),
    ]
    return Partial(
        RangeSums(
            np.array([_squared_difference(tokens), _squared_difference(documents)]),
            human.sums,
            model.sums,
            np.array(divergence),
            _without_each_block(human, model, *at, human_totals, model_totals),
            np.array([len(human.grams.key), len(model.grams.key)]),
            np.stack([_products(human, model, "counts"), _products(human, model, "rates")]),
        ),
        _tested(human, model, *at, human_totals, model_totals),
        _sample(human, model, tokens, settings.inference_ngrams),
        _listed(human, model, human_totals, model_totals, settings.table_rows),
        *(_common(human, model, human_totals, model_totals) if n == 1 else _none_common()),
    )


@dataclass(frozen=True, eq=False)
class _Aligned:
    """Rates of both sides; human n-gram at_human[i] is model n-gram at_model[i]."""

    human: Floats
    model: Floats
    at_human: NDArray[np.int64]
    at_model: NDArray[np.int64]

    @cached_property
    def on_model(self) -> Floats:
        """The human rate of each of the model's n-grams."""
        out = np.zeros(len(self.model))
        out[self.at_model] = self.human[self.at_human]
        return out

    @cached_property
    def human_only(self) -> NDArray[np.bool_]:
        out = np.ones(len(self.human), np.bool_)
        out[self.at_human] = False
        return out


def _squared_difference(rates: _Aligned) -> float:
    own = rates.human[rates.human_only]
    return float(((rates.on_model - rates.model) ** 2).sum() + own @ own)


def _added_up(rates: _Aligned, term: Any, alone: float) -> float:
    """Returns the sum of `term`, which is `alone` x rate where only one side has the n-gram."""
    own = rates.human.sum() - rates.human[rates.at_human].sum()
    other = rates.model.sum() - rates.model[rates.at_model].sum()
    both = term(rates.human[rates.at_human], rates.model[rates.at_model])
    return float(both.sum() + alone * (own + other))


def _without_each_block(
    human: GramSide,
    model: GramSide,
    at_human: NDArray[np.int64],
    at_model: NDArray[np.int64],
    human_totals: Totals,
    model_totals: Totals,
) -> Floats:
    """Returns both divergences without block j of either side, `(2, 64)`, exactly.

    It takes all n-grams with their full counts over the smaller totals, most of them in a few kinds
    of equal counts, and then the changes for those that occur in block j.
    """
    totals = (human_totals["tokens"], model_totals["tokens"])
    rest = [np.maximum(own.sum() - own, 1) for own in totals]
    found = in_both(
        human.by_gram, human.rows.key, at_human, model.by_gram, model.rows.key, at_model
    )
    alone = np.zeros(BLOCKS)
    for own, shared, left in ((human, found.human, rest[0]), (model, found.model, rest[1])):
        per_block = own.per_block - np.bincount(found.block, shared, BLOCKS)
        alone += (per_block.sum() - per_block) / left / 2
    counts = human.grams.count[at_human], model.grams.count[at_model]
    of_human, of_model, repeats = kinds(*counts)
    whole = [count[found.pair] for count in counts]
    kept = [whole[0] - found.human, whole[1] - found.model]
    out = []
    for term in (jensen_shannon.term, total_variation.term):
        unseen = [
            float(repeats @ term(of_human / h, of_model / m)) for h, m in zip(*rest, strict=True)
        ]
        before, after = (
            term(h / rest[0][found.block], m / rest[1][found.block]) for h, m in (whole, kept)
        )
        out.append(unseen + np.bincount(found.block, after - before, BLOCKS) + alone)
    return np.array(out)


def _products(human: GramSide, model: GramSide, name: str) -> Floats:
    scale = RATE_ONE if name == "rates" else 1.0
    sketches = [getattr(own.sketch, name) / scale for own in (human, model)]
    stacked = np.concatenate(sketches)
    return np.asarray(stacked @ stacked.T)


def _tested(
    human: GramSide,
    model: GramSide,
    at_human: NDArray[np.int64],
    at_model: NDArray[np.int64],
    human_totals: Totals,
    model_totals: Totals,
) -> Floats:
    """Returns z of each n-gram that has a test: (t,)."""
    clusters = model.grams.clusters.copy()
    clusters[at_model] += human.grams.clusters[at_human]
    alone = human.grams.clusters >= FEWEST_CLUSTERS
    alone[at_human] = False
    keys = np.concatenate([model.grams.key[clusters >= FEWEST_CLUSTERS], human.grams.key[alone]])
    z = _z(human, model, keys, human_totals, model_totals)
    return z[np.isfinite(z)]


def _z(
    human: GramSide,
    model: GramSide,
    keys: NDArray[np.uint64],
    human_totals: Totals,
    model_totals: Totals,
) -> Floats:
    """Returns normal scores of the rate difference, positive where the model uses it more: `(k,)`.

    nan where there is no test: in fewer than twenty clusters, with less than one effective
    occurrence expected on the smaller side, and where the sides' clusters are too unlike.
    """
    totals = human_totals, model_totals
    sizes = [(float(t["tokens"].sum()), float(t["squared_tokens"].sum())) for t in totals]
    if not comparable_clustering(*sizes):
        return np.full(len(keys), np.nan)
    h, m = (own.columns(keys) for own in (human, model))
    size = sizes[0][0] + sizes[1][0]
    rate = (h.count + m.count) / size
    clusters = h.clusters + m.clusters
    squares = (
        _squares(human, h, human_totals, keys, rate),
        _squares(model, m, model_totals, keys, rate),
    )
    speaking = [np.asarray(clusters * tokens / size, np.float64) for tokens, _ in sizes]
    for i, own in enumerate((human, model)):
        if own.returning:
            speaking[i] = np.minimum(speaking[i], squares[i].units)
    found = score(squares[0], squares[1], speaking[0], speaking[1])
    tested = (clusters >= FEWEST_CLUSTERS) & (found.expected >= FEWEST_EXPECTED)
    return np.where(tested, found.z, np.nan)


def _squares(
    own: GramSide, rows: GramRows, totals: Totals, keys: NDArray[np.uint64], rate: Floats
) -> Squares:
    """Returns squares over clusters, or over blocks of them on a side whose clusters come on
    several days: its rows know only parts of a cluster.
    """
    tokens = float(totals["tokens"].sum())
    if own.returning:
        by_block = own.by_block(keys, own.by_gram.rows) - rate[:, None] * totals["tokens"]
        filled = float((totals["tokens"] > 0).sum())
        return Squares(rows.count, (by_block**2).sum(axis=1), tokens, filled)
    squared = float(totals["squared_tokens"].sum())
    residual = rows.squares - 2 * rate * rows.weighted + rate**2 * squared
    return Squares(rows.count, np.maximum(residual, 0.0), tokens, float(totals["groups"].sum()))


def _sample(
    human: GramSide, model: GramSide, rates: _Aligned, target: int
) -> tuple[NDArray[Any], ...]:
    """Draws n-grams in proportion to their mean rate, with their counts by block."""
    mean = (rates.on_model + rates.model) / 2
    own_keys = human.grams.key[rates.human_only]
    keys = np.concatenate([model.grams.key, own_keys])
    mean = np.asarray(np.concatenate([mean, rates.human[rates.human_only] / 2]), np.float64)
    uniform = (mixed(keys, _SAMPLING_SEED) >> np.uint64(11)) * 2.0**-53
    chosen = in_sample(mean, np.asarray(uniform, np.float64), target)
    keys, mean = keys[chosen], mean[chosen]
    order = np.argsort(keys)
    keys, mean = keys[order], mean[order]
    return (
        mean,
        human.by_block(keys, human.by_gram.rows),
        model.by_block(keys, model.by_gram.rows),
    )


def _listed(
    human: GramSide, model: GramSide, human_totals: Totals, model_totals: Totals, most: int
) -> dict[str, NDArray[Any]]:
    """Returns the n-grams of this range with text and the largest contributions, as columns."""
    keys = np.union1d(human.listable, model.listable)
    h, m = (own.columns(keys) for own in (human, model))
    contribution = ngram_table.signed_contributions(h.count / human.tokens, m.count / model.tokens)
    top = np.lexsort((keys, -np.abs(contribution)))[:most]
    h, m = (each(rows, lambda column: column[top]) for rows in (h, m))
    odds = shrunken_log_odds(
        h.count.astype(np.float64), m.count.astype(np.float64), human.tokens, model.tokens
    )
    z = _z(human, model, keys[top], human_totals, model_totals)
    columns = (keys[top], h.count, m.count, h.docs, m.docs, odds, z, contribution[top])
    return dict(zip(LISTED, columns, strict=True))


def _common(
    human: GramSide, model: GramSide, human_totals: Totals, model_totals: Totals
) -> tuple[dict[str, NDArray[Any]], Floats]:
    """Returns tokens with text in at least 2% of the model's documents, as columns; and the p of
    every token whose share of documents has a test.
    """
    keys = np.union1d(human.grams.key, model.grams.key)
    docs = [own.columns(keys).docs for own in (human, model)]
    some = docs[0] + docs[1] >= FEWEST_CLUSTERS
    p = np.full(len(keys), np.nan)
    by_block = [own.by_block(keys[some], expanded(own.rows).docs) for own in (human, model)]
    p[some] = share_p(
        by_block[0], by_block[1], human_totals["documents"], model_totals["documents"]
    )
    shown = docs[1] >= COMMON_SHARE * model.documents
    shown &= np.isin(keys, np.union1d(human.listable, model.listable))
    columns = (keys[shown], docs[0][shown], docs[1][shown], p[shown])
    return dict(zip(COMMON, columns, strict=True)), p[np.isfinite(p)]


def _none_common() -> tuple[dict[str, NDArray[Any]], Floats]:
    none = np.zeros(0, np.int64)
    columns = (np.zeros(0, np.uint64), none, none, np.zeros(0))
    return dict(zip(COMMON, columns, strict=True)), np.zeros(0)
