"""The n-gram lens, key range by key range: sums over n-grams, and the rows a table may show.

The totals of both corpora are known before. N-grams that only the human side has are never walked
through for each model: what they add is the human sum less the part that both have.

Cost     one search for each n-gram of the model
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dftspark import config
from dftspark.distances import jensen_shannon, ngram_table, total_variation
from dftspark.features.hashing import BLOCK_BITS, BLOCKS, mixed
from dftspark.features.ngrams import RATE_ONE, Rows, each
from dftspark.features.phrases import merged_blocks
from dftspark.inference.ngram_sample import in_sample
from dftspark.state import SumState, decode_arrays, encode_arrays
from dftspark.stats.ngram_sketch import BlockSketch

Floats = NDArray[np.float64]
Totals = dict[str, NDArray[np.int64]]  # (64,) each, by the names in stats.ngram_counts.TOTALS
TESTED_CLUSTERS = 20  # fewer clusters on both sides together: no test, whatever the labels
COMMON_SHARE = 0.02  # of the model's documents, from which on a token has a document ratio
_SAMPLING_SEED = np.uint64(0x5A3D_91C2_77E0_4B1F)


@dataclass(frozen=True, eq=False)
class Side:
    """One corpus in one key range: n-grams with their blocks added up, and the rows behind."""

    rows: Rows  # by n-gram and block
    grams: Rows  # by n-gram
    listable: NDArray[np.uint64]  # keys whose text the profile keeps, sorted
    sketch: BlockSketch
    tokens: float
    documents: float

    # The human side meets every model: what needs all of its n-grams is worked out once.

    @cached_property
    def token_rates(self) -> Floats:
        return self.grams.count / self.tokens

    @cached_property
    def document_rates(self) -> Floats:
        return self.grams.rate / (self.documents * RATE_ONE)

    @cached_property
    def sums(self) -> Floats:
        """Sum Q, sum p H, |p|^2, |document-weighted p|^2."""
        p, f = self.token_rates, self.document_rates
        return np.array([self.grams.squares.sum(), p @ self.grams.weighted, p @ p, f @ f])

    @cached_property
    def per_block(self) -> Floats:
        return _per_block(self.rows)


def side(rows: Rows, listable: NDArray[np.uint64], sketch: BlockSketch, totals: Totals) -> Side:
    tokens, documents = (float(totals[name].sum()) or np.nan for name in ("tokens", "documents"))
    return Side(rows, merged_blocks(rows), listable, sketch, tokens, documents)


@dataclass(frozen=True, eq=False)
class Sums(SumState):
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
    """What one key range says of a pair: sums, and rows that are put end to end."""

    sums: Sums
    tested: Floats  # (t,) z of every n-gram in enough clusters
    sample: tuple[NDArray[Any], ...]  # rates (k,), human counts (k, 64), model counts (k, 64)
    listed: dict[str, NDArray[Any]]  # columns of n-grams that may be shown
    common: dict[str, NDArray[Any]]  # tokens in enough of the model's documents

    def encode(self) -> bytes:
        arrays = [getattr(self.sums, field.name) for field in fields(self.sums)]
        return encode_arrays(
            *arrays, self.tested, *self.sample, *self.listed.values(), *self.common.values()
        )

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        arrays = iter(decode_arrays(data, cls.__name__))
        return cls(
            Sums(*(next(arrays) for _ in fields(Sums))),
            next(arrays),
            tuple(next(arrays) for _ in range(3)),
            {name: next(arrays) for name in LISTED},
            {name: next(arrays) for name in COMMON},
        )


LISTED = ("key", "count_human", "count_model", "docs_human", "docs_model", "log_odds", "z",
           "clusters", "contribution")  # fmt: skip
COMMON = ("key", "docs_human", "docs_model", "docs_by_block")


def partial(
    human: Side, model: Side, human_totals: Totals, model_totals: Totals, n: int,
    settings: config.Ngrams,
) -> Partial:  # fmt: skip
    """What this key range says of the pair, at order n."""
    matched, at = _positions(human.grams.key, model.grams.key)
    both = at[matched]
    tokens = _Aligned(human.token_rates, model.token_rates, matched, both)
    documents = _Aligned(human.document_rates, model.document_rates, matched, both)
    divergence = [
        _added_up(tokens, jensen_shannon.term, 0.5),
        _added_up(tokens, total_variation.term, 0.5),
    ]
    return Partial(
        Sums(
            np.array([_squared_difference(tokens), _squared_difference(documents)]),
            human.sums,
            model.sums,
            np.array(divergence),
            _without_each_block(human, model, tokens, human_totals, model_totals),
            np.array([len(human.grams.key), len(model.grams.key)]),
            np.stack([_products(human, model, "counts"), _products(human, model, "rates")]),
        ),
        _tested(human, model, matched, both, human_totals, model_totals),
        _sample(human, model, tokens, settings.inference_ngrams),
        _listed(human, model, human_totals, model_totals, settings.table_rows),
        _common(human, model) if n == 1 else _none_common(),
    )


@dataclass(frozen=True)
class _Aligned:
    """Rates of both sides; model n-gram i is human n-gram both[...] where matched[i]."""

    human: Floats
    model: Floats
    matched: NDArray[np.bool_]
    both: NDArray[np.int64]

    @property
    def on_model(self) -> Floats:
        """The human rate of each of the model's n-grams."""
        out = np.zeros(len(self.model))
        out[self.matched] = self.human[self.both]
        return out

    @property
    def human_only(self) -> NDArray[np.bool_]:
        out = np.ones(len(self.human), np.bool_)
        out[self.both] = False
        return out


