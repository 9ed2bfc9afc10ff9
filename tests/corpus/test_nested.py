"""Columns inside structs and arrays, and the texts of chats, from JSON lines and Parquet alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.corpus.nested import path_of

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who?"},
    {"role": "assistant", "content": "The first."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "The last."},
]
ROWS: list[dict[str, Any]] = [
    {"messages": CHAT, "meta": {"t": 0.7, "by": {"name": "a"}}},
    {"messages": CHAT[:3], "meta": {"t": 1.0, "by": {"name": "b"}}},
    {"messages": [], "meta": {"t": 1.0, "by": None}},
    {"messages": CHAT[:2], "meta": None},
]


@pytest.fixture(params=["jsonl", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"x.{request.param}"
    if request.param == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize(
    ("name", "column", "steps"),
    [
        ("messages[-1].content", "messages", (-1, "content")),
        ("a.b.c", "a", ("b", "c")),
        ("a[0][1]", "a", (0, 1)),
    ],
)
def test_a_path(name: str, column: str, steps: tuple[Any, ...]) -> None:
    assert path_of(name) == (column, steps)


@pytest.mark.parametrize("name", ["text", "a[b]", "a.", ".a", "a[", "a..b", "a[1.5]", "[0]", ""])
def test_a_plain_name(name: str) -> None:
    assert path_of(name) is None


def test_texts_and_settings_by_their_paths(read: Any, file: Path) -> None:
    found = read(
        file,
        columns={
            "text": "messages[-1].content",
            "prompt_id": "messages[1].content",
            "model": "meta.by.name",
            "sampler": {"temperature": "meta.t"},
        },
    )
    assert found.texts == ["The last.", "The first.", "Who?"]
    assert [row["prompt_id"] for row in found.kept] == ["Who?"] * 3
    assert [row["model"] for row in found.kept] == ["a", "b", None]
    assert [dict(row["sampler"] or []) for row in found.kept] == [
        {"temperature": "0.7"},
        {"temperature": "1"},
        {},
    ]
    assert [reason for _, action, reason in found.told if action == "rejected"] == ["text_null"]


def test_the_text_of_a_chat(read: Any, file: Path) -> None:
    """The assistant's last message, and what the user asked before it."""
    found = read(file, columns={"text": "messages"})
    assert found.texts == ["The last.", "The first."]
    assert [row["prompt"] for row in found.kept] == ["Why?", "Who?"]
    # No message at all is no chat; one that nobody answered has no text.
    assert [reason for _, _, reason in found.told] == ["text_not_string", "text_null"]


def test_a_prompt_that_is_a_chat(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"prompt": CHAT[:2], "completion": CHAT[2:3]}) + "\n")
    found = read(path, columns={"text": "completion"})
    assert [(row["text"], row["prompt"]) for row in found.kept] == [("The first.", "Who?")]


def test_parts_of_a_message(read: Any, tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "assistant", "content": parts}]}) + "\n")
    assert read(path, columns={"text": "messages"}).texts == ["one\ntwo"]


def test_a_column_that_has_the_path_for_its_name(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a.b": "whole", "a": {"b": "inside"}}\n{"a": {"b": "inside"}}\n')
    assert read(path, columns={"text": "a.b"}).texts == ["whole", "inside"]


def test_a_map_and_bytes_inside_a_struct(read: Any, tmp_path: Path) -> None:
    text = pa.array([b"caf\xc3\xa9", b"\x93q\x94"], pa.binary())
    wrong = pa.Array.from_buffers(pa.string(), 2, text.buffers())  # as a careless writer leaves it
    columns = {
        "answer": pa.StructArray.from_arrays([wrong], ["text"]),
        "tags": pa.array([[("m", "a")], [("m", "b")]], pa.map_(pa.string(), pa.string())),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet", columns={"text": "answer.text", "stratum": "tags.m"})
    assert found.texts == ["café", "“q”"]
    assert [row["stratum"] for row in found.kept] == ["a", "b"]
    assert found.told == [("row 2", "repaired", "cp1252_bytes")]
