"""Small files that ask for much: each is read, or rejected, within a task's memory and CPU."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.corpus import budget

NINE_MEGABYTES = 9_000_000


@pytest.fixture(scope="module")
def reader() -> Iterator[budget.Reader]:
    with budget.reader() as process:
        yield process


def parquet(path: Path, compression: str = "brotli", **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, compression=compression)
    return path


def test_a_value_that_a_dictionary_has_once_and_every_row_repeats(
    reader: budget.Reader, tmp_path: Path
) -> None:
    texts = pa.array(["x" * 3_000_000]).dictionary_encode()
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100), texts.dictionary)
    path = parquet(tmp_path / "x.parquet", text=texts)
    assert path.stat().st_size < 2_000
    found = reader.read(path, megabytes=400)
    assert (found["kept"], found["rejected"]) == (100, 0)


@pytest.mark.parametrize("compression", ["brotli", "zstd"])
def test_one_page_that_is_gigabytes_when_it_is_decompressed(
    reader: budget.Reader, tmp_path: Path, compression: str
) -> None:
    path = parquet(tmp_path / "x.parquet", compression, text=["x" * 100_000_000])
    found = reader.read(path, megabytes=90)
    assert (found["kept"], found["told"]) == (0, ["page_too_large"])


def test_documents_near_the_limit_one_after_another(reader: budget.Reader, tmp_path: Path) -> None:
    """In a row group whose mean row is small."""
    long = "".join(map(chr, range(33, 126))) * (NINE_MEGABYTES // 93)
    path = tmp_path / "x.parquet"
    settings = {"use_dictionary": False, "write_batch_size": 1}
    with pq.ParquetWriter(path, pa.schema({"text": pa.string()}), **settings) as writer:
        writer.write_table(pa.table({"text": [f"{i} {long}" for i in range(30)] + ["x"] * 20_000}))
    found = reader.read(path, cpu=40, megabytes=300)
    assert (found["kept"], found["rejected"]) == (20_030, 0)


def test_lists_beside_the_text_are_not_decoded(reader: budget.Reader, tmp_path: Path) -> None:
    lists = pa.ListArray.from_arrays([0, 12_000_000], pa.nulls(12_000_000, pa.int64()))
    path = parquet(tmp_path / "x.parquet", text=["x"], date=lists)
    assert path.stat().st_size < 10_000
    found = reader.read(path, megabytes=80)
    assert (found["kept"], found["told"]) == (1, ["date_invalid"])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_compressed_line_without_end(reader: budget.Reader, tmp_path: Path, pack: Any) -> None:
    for name in ("x.jsonl", "x.csv", "x.txt"):
        (tmp_path / name).write_bytes(pack(b'{"text": "' + b"x" * 100_000_000))
        found = reader.read(tmp_path / name, megabytes=150, cleaning={"max_document_bytes": 10_000})
        assert (found["kept"], found["rejected"]) == (0, 1)


@pytest.mark.parametrize("marks", ["\u0f73", "\u0f75\u0f81", "\u0315\u0300"])
def test_a_document_of_combining_marks(reader: budget.Reader, tmp_path: Path, marks: str) -> None:
    """The order of a million of them was minutes."""
    (tmp_path / "x.txt").write_text("a" + marks * (1_000_000 // len(marks)))
    found = reader.read(tmp_path / "x.txt", cpu=5)
    assert (found["kept"], found["told"]) == (1, ["normalized_nfc"])


def test_a_key_that_comes_twice_among_many(reader: budget.Reader, tmp_path: Path) -> None:
    keys = [f'"k{i}": {i}' for i in range(120_000)]
    line = "{" + ", ".join([*keys, '"k119999": 0']) + "}"
    (tmp_path / "x.jsonl").write_text(line + '\n{"text": "after"}\n')
    found = reader.read(tmp_path / "x.jsonl", cpu=5)
    assert (found["kept"], found["told"]) == (1, ["duplicate_key"])


def test_values_that_are_many_times_what_they_are_written_as(
    reader: budget.Reader, tmp_path: Path
) -> None:
    lines = tmp_path / "x.jsonl"
    lines.write_text('{"text": "x", "y": [' + "{}," * 3_000_000 + '0]}\n{"text": "after"}\n')
    found = reader.read(lines, megabytes=150)
    assert (found["kept"], found["told"]) == (1, ["too_many_values"])
    commas = tmp_path / "y.jsonl"
    commas.write_text(json.dumps({"text": "a, [b]," * 400_000}) + "\n")
    assert reader.read(commas)["kept"] == 1
    table = tmp_path / "x.csv"
    table.write_text("text,a\n" + "ab," * 3_000_000 + '\n"' + "x," * 1_500_000 + '",b\nafter,b\n')
    found = reader.read(table, megabytes=150)
    assert (found["kept"], found["told"]) == (2, ["csv_fields"])


def test_quotes_that_open_again_and_again(reader: budget.Reader, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"doc_id,text\n" + b'b","\nx,y\n' * 6_000)
    found = reader.read(tmp_path / "x.csv", cleaning={"max_document_bytes": 20_000}, cpu=20)
    assert found["kept"] == found["rejected"] == 6_000


def test_values_nested_too_deeply(reader: budget.Reader, tmp_path: Path) -> None:
    for opened in ("[", '{"a":'):
        (tmp_path / "x.jsonl").write_text(f'{{"text": {opened * 100_000}\n{{"text": "after"}}\n')
        found = reader.read(tmp_path / "x.jsonl")
        assert (found["kept"], found["told"]) == (1, ["invalid_json"])