def _positions(
    keys: NDArray[np.uint64], wanted: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(whether it is there, where) of each wanted key in the sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted), np.bool_), np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[at] == wanted, at


def _squared_difference(rates: _Aligned) -> float:
    own = rates.human[rates.human_only]
    return float(((rates.on_model - rates.model) ** 2).sum() + own @ own)


def _added_up(rates: _Aligned, term: Any, alone: float) -> float:
    """Sum of `term`, which is `alone` x rate where only one side has the n-gram."""
    own = rates.human.sum() - rates.human[rates.both].sum()
    return float(term(rates.on_model, rates.model).sum() + alone * own)


def _without_each_block(
    human: Side, model: Side, rates: _Aligned, human_totals: Totals, model_totals: Totals
) -> Floats:
    """Both divergences without block j of either side, `(2, 64)`, exactly.

    All n-grams with their full counts over the smaller totals, most of them in a few kinds of
    equal counts; then what changes for those that occur in block j.
    """
    totals = (human_totals["tokens"], model_totals["tokens"])
    rest = [np.maximum(own.sum() - own, 1) for own in totals]
    grams = human.grams.key[rates.both]
    ours, theirs = _rows_of(human.rows, grams), _rows_of(model.rows, grams)
    alone = np.zeros(BLOCKS)
    for own, shared, left in ((human, ours, rest[0]), (model, theirs, rest[1])):
        per_block = own.per_block - _per_block(shared)
        alone += (per_block.sum() - per_block) / left / 2
    counts = (human.grams.count[rates.both], model.grams.count[rates.matched])
    kinds, repeats = np.unique(np.stack(counts), axis=1, return_counts=True)
    keys = np.union1d(ours.key, theirs.key)
    at = np.searchsorted(grams, keys >> BLOCK_BITS << BLOCK_BITS)
    block = (keys & np.uint64(BLOCKS - 1)).astype(np.int64)
    whole = [count[at] for count in counts]
    kept = [count - _counts_at(r, keys) for count, r in zip(whole, (ours, theirs), strict=True)]
    out = []
    for term in (jensen_shannon.term, total_variation.term):
        unseen = [
            float(repeats @ term(kinds[0] / h, kinds[1] / m)) for h, m in zip(*rest, strict=True)
        ]
        before, after = (term(h / rest[0][block], m / rest[1][block]) for h, m in (whole, kept))
        out.append(unseen + np.bincount(block, after - before, minlength=BLOCKS) + alone)
    return np.array(out)


def _rows_of(rows: Rows, grams: NDArray[np.uint64]) -> Rows:
    """The rows, by block, of the n-grams given by sorted keys."""
    _, at = _row_numbers(rows, grams)
    return each(rows, lambda column: column[at])


