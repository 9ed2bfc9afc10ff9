"""Hits of patterns in real text, for reading: rows for labels/patterns.csv, each with its context.

    python benchmarks/sample_hits.py modal date            54 hits of each, in their contexts
    python benchmarks/sample_hits.py modal --seed 2        another sample, as after mending

The rule: documents in the order of a hash of seed, pattern and document, the genres of corpora in
turn, half of the hits human if there are so many, and one hit per document, the one with the
smallest hash. Nothing here decides a verdict.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
import pyarrow.parquet as pq

from benchmarks.precision import DATA
from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream

CORPORA = (
    "biscope",
    "fdg",
    "outfox",
    "herbold_essays",
    "toefl_chatgpt",
    "jhu_temp",
    "self_instruct",
    "slop_score",
    "hax2",
    "gpt3_temp",
)
COLUMNS = ["doc_id", "text", "model", "domain"]
BATCH = 2000  # documents at a time


@dataclass(frozen=True)
class Hit:
    """A hit: byte span `start` to `end` of a document, and the text of `context` bytes on both
    sides."""

    pattern: str
    corpus: str
    genre: str
    doc_id: str
    start: int
    end: int
    human: bool
    shown: str


def order(*parts: object) -> bytes:
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=8).digest()


def shown(text: bytes, start: int, end: int, context: int) -> str:
    """Returns a hit in brackets between `context` bytes on both sides, on one line."""
    parts = text[max(0, start - context) : start], text[start:end], text[end : end + context]
    left, hit, right = (part.decode(errors="ignore").replace("\n", "⏎") for part in parts)
    return f"{left}⟦{hit}⟧{right}"


def chosen(wanted: list[str], seed: int, context: int) -> Iterator[Hit]:
    """Yields one hit of each of the patterns in each document that has any."""
    program = patterns.bundled().program
    for corpus in CORPORA:
        table = pq.read_table(DATA / f"{corpus}.parquet", columns=COLUMNS)
        for batch in table.combine_chunks().to_batches(max_chunksize=BATCH):
            items = stream.read(batch["text"], program.lexicon)
            best: dict[tuple[int, str], tuple[bytes, int, int]] = {}
            base = np.frombuffer(batch["text"].buffers()[1], np.int32)[batch["text"].offset :]
            data = batch["text"].buffers()[2]
            for document, pattern, first, last in pattern_match.located(items, program).tolist():
                name = program.names[pattern]
                if name in wanted:
                    start, end = int(items.start[first]), int(items.end[last])
                    own = order(seed, name, document, start - base[document])
                    key = document, name
                    best[key] = min(best.get(key, (b"\xff" * 9, 0, 0)), (own, start, end))
            for (document, name), (_, start, end) in best.items():
                low, high = int(base[document]), int(base[document + 1])
                text = data[low:high].to_pybytes()
                yield Hit(
                    name,
                    corpus,
                    batch["domain"][document].as_py(),
                    batch["doc_id"][document].as_py(),
                    start - low,
                    end - low,
                    not batch["model"][document].is_valid,
                    shown(text, start - low, end - low, context),
                )


def sampled(hits: list[Hit], seed: int, number: int) -> list[Hit]:
    """Returns hits, half human if there are so many; within a side the genres of each corpus in
    turn."""
    sides = []
    for human in (True, False):
        own: dict[tuple[str, str], list[Hit]] = defaultdict(list)
        for hit in hits:
            if hit.human == human:
                own[hit.corpus, hit.genre].append(hit)
        ordered = (
            sorted(each, key=lambda hit: order(seed, hit.pattern, hit.doc_id))
            for each in own.values()
        )
        sides.append([hit for hit in chain(*zip_longest(*ordered)) if hit is not None])
    few = min(len(sides[0]), number // 2)
    return [*sides[0][: max(few, number - len(sides[1]))], *sides[1][: number - few]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="+")
    parser.add_argument("--number", type=int, default=54)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context", type=int, default=100)
    asked = parser.parse_args()
    known = {pattern.id for pattern in patterns.bundled().patterns}
    if unknown := [name for name in asked.patterns if name not in known]:
        parser.error(f"patterns.toml has no {', '.join(unknown)}")
    hits: dict[str, list[Hit]] = defaultdict(list)
    for hit in chosen(asked.patterns, asked.seed, asked.context):
        hits[hit.pattern].append(hit)
    for name in asked.patterns:
        for hit in sampled(hits[name], asked.seed, asked.number):
            print(f"{name},{hit.corpus},{hit.doc_id},{hit.start},{hit.end}")
            print(f"    {hit.shown}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
