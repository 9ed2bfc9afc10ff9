"""Every reader under damage: bits flipped, bytes cut and repeated, encodings, nesting.

Whatever a file is, it is read within a task's memory and CPU, and every row of it is accounted for.
The examples are the same in every run.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.corpus import budget

ROWS = 120
FILES = 50  # of each reader
_TEXTS = (
    "plain words and more of them",
    'a "quoted", part',
    "two\nlines",
    "caf\u00e9 \u4e2d\u6587 \U0001f600",
    "a\u0301\u0f73\u0f81\u0323" * 9,
    "\u200b\ufeff\x93",
    "",
    "x" * 3_000,
)


@pytest.fixture(scope="module")
def reader() -> Iterator[budget.Reader]:
    with budget.reader() as process:
        yield process


def rows(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {"doc_id": f"d{i}", "text": draw.choice(_TEXTS), "date": "2026-01-02", "model": "m"}
        for i in range(ROWS)
    ]


def jsonl(draw: random.Random) -> bytes:
    lines = [json.dumps(row, ensure_ascii=draw.random() < 0.5) for row in rows(draw)]
    depth = draw.choice([3, 500, 20_000])
    opened, closed = draw.choice([("[", "]"), ('{"a":', "}")])
    lines[draw.randrange(ROWS)] = f'{{"text": "x", "y": {opened * depth}1{closed * depth}}}'
    return "\n".join(lines).encode(draw.choice(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))


def text(draw: random.Random) -> bytes:
    found = "\n\n".join(row["text"] for row in rows(draw))
    return found.encode(draw.choice(["utf-8", "utf-16", "utf-32-le"]))


def table(draw: random.Random) -> bytes:
    made = io.StringIO()
    writer = csv.DictWriter(made, ["doc_id", "text", "date", "model"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(draw))
    return made.getvalue().encode(draw.choice(["utf-8", "utf-8-sig", "utf-16"]))


def parquet(draw: random.Random) -> bytes:
    made = io.BytesIO()
    nested = [[i] for i in range(ROWS)]
    content = pa.Table.from_pylist(rows(draw)).append_column("stratum", pa.array(nested))
    pq.write_table(
        content,
        made,
        compression=draw.choice(["none", "snappy", "zstd", "gzip"]),
        row_group_size=draw.choice([10, 50, 200]),
        use_dictionary=draw.random() < 0.5,
        data_page_version=draw.choice(["1.0", "2.0"]),
    )
    return made.getvalue()


def damaged(draw: random.Random, data: bytes) -> bytes:
    """With one to three faults; now and then with none."""
    found = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
        at, length = draw.randrange(len(found) + 1), draw.randrange(1, 60)
        fault = draw.randrange(5)
        if fault == 0:
            for place in range(at, min(len(found), at + draw.randrange(1, 4))):
                found[place] ^= 1 << draw.randrange(8)
        elif fault == 1:
            del found[at:]
        elif fault == 2:
            del found[at : at + length]
        elif fault == 3:
            found[at:at] = draw.choice([draw.randbytes(length), b'"', b"\0" * length, b"\xff\xfe"])
        else:
            found[at:at] = found[max(0, at - length) : at] * draw.randrange(1, 20)
    return bytes(found)


def packed(draw: random.Random, data: bytes) -> bytes:
    kind = draw.choice(["", "gzip", "members", "zstd"])
    if kind == "gzip":
        return gzip.compress(data, mtime=0)
    if kind == "members":
        half = len(data) // 2
        return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    return zstandard.compress(data) if kind == "zstd" else data


READERS: dict[str, tuple[Callable[[random.Random], bytes], dict[str, Any]]] = {
    "jsonl": (jsonl, {}),
    "lines.txt": (text, {"document": "line"}),
    "parts.txt": (text, {"document": "\n\n"}),
    "file.txt": (text, {}),
    "csv": (table, {}),
    "parquet": (parquet, {}),
}


@pytest.mark.parametrize("name", READERS)
def test_no_damage_ends_a_reader_or_takes_more_than_its_share(
    reader: budget.Reader, tmp_path: Path, name: str
) -> None:
    make, settings = READERS[name]
    draw = random.Random(name)
    path = tmp_path / (name if "." in name else f"x.{name}")
    told: set[str] = set()
    for _ in range(FILES):
        data = make(draw)
        if name != "parquet" and draw.random() < 0.5:
            data = packed(draw, data)
        data = damaged(draw, data)
        path.write_bytes(data)
        found = reader.read(path, cpu=5, megabytes=256, **settings)
        # All of a file, and be it nothing, is a document, a rejected row or a remark.
        assert found["kept"] + found["rejected"] + found["noted"] > 0
        assert found["kept"] + found["rejected"] <= max(ROWS, data.count(b"\n"), 20_000)
        told.update(found["told"])
    assert told  # or the damage was none
