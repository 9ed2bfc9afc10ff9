"""Parquet: types, row groups, faults."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files


def table(n: int) -> pa.Table:
    return pa.table(
        {"doc_id": [f"d{i}" for i in range(n)], "text": [f"text {i}" for i in range(n)]}
    )


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_every_kind_of_string(read: Any, tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array(["one é", None, "a\u200bb", "one é"]).cast(kind)
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert found.texts == ["one é", "ab", "one é"]
    assert found.told == [
        ("row 2", "rejected", "text_null"),
        ("row 3", "repaired", "invisible_removed"),
    ]
    assert [row["doc_id"] for row in found.kept] == [f"x.parquet#{i}" for i in (1, 3, 4)]
    assert found.kept[0]["cluster"] == found.kept[2]["cluster"] != found.kept[1]["cluster"]


@pytest.mark.parametrize("declared", ["binary", "string"])
def test_bytes_that_are_not_utf8(read: Any, tmp_path: Path, declared: str) -> None:
    data: Any = pa.array([b"ok", b"caf\xe9", b"\x93q\x94", None, b"\xed\xa0\x80"], pa.binary())
    if declared == "string":  # as writers that do not check leave it
        data = pa.Array.from_buffers(pa.string(), len(data), data.buffers())
    pq.write_table(pa.table({"text": data}), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert found.texts == ["ok", "“q”"]
    assert found.told == [
        ("row 2", "rejected", "invalid_utf8"),
        ("row 3", "repaired", "cp1252_bytes"),
        ("row 4", "rejected", "text_null"),
        ("row 5", "rejected", "invalid_utf8"),
    ]


def test_other_columns_as_strings(read: Any, tmp_path: Path) -> None:
    day = datetime.date(2025, 2, 3)
    at = datetime.datetime(2025, 2, 3, 23, 30)
    columns = {
        "text": ["x"],
        "doc_id": [7],
        "prompt_id": pa.array([Decimal("1.50")]),
        "t32": pa.array([0.7], pa.float32()),
        "t16": pa.array(np.array([0.7], np.float16)),
        "one": [1.0],
        "date": [day],
        "at": pa.array([at], pa.timestamp("ns", "America/New_York")),
        "flag": [True],
        "list": [[1]],
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    sampler = {"temperature": "t32", "top_p": "t16", "min_p": "one"}
    names = ("at", "flag", "list", "none", "t32")
    found = read(
        tmp_path / "x.parquet",
        columns={"sampler": sampler},
        filter=" AND ".join(f"fields['{name}'] IS NOT NULL" for name in names),
    )
    (row,) = found.kept
    assert (row["doc_id"], row["prompt_id"], row["cluster"]) == ("7", "1.5", "1.5")
    assert row["date"] == "2025-02-03"
    assert row["sampler"] == [("temperature", "0.7"), ("top_p", "0.7"), ("min_p", "1")]
    assert row["fields"] == [("at", "2025-02-03T23:30:00"), ("flag", "true"), ("t32", "0.7")]
    assert found.issues == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_is_cut_to_the_day(read: Any, tmp_path: Path, unit: Any) -> None:
    at = pa.array([datetime.datetime(2025, 2, 3, 4, 5, 6)], pa.timestamp(unit))
    pq.write_table(pa.table({"text": ["x"], "date": at}), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").kept[0]["date"] == "2025-02-03"


def test_a_day_beyond_the_calendar_is_repaired(read: Any, tmp_path: Path) -> None:
    at = pa.array([2**60, 0], pa.int64()).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["x", "y"], "date": at}), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert [row["date"] for row in found.kept] == [None, "1970-01-01"]
    assert found.told == [("row 1", "repaired", "date_invalid")]


def test_a_date_of_lists_does_not_cost_the_file(read: Any, tmp_path: Path) -> None:
    """Times finer than Python's in a list could be converted neither to values nor to strings."""
    at = pa.array([[1], None, []], pa.list_(pa.timestamp("ns")))
    places = pa.array([{"a": 1}, None, {"a": 2}])
    columns = {"text": ["x", "y", "z"], "date": at, "stratum": places}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert found.texts == ["x", "y", "z"]
    told = {(row["action"], row["reason"], row["detail"]) for row in found.issues}
    assert told == {
        ("repaired", "date_invalid", "date is an array: not YYYY-MM-DD; taken as null"),
        ("repaired", "column_not_scalar", "stratum is an object, not one value; taken as null"),
    }
    found = read(tmp_path / "x.parquet", columns={"text": "date"})
    assert found.told == [(f"row {i}", "rejected", "text_not_string") for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**62], pa.duration("ns")),
        pa.array([1], pa.time64("ns")),
        pa.array([2**62], pa.duration("s")),
        pa.array([2**30], pa.date32()),
    ],
    ids=lambda values: str(values.type),
)
def test_no_type_of_a_column_costs_the_file(read: Any, tmp_path: Path, values: pa.Array) -> None:
    pq.write_table(pa.table({"text": ["x"], "date": values}), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert (found.texts, found.told) == (["x"], [("row 1", "repaired", "date_invalid")])


def test_without_the_text_column_every_row_is_a_reject(read: Any, tmp_path: Path) -> None:
    pq.write_table(table(2_500).rename_columns(["id", "body"]), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert (len(found.kept), found.rejected) == (0, 2_500)
    assert found.told[-1] == ("row 2500", "rejected", "text_missing")
    assert "id, body" in found.issues[0]["detail"]


def test_row_groups_are_ranges(read_splits: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(25), path, row_group_size=10)
    corpus = Corpus(role="human", path=str(path))
    cut = [files.Split(str(path), "x", "parquet", "none", *ends) for ends in ((0, 1), (1, 3))]
    found = read_splits(cut, corpus, Cleaning())
    assert found.texts == [f"text {i}" for i in range(25)]
    assert [row["position"] for row in found.kept] == [f"row {i + 1}" for i in range(25)]


def test_a_file_without_rows_is_noted(read: Any, tmp_path: Path) -> None:
    pq.write_table(table(0), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").told == [("", "noted", "empty_file")]


def corrupt_page(path: Path) -> None:
    """Two row groups, the data of the second overwritten."""
    pq.write_table(table(2_000), path, row_group_size=1_000, compression="zstd")
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["text", "cut", "page", "twice"])
def test_what_cannot_be_read_is_a_reject(read: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(100), path)
    if kind == "text":
        path.write_bytes(b"not parquet")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "page":
        corrupt_page(path)
    else:
        columns = [pa.array(["a"]), pa.array(["b"])]
        pq.write_table(pa.Table.from_arrays(columns, names=["text", "text"]), path)
    found = read(path)
    position = "row 1001" if kind == "page" else ""
    assert found.told == [(position, "rejected", "unreadable_file")]
    assert len(found.kept) == (1_000 if kind == "page" else 0)
    read_before = "read before that: 1,000 of 2,000 rows" if found.kept else "nothing was read"
    assert f"; {read_before}" in found.issues[0]["detail"]
    (size, lost) = (found.issues[0][name] for name in ("unread_bytes", "lost_rows"))
    whole = path.stat().st_size
    assert (size, lost) == ((whole // 2, 1_000) if kind == "page" else (whole, None))


def test_a_column_whose_name_is_not_utf8(read: Any, tmp_path: Path) -> None:
    """As a flipped bit leaves it."""
    path = tmp_path / "x.parquet"
    pq.write_table(table(3).append_column("naming", pa.array([1, 2, 3])), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"naming", b"nam\xe9ng"))
    found = read(path)
    assert found.told == [("", "rejected", "unreadable_file")]
    assert "name is not UTF-8" in found.issues[0]["detail"]


def test_parquet_under_the_name_of_json_lines(read: Any, tmp_path: Path) -> None:
    pq.write_table(table(10), tmp_path / "x.jsonl")
    found = read(tmp_path / "x.jsonl")
    assert found.told == [("", "rejected", "unreadable_file")]
    assert "the bytes are Parquet" in found.issues[0]["detail"]
    assert len(read(tmp_path / "x.jsonl", format="parquet").kept) == 10


def test_batches_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dftspark.corpus import ingest

    assert ingest.BATCH_BYTES == 16 << 20
    monkeypatch.setattr(ingest, "BATCH_BYTES", 1 << 20)
    texts = [f"{i} " + "x" * 60_000 for i in range(40)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet")
    split = files.Split(str(tmp_path / "x.parquet"), "x", "parquet")
    batches = list(ingest.ingest(split, "c", Corpus(role="human", path="x"), Cleaning()))
    assert sum(batch.num_rows for batch in batches) == 40
    assert max(batch.nbytes for batch in batches) < (1 << 20) + 70_000
