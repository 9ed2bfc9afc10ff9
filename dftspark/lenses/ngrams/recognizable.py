"""Words and phrases that a reader recognizes, with the places where they stand.

The tables list what carries the distance, which is mostly articles and commas. A reader looks for
words that say something, alone or in a phrase, that many more documents of the model have.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import pyarrow.compute as pc

from dftspark.inference.proportions import NORMAL_95
from dftspark.report.words.rows import LEVEL, Row, of_pair
from dftspark.report.words.shown import Excerpt, Telltale
from dftspark.report.words.text import real, visible
from dftspark.store.run import Run

_PHRASE = 1.4  # weight of a phrase, which is recognized sooner than a word
PLACES = 5  # of a side
_FREQUENT = 1_500.0  # per million: a human text's articles, pronouns and the like are above it
_LEAST = 1.3  # factor between the shares of documents from which a word is named
_ALIKE = 0.6  # share of a word's documents that its phrase must have to stand in its place
_WITH_PLACES = 120  # telltales of a model whose places are looked for
_BETWEEN = "\0"  # excerpts
LONGEST = 60  # characters of a phrase
_COUNTS = "text tokens docs_human docs_model q_value contribution"
_LISTED = "n text per_million_human per_million_model q_value share"
_EXAMPLES = "example_human example_model example_human_id example_model_id"


class Recognized(NamedTuple):
    """A word or phrase with its shares of documents; `score` weighs factor against spread, `low`
    and `high` are the 95% interval of the ratio."""

    text: str
    tokens: tuple[str, ...]
    ratio: float
    low: float
    high: float
    share_human: float
    share_model: float
    q: float
    score: float


def telltales(run: Run, model: str, stratum: str) -> list[Telltale]:
    """Returns recognizable phrases and words first, then all others that the table lists, with up
    to PLACES documents of each side for the first ones."""
    first = [*recognized(run, model, stratum), *recognized(run, model, stratum, over=False)]
    places = _places(_rows(run, model, stratum, _EXAMPLES))
    told = []
    for number, one in enumerate(first):
        near = places.of(one.text) if number < _WITH_PLACES else []
        told.append(_telltale(one, near))
    known = {one.text for one in first}
    rows = _rows(run, model, stratum, _LISTED, pc.field("q_value") < LEVEL)
    others = [row for row in rows if row["text"].strip() not in known]
    others.sort(key=lambda row: (-real(row["share"]), row["text"]))
    for number, row in enumerate(others):
        told.append(_listed(row, places.of(row["text"].strip()) if number < _WITH_PLACES else []))
    return told


def recognized(
    run: Run, model: str, stratum: str, over: bool = True, most: int = 400
) -> list[Recognized]:
    """Returns what significantly more of the model's documents have (fewer, unless `over`), words
    that say something and phrases with one, the clearest first; of a word and its phrase one."""
    sizes = _documents(run, model, stratum)
    frequent = _frequent(run, model, stratum)
    side = pc.field("contribution") > 0 if over else pc.field("contribution") < 0
    rows = _rows(run, model, stratum, _COUNTS, side & (pc.field("q_value") < LEVEL))
    found = [one for row in rows if (one := _of_row(row, sizes, frequent)) is not None]
    if over:
        found += _of_documents(run, model, stratum, frequent, {one.text for one in found})
    found.sort(key=lambda one: (-one.score, one.text))
    return _without_parts(found, frequent)[:most]


def _rows(
    run: Run, model: str, stratum: str, columns: str, where: pc.Expression | None = None
) -> list[Row]:
    """Reads columns of the listed n-grams of a pair."""
    if "ngrams" not in run.tables:
        return []
    have = run.columns("ngrams")
    chosen = (pc.field("model") == model) & (pc.field("stratum") == stratum)
    chosen &= pc.field("text").is_valid()
    chosen = chosen if where is None else chosen & where
    names = [name for name in columns.split() if name in have]
    rows: list[Row] = run.table("ngrams", None, chosen).select(names).to_pylist()
    return rows


def _documents(run: Run, model: str, stratum: str) -> tuple[float, float]:
    rows = of_pair(run, "metrics", model, stratum, ["model", "stratum", "n_human", "n_model"])
    return (real(rows[0]["n_human"]), real(rows[0]["n_model"])) if rows else (math.nan, math.nan)


def _frequent(run: Run, model: str, stratum: str) -> frozenset[str]:
    """Returns the words that are everywhere in the human text, in lower case."""
    often = (pc.field("n") == 1) & (pc.field("per_million_human") >= _FREQUENT)
    return frozenset(
        row["text"].strip().lower() for row in _rows(run, model, stratum, "text", often)
    )


def _of_row(row: Row, sizes: tuple[float, float], frequent: frozenset[str]) -> Recognized | None:
    tokens = tuple(token.strip() for token in row["tokens"] or [])
    if not _says_something(tokens, frequent) or not all(size > 0 for size in sizes):
        return None
    human, model = real(row["docs_human"]), real(row["docs_model"])
    ratio = (model + 0.5) / sizes[1] * sizes[0] / (human + 0.5)
    shares = human / sizes[0], model / sizes[1]
    return _scored(row["text"].strip(), tokens, ratio, shares, sizes, real(row["q_value"]))


def _of_documents(
    run: Run, model: str, stratum: str, frequent: frozenset[str], known: set[str]
) -> list[Recognized]:
    """Returns single words of the table document_ratios that the n-grams do not list."""
    found, sizes = [], _documents(run, model, stratum)
    for row in of_pair(run, "document_ratios", model, stratum):
        text = row["token"].strip()
        if real(row.get("q_value")) < LEVEL and text not in known:
            shares = real(row["share_human"]), real(row["share_model"])
            if not _says_something((text,), frequent):
                continue
            one = _scored(text, (text,), real(row["ratio"]), shares, sizes, real(row["q_value"]))
            found += [one] if one is not None and one.ratio > 1 else []
    return found


def _scored(
    text: str,
    tokens: tuple[str, ...],
    ratio: float,
    shares: tuple[float, float],
    sizes: tuple[float, float],
    q: float,
) -> Recognized | None:
    far = abs(math.log(ratio)) if ratio > 0 else 0.0
    if far < math.log(_LEAST):
        return None
    spread = math.sqrt(max(shares)) * (_PHRASE if len(tokens) > 1 else 1.0)
    # The interval of Katz et al. for a ratio of shares, half a document added to each count.
    error = math.sqrt(
        sum(1 / (s * n + 0.5) - 1 / (n + 0.5) for s, n in zip(shares, sizes, strict=True))
    )
    wide = math.exp(NORMAL_95 * error)
    return Recognized(text, tokens, ratio, ratio / wide, ratio * wide, *shares, q, far * spread)


def _says_something(tokens: Sequence[str], frequent: frozenset[str]) -> bool:
    """Returns whether all tokens are words and one of them is not everywhere; names of one letter
    say nothing."""
    if not tokens or not all(any(map(str.isalpha, token)) for token in tokens):
        return False
    return any(
        len(token) > 2 and not {"'", "’"} & set(token) and token.lower() not in frequent
        for token in tokens
    )


def _without_parts(found: list[Recognized], frequent: frozenset[str]) -> list[Recognized]:
    """Keeps one of those that share a word that says something: the first, or a longer phrase in
    nearly as many documents."""
    kept: list[Recognized] = []
    place: dict[str, int] = {}
    for one in found:
        says = [token.lower() for token in one.tokens if token.lower() not in frequent]
        taken = {place[token] for token in says if token in place}
        if not taken:
            place |= dict.fromkeys(says, len(kept))
            kept.append(one)
        elif len(taken) == 1:
            before = kept[at := taken.pop()]
            more = len(one.tokens) > len(before.tokens)
            if more and _spread(one) >= _ALIKE * _spread(before):
                kept[at] = one
                place |= dict.fromkeys(says, at)
    return kept


def _spread(one: Recognized) -> float:
    return max(one.share_human, one.share_model)


def _telltale(one: Recognized, places: Sequence[Excerpt]) -> Telltale:
    kind = "word" if len(one.tokens) == 1 else "phrase"
    human, model = 100 * one.share_human, 100 * one.share_model
    text = visible(one.text, LONGEST)
    unit = "% of documents"
    return Telltale(kind, text, human, model, unit, one.q, "", places, one.low, one.high)


def _listed(row: Row, places: Sequence[Excerpt]) -> Telltale:
    rates = [real(row[f"per_million_{side}"]) for side in ("human", "model")]
    kind = "word" if row["n"] == 1 else "phrase"
    text = visible(row["text"].strip() or row["text"], LONGEST)
    return Telltale(kind, text, rates[0], rates[1], "per million", real(row["q_value"]), "", places)


class _Places:
    """Excerpts of the run's tables by side: all in one string in lower case, which is searched, and
    where each begins there."""

    def __init__(self, pool: dict[str, list[tuple[str, str]]]) -> None:
        self._pool = pool
        self._text = {side: _BETWEEN.join(t.lower() for t, _ in own) for side, own in pool.items()}
        self._starts = {
            side: list(accumulate((len(t.lower()) + 1 for t, _ in own), initial=0))
            for side, own in pool.items()
        }

    def of(self, text: str) -> list[Excerpt]:
        """Returns excerpts of up to PLACES documents of each side that have the text."""
        return [one for side in self._pool for one in self._of_side(side, text.lower())]

    def _of_side(self, side: str, wanted: str) -> list[Excerpt]:
        whole, near = self._text[side], dict[str, Excerpt]()
        start = whole.find(wanted)
        while start >= 0 and len(near) < PLACES:
            end = start + len(wanted)
            if not (whole[start - 1 : start].isalnum() or whole[end : end + 1].isalnum()):
                text, doc_id = self._pool[side][bisect_right(self._starts[side], start) - 1]
                if doc_id not in near:
                    said = visible(f"…{' '.join(text.split())}…", 240)
                    near[doc_id] = Excerpt(side, said, visible(doc_id, 80))
            start = whole.find(wanted, end)
        return [*near.values()]


def _places(rows: list[Row]) -> _Places:
    pool = {
        side: list(
            dict.fromkeys(
                (row[f"example_{side}"], row[f"example_{side}_id"] or "")
                for row in rows
                if row.get(f"example_{side}")
            )
        )
        for side in ("human", "model")
    }
    return _Places(pool)
