"""Differences between two sides other than writing, which would be read as style: rows in words.

A row differs where a test says that the sides differ and the difference is large enough to matter.
An artifact is a matter of whole corpora, so a large corpus must not cry wolf over a tenth of a
percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.inference.block_shares import difference_p
from dftspark.lenses.comparability_advice import advice
from dftspark.stats.surface import SurfaceSums
from dftspark.text import surface
from dftspark.text.language import LANGUAGES

LEVEL = 1e-3  # some twenty rows a pair: one in a hundred pairs, before the least differences
HARDLY = 0.1  # times the other side's share: hardly any documents have it
_SHARES = {  # least difference between the shares that is reported
    "mojibake": 0.02,
    "lower_cased": 0.1,
    "tokenized_spacing": 0.1,
    "single_line": 0.2,
    "cut_off": 0.2,
}
TOKEN = 0.2  # of L2 squared
_NON_ASCII, _CURLY, _LANGUAGE, _PILE = 0.05, 0.2, 0.1, 0.2
_LONGER, _MORE_LINES, _LINES = 1.5, 2.0, 0.5
_LISTED = 0.01  # share of the documents: a rarer language has no row
_PILE_FROM = 4 * surface.BINS_AN_OCTAVE  # 16 words: among shorter texts every length is common
_FEW = 0.02  # share of the documents that is a handful
_ENOUGH = 100  # documents; of fewer, one is much

Ints = NDArray[np.int64]
Pair = tuple[Ints, Ints]  # occurrences and cases by block


@dataclass(frozen=True)
class PropertyRow:
    """One property of a pair; `threshold` is in words, since it is not always a difference."""

    property: str
    unit: str
    value_human: float
    value_model: float
    p_value: float
    threshold: str
    differs: bool
    advice: str


def rows(human: SurfaceSums, model: SurfaceSums) -> list[PropertyRow]:
    """Returns all properties that documents have by themselves; none for a side without any."""
    if not human.documents.sum() or not model.documents.sum():
        return []
    found = [_non_ascii(human, model), _curly(human, model)]
    found += [_flag(human, model, name, least) for name, least in _SHARES.items()]
    found += [_lines(human, model), _length(human, model), _pile(human, model)]
    return [*found, *_languages(human, model)]


def _flag(human: SurfaceSums, model: SurfaceSums, name: str, least: float) -> PropertyRow:
    sides = _of_flag(human, name), _of_flag(model, name)
    return _share_row(name, sides, least, f"{least:g} apart")


def _non_ascii(human: SurfaceSums, model: SurfaceSums) -> PropertyRow:
    """Differs only where one side hardly has any: the rest is about dashes, which are writing."""
    sides = _of_flag(human, "non_ascii"), _of_flag(model, "non_ascii")
    said = f"{_NON_ASCII:g} apart, one at most {HARDLY:g} times the other"
    return _share_row("non_ascii", sides, _NON_ASCII, said, HARDLY)


def _curly(human: SurfaceSums, model: SurfaceSums) -> PropertyRow:
    at, among = (surface.FLAGS.index(name) for name in ("curly_quotes", "quotes"))
    sides = [(side.flags[:, at], side.flags[:, among]) for side in (human, model)]
    return _share_row("curly_quotes", (sides[0], sides[1]), _CURLY, f"{_CURLY:g} apart")


def _languages(human: SurfaceSums, model: SurfaceSums) -> Iterator[PropertyRow]:
    """Yields rows for languages, over the documents whose language is recognized."""
    first = surface.FLAGS.index(f"language_{LANGUAGES[0]}")
    told = [side.flags[:, first : first + len(LANGUAGES)] for side in (human, model)]
    for i, name in enumerate(LANGUAGES):
        sides = [(own[:, i], own.sum(axis=1)) for own in told]
        if max(_rate(*side) for side in sides) >= _LISTED:
            said = f"{_LANGUAGE:g} apart"
            yield _share_row(f"language_{name}", (sides[0], sides[1]), _LANGUAGE, said)


def _share_row(
    name: str, sides: tuple[Pair, Pair], least: float, said: str, at_most: float = 1.0
) -> PropertyRow:
    values = _rate(*sides[0]), _rate(*sides[1])
    p = difference_p(*sides, share=True)
    differs = (
        p < LEVEL and abs(values[1] - values[0]) >= least and min(values) <= at_most * max(values)
    )
    return _row(name, "share of documents", values, p, said, differs)


def _lines(human: SurfaceSums, model: SurfaceSums) -> PropertyRow:
    sides = [(side.sums[:, 1], side.sums[:, 0]) for side in (human, model)]
    values = 100 * _rate(*sides[0]), 100 * _rate(*sides[1])
    p = difference_p(sides[0], sides[1], share=False)
    large = max(values) >= _MORE_LINES * min(values) and max(values) - min(values) >= _LINES
    said = f"a factor of {_MORE_LINES:g}, and {_LINES:g} apart"
    return _row("newlines", "per 100 words", values, p, said, p < LEVEL and large)


def _length(human: SurfaceSums, model: SurfaceSums) -> PropertyRow:
    """Compares the shares of documents that are longer than the middle between both medians."""
    places = _median_place(human), _median_place(model)
    middle = round(sum(places) / 2)
    sides = [(side.lengths[:, middle:].sum(axis=1), side.documents) for side in (human, model)]
    p = difference_p(sides[0], sides[1], share=True)
    values = surface.words_at(places[0]), surface.words_at(places[1])
    differs = p < LEVEL and max(values) >= _LONGER * min(values)
    return _row("median_words", "words", values, p, f"a factor of {_LONGER:g}", differs)


def _median_place(side: SurfaceSums) -> float:
    """Returns the place of the median among the bins, interpolated within one of them."""
    counts = side.lengths.sum(axis=0)
    below = np.cumsum(counts)
    half = below[-1] / 2
    at = int(np.searchsorted(below, half))
    return at + float(half - (below[at] - counts[at])) / max(int(counts[at]), 1)


def _pile(human: SurfaceSums, model: SurfaceSums) -> PropertyRow:
    """Compares the shares of documents in the fullest two bins of lengths, 4.4% wide."""
    full = [_fullest(side) for side in (human, model)]
    values = full[0][1], full[1][1]
    at, _ = full[int(values[1] > values[0])]
    sides = [(side.lengths[:, at : at + 2].sum(axis=1), side.documents) for side in (human, model)]
    tried = int((human.lengths.any(axis=0) | model.lengths.any(axis=0)).sum())
    p = min(1.0, tried * difference_p(sides[0], sides[1], share=True))
    differs = p < LEVEL and abs(values[1] - values[0]) >= _PILE
    return _row("one_length", "share of documents", values, p, f"{_PILE:g} apart", differs)


def _fullest(side: SurfaceSums) -> tuple[int, float]:
    counts = side.lengths.sum(axis=0)
    pairs = (counts[:-1] + counts[1:])[_PILE_FROM:]
    at = int(pairs.argmax())
    return _PILE_FROM + at, float(pairs[at] / counts.sum())


def token_rows(listed: Sequence[dict[str, Any]], documents: tuple[int, int]) -> list[PropertyRow]:
    """Returns rows of tokens from few documents that carry more than a fifth of L2 squared.

    `listed` are rows of the ngrams table of order 1 and of one pair, which has `documents`.
    """
    found = []
    for row in listed:
        if row["text"] is None or not (row["share"] or 0) > TOKEN:
            continue
        side = int(row["contribution"] > 0)
        has = (row["docs_human"], row["docs_model"])
        if documents[side] < _ENOUGH or has[side] > _FEW * documents[side]:
            continue
        values = has[0] / max(documents[0], 1), has[1] / max(documents[1], 1)
        said = f"over {TOKEN:g} of L2 squared in at most {_FEW:.0%} of {_ENOUGH} documents or more"
        made = _row(f"token {row['text']}", "share of documents", values, np.nan, said, True)
        found.append(made)
    return found


def _row(
    name: str, unit: str, values: tuple[float, float], p: float, said: str, differs: bool
) -> PropertyRow:
    return PropertyRow(
        name, unit, *values, p, said, differs, advice(name, values) if differs else ""
    )


def _of_flag(side: SurfaceSums, name: str) -> Pair:
    return side.flags[:, surface.FLAGS.index(name)], side.documents


def _rate(top: Ints, cases: Ints) -> float:
    total = int(cases.sum())
    return float(top.sum() / total) if total else float("nan")
