"""Examples of each pattern: of the documents that have it, the MOST with the smallest hashes of
their ids, whatever the order or the batches.

Cost     one more pass over the documents that become examples; about 300 bytes an example
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream
from dftspark.text.hashing import digest64
from dftspark.text.tokens import one_line

MOST = 5  # documents of a pattern
WIDTH = 160  # approximate characters of an excerpt


class Example(NamedTuple):
    doc_hash: int
    doc_id: str
    excerpt: str


# Of each pattern in rising order, no two of one document.
Examples = dict[str, tuple[Example, ...]]


def none() -> Examples:
    return {}


def update(best: Examples, texts: pa.Array, ids: Sequence[str], hits: NDArray[np.int64]) -> None:
    """Adds the documents of a batch, whose pattern counts are `hits` `(B, P)`, to `best`."""
    hashes = np.array([digest64(doc_id, "example") >> 1 for doc_id in ids], np.int64)
    names = patterns.bundled().program.names
    wanted: dict[int, list[int]] = {}
    for p, name in enumerate(names):
        having = np.flatnonzero(hits[:, p])
        for i in having[hashes[having] <= _farthest(hashes[having], best.get(name, ()))].tolist():
            wanted.setdefault(i, []).append(p)
    for document, its in wanted.items():
        excerpts = _excerpts(texts[document].as_py())
        for p in its:
            example = Example(int(hashes[document]), ids[document], excerpts[p])
            best[names[p]] = _smallest([*best.get(names[p], ()), example])


def _farthest(hashes: NDArray[np.int64], held: Sequence[Example]) -> int:
    """Returns the largest hash that may still be among the MOST smallest."""
    nearest = np.unique(hashes)[:MOST].tolist()
    full = [held[-1].doc_hash] if len(held) == MOST else []
    return int(min([*nearest[-1:], *full], default=-1))


def _smallest(examples: Iterable[Example]) -> tuple[Example, ...]:
    """Returns the MOST smallest by hash, then doc_id; of a repeated doc_id the smallest excerpt,
    which must not be left to the order."""
    chosen: dict[str, Example] = {}
    for example in sorted(examples):
        chosen.setdefault(example.doc_id, example)
    return tuple(chosen.values())[:MOST]


def merged(left: Examples, right: Examples) -> Examples:
    """Returns the smallest examples of each pattern on either side."""
    names = left.keys() | right.keys()
    return {name: _smallest([*left.get(name, ()), *right.get(name, ())]) for name in names}


def rows(examples: Examples) -> list[dict[str, Any]]:
    """Returns the examples as schema.STRUCTURE_PROFILE stores them, by pattern."""
    return [{"pattern": n, **one._asdict()} for n in sorted(examples) for one in examples[n]]


def of_rows(stored: Iterable[Mapping[str, Any]]) -> Examples:
    """Reads examples as `rows` writes them."""
    held: dict[str, list[Example]] = {}
    for row in stored:
        one = Example(row["doc_hash"], row["doc_id"], row["excerpt"])
        held.setdefault(row["pattern"], []).append(one)
    return {name: _smallest(examples) for name, examples in held.items()}


def _excerpts(text: str) -> dict[int, str]:
    """Returns the first occurrence of each pattern, on one line, with its context."""
    known = patterns.bundled()
    items = stream.read(pa.array([text]), known.program.lexicon)
    data = text.encode()
    found: dict[int, str] = {}
    for _, p, first, last in pattern_match.located(items, known.program).tolist():
        if p not in found:
            found[p] = _around(data, int(items.start[first]), int(items.end[last]))
    return found


def _around(data: bytes, first: int, last: int) -> str:
    """Returns the context of the bytes from first to last, in whole words where it has spaces, with
    an ellipsis at cuts.
    """
    reach = max(0, WIDTH - (last - first)) // 2
    low, high = max(0, first - reach), min(last + reach, first + 2 * WIDTH, len(data))
    space = data.find(b" ", low, first) if low > 0 else -1
    low = space + 1 if space >= 0 else low
    space = data.rfind(b" ", last, high) if high < len(data) else -1
    high = space if space >= 0 else high
    # A cut inside a character leaves bytes that decode to nothing.
    inner = one_line(data[low:high].decode(errors="ignore")).strip()
    return "\u2026" * (low > 0) + inner + "\u2026" * (high < len(data))
