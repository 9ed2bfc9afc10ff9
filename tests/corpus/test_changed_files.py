"""A file that is another one when it is read than when it was listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files, ingest
from dftspark.errors import InputError


def write(path: Path, rows: int, word: str = "number") -> None:
    """By another file in its place, and with a time of its own, as time is coarse on some disks."""
    new = path.with_name("_new")
    if path.suffix == ".parquet":
        texts = [f"{word} {i}" for i in range(rows)]
        pq.write_table(pa.table({"text": texts}), new, row_group_size=10)
    else:
        new.write_text("".join(f'{{"text": "{word} {i:06}"}}\n' for i in range(rows)))
    before = path.stat().st_mtime_ns if path.exists() else 0
    new.replace(path)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def listed(path: Path) -> tuple[Corpus, list[files.Split]]:
    corpus = Corpus(role="human", path=str(path))
    return corpus, files.find(corpus, "c")[0]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
@pytest.mark.parametrize(("rows", "word"), [(40, "number"), (400, "number"), (100, "NUMBER")])
def test_each_part_of_a_changed_file_is_a_reject(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_splits: Any,
    name: str,
    rows: int,
    word: str,
) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", 600)
    write(tmp_path / name, 100)
    corpus, splits = listed(tmp_path / name)
    assert len(splits) > 1
    before = read_splits(splits[:1], corpus, Cleaning())
    assert before.texts
    assert not before.issues
    write(tmp_path / name, rows, word)
    after = read_splits(splits[1:], corpus, Cleaning())
    assert after.kept == []
    assert {issue["reason"] for issue in after.issues} == {"changed_file"}
    assert after.rejected == len(splits) - 1
    assert "bytes when it was listed" in after.issues[0]["detail"]


def test_a_file_that_changes_under_the_reader(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", 3_000)
    corpus, splits = listed(tmp_path / "x.jsonl")
    batches = ingest.ingest(splits[0], "c", corpus, Cleaning())
    found = next(batches).num_rows
    write(tmp_path / "x.jsonl", 3_001)
    rest = [row for batch in batches for row in batch.to_pylist()]
    assert found + sum(row["action"] is None for row in rest) == 3_000
    (reject,) = [row for row in rest if row["action"] == "rejected"]
    assert reject["reason"] == "changed_file"
    assert "read before that: 3,000 rows" in reject["detail"]


def test_whatever_a_reader_makes_of_a_changed_file_says_that_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_splits: Any
) -> None:
    write(tmp_path / "x.jsonl", 10)
    corpus, splits = listed(tmp_path / "x.jsonl")

    def reader(*_: Any) -> Any:
        write(tmp_path / "x.jsonl", 20)
        raise IndexError("row group 7")

    monkeypatch.setitem(ingest.READERS, "jsonl", reader)
    assert read_splits(splits, corpus, Cleaning()).told == [("", "rejected", "changed_file")]
    splits = listed(tmp_path / "x.jsonl")[1]
    monkeypatch.setattr(ingest, "changed", lambda split: None)
    with pytest.raises(IndexError):
        read_splits(splits, corpus, Cleaning())


def test_a_changed_file_may_end_the_run(tmp_path: Path, read_splits: Any) -> None:
    write(tmp_path / "x.jsonl", 10)
    corpus, splits = listed(tmp_path / "x.jsonl")
    write(tmp_path / "x.jsonl", 20)
    with pytest.raises(InputError, match=r"x.jsonl cannot be read: changed while the corpus was"):
        read_splits(splits, corpus, Cleaning(on_unreadable_file="fail"))
