"""Precision of each pattern from the labels of hits in real text; writes patterns/precision.csv.

    python benchmarks/precision.py            the table, and the file that the package reads
    python benchmarks/precision.py --check    only whether every labeled hit is still found

labels/patterns.csv has one row per hit that somebody read: corpus, document and byte span of the
reference corpora, and the verdict. Half of the hits of a pattern are human if there are so many, at
most one per document, spread over the corpora.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.inference.proportions import wilson
from dftspark.lenses.structure import pattern_match, patterns
from dftspark.text import stream

HERE = Path(__file__).resolve().parent
LABELS = HERE / "labels" / "patterns.csv"
PRECISION = Path(patterns.__file__).with_name("precision.csv")
DATA = HERE.parent.parent / "shared" / "data"

Hit = tuple[str, str, str, int, int]


def labels() -> dict[Hit, bool]:
    """Returns whether each labeled hit (pattern, corpus, doc_id, start, end) is right."""
    with LABELS.open(encoding="utf-8") as file:
        return {
            (row["pattern"], row["corpus"], row["doc_id"], int(row["start"]), int(row["end"])): row[
                "verdict"
            ]
            == "right"
            for row in csv.DictReader(file)
        }


def found(wanted: set[tuple[str, str]]) -> set[Hit]:
    """Returns every hit in the documents (corpus, doc_id)."""
    known = patterns.bundled()
    documents: dict[str, set[str]] = defaultdict(set)
    for corpus, doc_id in wanted:
        documents[corpus].add(doc_id)
    hits: set[Hit] = set()
    for corpus, ids in documents.items():
        table = pq.read_table(DATA / f"{corpus}.parquet", columns=["doc_id", "text"])
        for doc_id, text in zip(*(table[c].to_pylist() for c in ("doc_id", "text")), strict=True):
            if doc_id in ids:
                items = stream.read(pa.array([text]), known.program.lexicon)
                for _, pattern, first, last in pattern_match.located(items, known.program):
                    span = int(items.start[first]), int(items.end[last])
                    hits.add((known.program.names[pattern], corpus, doc_id, *span))
    return hits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    only_check = parser.parse_args().check
    said = labels()
    if DATA.exists():
        lost = said.keys() - found({hit[1:3] for hit in said})
        print(f"{len(said)} labels, {len(lost)} of hits that are no longer found")
        if lost:
            return 1
    if only_check:
        return 0
    number, right = Counter(hit[0] for hit in said), Counter(h[0] for h, ok in said.items() if ok)
    lines = ["pattern,fingerprint,right,labeled"]
    for pattern in patterns.bundled().patterns:
        k, n = right[pattern.id], number[pattern.id]
        if not n:
            print(f"{pattern.id:26} has no labels yet")
            continue
        lines.append(f"{pattern.id},{pattern.fingerprint},{k},{n}")
        low, high = wilson(k / n, n)
        print(f"{pattern.id:26} {k:3} of {n:3}  {k / n:.2f} [{low:.2f}, {high:.2f}]")
    PRECISION.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