def _row_numbers(
    rows: Rows, grams: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(which of `grams`, sorted keys with zero block bits, row number) of each row they have."""
    low = np.searchsorted(rows.key, grams)
    high = np.searchsorted(rows.key, grams + np.uint64(BLOCKS - 1), side="right")
    lengths = high - low
    which = np.repeat(np.arange(len(grams)), lengths)
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return which, np.repeat(low, lengths) + offset


def _per_block(rows: Rows) -> Floats:
    block = (rows.key & np.uint64(BLOCKS - 1)).astype(np.int64)
    return np.asarray(np.bincount(block, rows.count, minlength=BLOCKS), np.float64)


def _counts_at(rows: Rows, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    present, at = _positions(rows.key, keys)
    return np.where(present, rows.count[at], 0) if len(rows.key) else np.zeros(len(keys), np.int64)


def _products(human: Side, model: Side, name: str) -> Floats:
    scale = RATE_ONE if name == "rates" else 1.0
    sketches = [getattr(own.sketch, name) / scale for own in (human, model)]
    stacked = np.concatenate(sketches)
    return np.asarray(stacked @ stacked.T)


def _columns(own: Side, which: NDArray[np.int64], present: NDArray[np.bool_]) -> Rows:
    """Rows of own n-grams at `which`, zero where not present."""
    if not len(own.grams.key):
        return each(own.grams, lambda column: np.zeros(len(which), column.dtype))
    return each(own.grams, lambda column: np.where(present, column[which], 0))


def _counts(rows: Rows, totals: Totals) -> ngram_table.Counts:
    return ngram_table.Counts(
        count=rows.count,
        squares=rows.squares,
        cross=rows.weighted,
        tokens=float(totals["tokens"].sum()) or np.nan,
        squared_tokens=float(totals["squared_tokens"].sum()),
        clusters=int(totals["groups"].sum()),
    )


def _tested(
    human: Side,
    model: Side,
    matched: NDArray[np.bool_],
    both: NDArray[np.int64],
    human_totals: Totals,
    model_totals: Totals,
) -> Floats:
    """z of each n-gram that enough clusters have, both sides together: (t,)."""
    clusters = model.grams.clusters.copy()
    clusters[matched] += human.grams.clusters[both]
    alone = human.grams.clusters >= TESTED_CLUSTERS
    alone[both] = False
    keys = np.concatenate([model.grams.key[clusters >= TESTED_CLUSTERS], human.grams.key[alone]])
    return _z(human, model, keys, human_totals, model_totals)


def _z(
    human: Side, model: Side, keys: NDArray[np.uint64], human_totals: Totals, model_totals: Totals
) -> Floats:
    sides = [_columns(own, *_where(own, keys)) for own in (human, model)]
    return ngram_table.rate_z(_counts(sides[0], human_totals), _counts(sides[1], model_totals))


def _where(own: Side, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    present, at = _positions(own.grams.key, keys)
    return at, present


def _sample(human: Side, model: Side, rates: _Aligned, target: int) -> tuple[NDArray[Any], ...]:
    """N-grams drawn in proportion to their mean rate, with their counts by block."""
    mean = (rates.on_model + rates.model) / 2
    own_keys = human.grams.key[rates.human_only]
    keys = np.concatenate([model.grams.key, own_keys])
    mean = np.asarray(np.concatenate([mean, rates.human[rates.human_only] / 2]), np.float64)
    uniform = (mixed(keys, _SAMPLING_SEED) >> np.uint64(11)) * 2.0**-53
    chosen = in_sample(mean, np.asarray(uniform, np.float64), target)
    keys, mean = keys[chosen], mean[chosen]
    order = np.argsort(keys)
    keys, mean = keys[order], mean[order]
    return mean, by_block(human.rows, keys, "count"), by_block(model.rows, keys, "count")


def by_block(rows: Rows, keys: NDArray[np.uint64], column: str) -> NDArray[np.int64]:
    """A column of n-grams `keys` (zero block bits) spread over their blocks, `(k, 64)`."""
    out = np.zeros((len(keys), BLOCKS), np.int64)
    which, at = _row_numbers(rows, keys)
    block = (rows.key[at] & np.uint64(BLOCKS - 1)).astype(np.int64)
    out[which, block] = getattr(rows, column)[at]
    return out


def _listed(
    human: Side, model: Side, human_totals: Totals, model_totals: Totals, most: int
) -> dict[str, NDArray[Any]]:
    """The n-grams of this range with text and the largest contributions, as columns."""
    keys = np.union1d(human.listable, model.listable)
    h, m = (_columns(own, *_where(own, keys)) for own in (human, model))
    contribution = ngram_table.signed_contributions(h.count / human.tokens, m.count / model.tokens)
    top = np.lexsort((keys, -np.abs(contribution)))[:most]
    h, m = (each(rows, lambda column: column[top]) for rows in (h, m))
    odds = ngram_table.shrunken_log_odds(
        h.count.astype(np.float64), m.count.astype(np.float64), human.tokens, model.tokens
    )
    z = ngram_table.rate_z(_counts(h, human_totals), _counts(m, model_totals))
    columns = (keys[top], h.count, m.count, h.docs, m.docs, odds, z, h.clusters + m.clusters,
               contribution[top])  # fmt: skip
    return dict(zip(LISTED, columns, strict=True))


def _common(human: Side, model: Side) -> dict[str, NDArray[Any]]:
    """Tokens in at least 2% of the model's documents that have text, as columns."""
    enough = model.grams.docs >= COMMON_SHARE * model.documents
    keys = np.intersect1d(model.grams.key[enough], np.union1d(human.listable, model.listable))
    h, m = (_columns(own, *_where(own, keys)) for own in (human, model))
    return dict(
        zip(COMMON, (keys, h.docs, m.docs, by_block(human.rows, keys, "docs")), strict=True)
    )


def _none_common() -> dict[str, NDArray[Any]]:
    none = np.zeros(0, np.int64)
    columns = (np.zeros(0, np.uint64), none, none, np.zeros((0, BLOCKS), np.int64))
    return dict(zip(COMMON, columns, strict=True))
