"""The precision that the package states is the one that the labels give."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import precision, recall
from dftspark.lenses.structure.catalogue import labeled


def test_the_stated_precision_follows_from_the_labels() -> None:
    said = precision.labels()
    number = Counter(hit[0] for hit in said)
    right = Counter(hit[0] for hit, ok in said.items() if ok)
    assert labeled() == {name: (right[name], number[name]) for name in number}


def test_the_program_writes_the_file_that_the_package_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stated = precision.PRECISION.read_text(encoding="utf-8")
    written = tmp_path / "precision.csv"
    monkeypatch.setattr(precision, "PRECISION", written)
    monkeypatch.setattr(precision, "DATA", tmp_path / "none")
    monkeypatch.setattr("sys.argv", ["precision.py"])
    assert precision.main() == 0
    assert written.read_text(encoding="utf-8") == stated


def test_labels_have_no_text_and_one_verdict_a_hit() -> None:
    with precision.LABELS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"pattern", "corpus", "doc_id", "start", "end", "verdict"}
    assert {row["verdict"] for row in rows} == {"right", "wrong"}
    keys = [tuple(row[c] for c in ("pattern", "corpus", "doc_id", "start")) for row in rows]
    assert len(set(keys)) == len(keys)


def test_sentences_read_for_recall_name_only_what_was_looked_for() -> None:
    with recall.LABELS.open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["sample", "corpus", "doc_id", "start", "end", "seen"]
    for sample, sentences in recall.read_sentences().items():
        assert len(sentences) >= 54
        assert set().union(*sentences.values()) == set(recall.judged(sample))


@pytest.mark.data
@pytest.mark.slow
def test_every_labeled_hit_is_still_found(data: Path) -> None:
    said = precision.labels()
    assert not said.keys() - precision.found({hit[1:3] for hit in said})
