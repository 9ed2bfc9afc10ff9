"""One example of each pattern: of the documents that have it, the one with the smallest hash of its
id, whatever the order or the batches.

Cost     one more pass over the documents that become examples
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream
from dftspark.text.hashing import digest64
from dftspark.text.tokens import one_line

WIDTH = 160  # approximate characters of an excerpt


class Example(NamedTuple):
    doc_hash: int
    doc_id: str
    excerpt: str


Examples = dict[str, Example]


def none() -> Examples:
    return {}


def update(best: Examples, texts: pa.Array, ids: Sequence[str], hits: NDArray[np.int64]) -> None:
    """Adds the documents of a batch, whose pattern counts are `hits` `(B, P)`, to `best`."""
    hashes = np.array([digest64(doc_id, "example") >> 1 for doc_id in ids], np.int64)
    names = patterns.bundled().program.names
    wanted: dict[int, list[int]] = {}
    for p, name in enumerate(names):
        having = np.flatnonzero(hits[:, p])
        if len(having):
            first = int(having[np.argmin(hashes[having])])
            if name not in best or best[name][:2] >= (int(hashes[first]), ids[first]):
                for i in having[hashes[having] == hashes[first]].tolist():
                    wanted.setdefault(i, []).append(p)
    for document, own in wanted.items():
        excerpts = _excerpts(texts[document].as_py())
        for p in own:
            found = Example(int(hashes[document]), ids[document], excerpts[p])
            best[names[p]] = min(best.get(names[p], found), found)


def merged(left: Examples, right: Examples) -> Examples:
    """Returns the smaller example of each pattern, by hash, then doc_id, then excerpt: a repeated
    doc_id must not leave the choice to the order of merging.
    """
    out = dict(left)
    for name, example in right.items():
        out[name] = min(out.get(name, example), example)
    return out


def rows(found: Examples) -> list[dict[str, Any]]:
    """Returns the examples as schema.STRUCTURE_PARTIAL stores them, by pattern."""
    return [{"pattern": name, **found[name]._asdict()} for name in sorted(found)]


def of_rows(stored: list[dict[str, Any]]) -> Examples:
    return {r["pattern"]: Example(r["doc_hash"], r["doc_id"], r["excerpt"]) for r in stored}


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
