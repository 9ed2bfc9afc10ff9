"""The constructions of one text, where they stand in it, with how many human texts of that length
have. It counts and adds nothing up: one text has no score.

Cost     a pass over the text, a millisecond; the first call of a process loads compiled code
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from dftspark.lenses.structure import document_vectors, pattern_match, patterns
from dftspark.lenses.structure.catalogue import all_measures
from dftspark.lenses.structure.patterns import Pattern
from dftspark.text import stream
from dftspark.writing.band import HumanBand

# These stand in nearly every sentence, so marks would cover the text: they are counted alone.
_COMMON_GROUPS = frozenset({"person", "variety", "detail", "mark", "opener"})
_COMMON = frozenset({"modal", "passive"})
_EM_DASH = "em_dash"
_LEAD = re.compile(r"([.!?:;,…\"”’)\s]+)\w")
_MARKED = frozenset({_EM_DASH, "opener_connective"})


@dataclass(frozen=True)
class Construction:
    """A construction that a text has.

    number  its mark, from 1, in the order of first occurrence; 0 if it is not marked
    human   fewest and most that 95% of human texts of this length have; None if that is not known
    """

    number: int
    name: str
    definition: str
    count: int
    human: tuple[int, int] | None


@dataclass(frozen=True)
class MarkedPart:
    """A stretch of the text, the constructions that it is in, and those that end with it."""

    text: str
    inside: tuple[int, ...]
    ending: tuple[int, ...]


@dataclass(frozen=True)
class MarkedText:
    """A text in parts, which together are the text, and how often each construction is in it."""

    parts: tuple[MarkedPart, ...]
    constructions: tuple[Construction, ...]
    words: int
    em_dashes: int


def marked(text: str, band: HumanBand | None = None) -> MarkedText:
    """Returns the text with its constructions marked."""
    known = patterns.bundled()
    texts = pa.array([text], pa.string())
    items = stream.read(texts, known.program.lexicon)
    hits = [
        (int(items.start[first]), int(items.end[last]), p)
        for _, p, first, last in pattern_match.located(items, known.program).tolist()
    ]
    data = text.encode()
    hits = [(_without_lead(data, begin, end), end, p) for begin, end, p in hits if begin < end]
    order = list(dict.fromkeys(p for _, _, p in sorted(hits)))
    shown = [p for p in order if _is_marked(known.patterns[p])]
    numbers = {p: number for number, p in enumerate(shown, 1)}
    vectors = document_vectors.of_items(texts, items, pa.array([""]))
    sizes = dict(zip(document_vectors.columns(), vectors.counts[0].tolist(), strict=True))
    per = {measure.id: measure for measure in all_measures() if measure.kind == "pattern"}
    constructions = []
    for p in order:
        measure = per[known.patterns[p].id]
        human = None if band is None else band.of(measure.id, sizes[measure.denominator])
        name, count = measure.id.replace("_", " "), sizes[measure.id]
        constructions.append(
            Construction(numbers.get(p, 0), name, measure.definition, count, human)
        )
    spans = [(begin, end, numbers[p]) for begin, end, p in hits if p in numbers]
    return MarkedText(
        tuple(_parts(data, spans)), tuple(constructions), sizes["words"], sizes[_EM_DASH]
    )


def _without_lead(data: bytes, begin: int, end: int) -> int:
    """Returns where a stretch begins without the mark and the blanks that a pattern looked back
    to."""
    lead = _LEAD.match(data[begin:end].decode("utf-8", "replace"))
    return begin + len(lead[1].encode()) if lead else begin


def _is_marked(pattern: Pattern) -> bool:
    common = pattern.group in _COMMON_GROUPS or pattern.id in _COMMON
    return not common or pattern.id in _MARKED


def _parts(data: bytes, spans: list[tuple[int, int, int]]) -> Iterator[MarkedPart]:
    """Cuts the text wherever an occurrence begins or ends."""
    cuts = sorted({0, len(data), *(place for span in spans for place in span[:2])})
    for begin, end in pairwise(cuts):
        inside = tuple(sorted({n for b, e, n in spans if b <= begin and end <= e}))
        ending = tuple(sorted({n for _, e, n in spans if e == end}))
        yield MarkedPart(data[begin:end].decode("utf-8", "replace"), inside, ending)
