"""Recall of patterns: the share found of the sentences in which a reader saw a construction.

    python benchmarks/recall.py                     recall from labels/recall.csv
    python benchmarks/recall.py --sample random     sentences to read, as rows of that file
    python benchmarks/recall.py --sample triad_words --seed 2

Sentences are drawn from documents of each side and corpus in turn, by their hash. The sample
`random` is of all sentences and shows how often the reader saw a construction. A construction that
is rare there is looked for among sentences that a wide net catches, far wider than the pattern
(NETS): recall then refers to what the net catches. labels/recall.csv has one row per sentence that
was read: sample, corpus, document, byte span, and the patterns whose construction the reader saw in
it.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.precision import DATA
from benchmarks.sample_hits import order
from dftspark.inference.proportions import wilson
from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream

LABELS = Path(__file__).resolve().parent / "labels" / "recall.csv"
CORPORA = (
    "biscope",
    "fdg",
    "outfox",
    "herbold_essays",
    "toefl_chatgpt",
    "self_instruct",
    "slop_score",
)
SENTENCE = re.compile(r"[^\s.!?][^.!?\n]{10,}?[.!?]+[\"”’)]*(?=\s|$)")
NETS = {
    "random": r"",
    "contrast_not_but": r"\bnot\b.*\bbut\b|n['’]t\b.*\bbut\b",
    "contrast_comma_not": r"[,—-] ?not\b",
    "triad_words": r"\w+, \w+,? (and|or) \w+",
    "question_answer": r"\?",
    "simile": r"\b(like|as if|as though)\b|\bas \w+ as\b",
    "importance_caveat": r"\b(importan|note|worth|remember|essential|crucial|necessary|mind)",
    "conclusion_formula": r"",  # the sentence that opens the last paragraph
    "participle_tail": r", (\w+ly )?\w+ing\b",
    "range_from_to": r"\bfrom\b.*\bto\b",
    "whether_or": r"\b[Ww]hether\b",
}
ALSO = {"contrast_not_but": ("contrast_not_only",), "random": ("hedge", "passive")}
Sentence = tuple[str, str, int, int]


def judged(sample: str) -> tuple[str, ...]:
    """Returns the patterns that were looked for in a sample."""
    own = () if sample == "random" else (sample,)
    return own + ALSO.get(sample, ())


def drawn(sample: str, seed: int, number: int) -> Iterator[tuple[Sentence, str]]:
    """Yields sentences of a sample with their texts, half of them human."""
    net = re.compile(NETS[sample])
    sides: dict[bool, list[list[tuple[bytes, Sentence, str]]]] = {True: [], False: []}
    for corpus in CORPORA:
        found: dict[bool, list[tuple[bytes, Sentence, str]]] = defaultdict(list)
        table = pq.read_table(DATA / f"{corpus}.parquet", columns=["doc_id", "text", "model"])
        for doc_id, text, model in zip(*(c.to_pylist() for c in table.columns), strict=True):
            rank = order(seed, sample, doc_id)
            if rank[0] >= (64 if len(table) > 3000 else 255):
                continue
            start = text.rstrip().rfind("\n") + 1 if sample == "conclusion_formula" else 0
            spans = [m for m in SENTENCE.finditer(text, start) if net.search(m.group())]
            if sample == "conclusion_formula":
                spans = spans[:1] if start else []
            if spans:
                match = min(spans, key=lambda m: order(seed, doc_id, m.start()))
                low, high = (len(text[:at].encode()) for at in match.span())
                shown = text[match.start() : match.end() + 120 * (sample == "question_answer")]
                found[model is None].append((rank, (corpus, doc_id, low, high), shown))
        for human, own in found.items():
            sides[human].append(sorted(own))
    for human, each in sides.items():
        turns = [hit for hit in chain(*zip_longest(*each)) if hit is not None]
        for _, sentence, shown in turns[: number - number // 2 if human else number // 2]:
            yield sentence, shown.replace("\n", "⏎")


def read_sentences() -> dict[str, dict[Sentence, set[str]]]:
    """Returns, by sample, the patterns that the reader saw in each sentence."""
    found: dict[str, dict[Sentence, set[str]]] = defaultdict(dict)
    with LABELS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            span = row["corpus"], row["doc_id"], int(row["start"]), int(row["end"])
            found[row["sample"]][span] = set(row["seen"].split())
    return found


def hits(sentences: set[Sentence]) -> dict[Sentence, set[str]]:
    """Returns the patterns with an occurrence that starts in each of the sentences."""
    program = patterns.bundled().program
    wanted: dict[tuple[str, str], list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        wanted[sentence[:2]].append(sentence)
    found: dict[Sentence, set[str]] = {sentence: set() for sentence in sentences}
    for corpus in {corpus for corpus, _ in wanted}:
        table = pq.read_table(DATA / f"{corpus}.parquet", columns=["doc_id", "text"])
        for doc_id, text in zip(*(c.to_pylist() for c in table.columns), strict=True):
            for sentence in wanted.get((corpus, doc_id), ()):
                items = stream.read(pa.array([text]), program.lexicon)
                for _, pattern, first, last in pattern_match.located(items, program).tolist():
                    if items.end[last] > sentence[2] and items.start[first] < sentence[3]:
                        found[sentence].add(program.names[pattern])
    return found


def recalls() -> Iterator[tuple[str, str, int, int, int]]:
    """Yields pattern, sample, sentences read, how many had the construction, how many of these were
    found."""
    read = read_sentences()
    found = hits({sentence for own in read.values() for sentence in own})
    for sample, own in read.items():
        for pattern in judged(sample):
            seen = [sentence for sentence, names in own.items() if pattern in names]
            yield pattern, sample, len(own), len(seen), sum(pattern in found[s] for s in seen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", choices=NETS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, default=60)
    asked = parser.parse_args()
    if asked.sample:
        for (corpus, doc_id, start, end), shown in drawn(asked.sample, asked.seed, asked.number):
            print(f"{asked.sample},{corpus},{doc_id},{start},{end}\n    {shown}")
        return 0
    for pattern, sample, number, seen, right in recalls():
        share = right / seen if seen else float("nan")
        low, high = wilson(share, seen)
        print(
            f"{pattern:20} {sample:20} {number:4} read {seen:4} seen {right:4} found "
            f"{share:.2f} [{low:.2f}, {high:.2f}]"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
