"""JSON lines: every fault a line can have, limits, and ranges of one file."""

from __future__ import annotations

import codecs
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files

GOOD = b'{"doc_id": "a", "text": "one", "model": null}\n'
LAST = b'{"doc_id": "z", "text": "last", "model": null}'


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


REJECTED = [
    (b'{"text": "x\xff"}', "invalid_utf8", "byte 0xFF at byte 11"),
    (b'{"text": "x\xed\xa0\x80"}', "invalid_utf8", 'encoding = "latin-1"'),
    (b'{"text": "caf\xe9\x94"}', "invalid_utf8", "byte 0xE9"),
    (b'{"text": "\x93ok\x94 \xe9"}', "invalid_utf8", "byte 0xE9 at byte 15"),
    (b'{"text": ""}', "text_empty", "0 characters"),
    (b'{"text": " \\n\\t\\u00a0\\u200b\\u0000 "}', "text_empty", "none of them visible"),
    (b'{"text": null}', "text_null", "text is null"),
    (b'{"text": NaN}', "text_null", "text is null"),
    (b'{"id": 1, "body": "x"}', "text_missing", "the row has: id, body"),
    (b"{}", "text_missing", "the row has: none"),
    (b'{"text": ["a"]}', "text_not_string", "an array"),
    (b'{"text": {"a": 1}}', "text_not_string", "an object"),
    (b'{"text": 12}', "text_not_string", "a number"),
    (b'{"text": true}', "text_not_string", "a boolean"),
    (b'{"text": "cut', "invalid_json", "Unterminated string"),
    (b'{"text": "a"} x', "invalid_json", "Extra data at character 14"),
    (b"<html>", "invalid_json", "Expecting value"),
    (b'{"text": "raw \x01 control"}', "invalid_json", "Invalid control character"),
    (b"[" * 100_000, "invalid_json", "nested too deeply"),
    (b'{"a":' * 50_000, "invalid_json", "nested too deeply"),
    (b"", "blank_line", "nothing"),
    (b" \t\r", "blank_line", "nothing"),
    (b'["text"]', "not_an_object", "an array, not an object; an array of rows is to be written"),
    (b" [", "invalid_json", "written as one object a line"),
    (b'"text"', "not_an_object", "a string"),
    (b"null", "not_an_object", "null"),
    (b'{"text": "a", "text": "b"}', "duplicate_key", "'text' comes twice"),
    (b'{"text": "a", "meta": {"k": 1, "k": 1}}', "duplicate_key", "'k' comes twice"),
    (b'{"text": "a\\ud800b"}', "lone_surrogate", "U+D800"),
    (b'{"text": "a", "prompt_id": "\\udc93"}', "lone_surrogate", "prompt_id has U+DC93"),
    (b'{"text": "a", "model": ""}', "model_empty", "null means human"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), REJECTED)
def test_a_bad_line_is_one_reject_between_good_ones(
    read: Any, tmp_path: Path, line: bytes, reason: str, detail: str
) -> None:
    found = read(write(tmp_path / "x.jsonl", GOOD + line + b"\n" + LAST))
    assert found.texts == ["one", "last"]
    assert found.told == [("line 2", "rejected", reason)]
    assert detail in found.issues[0]["detail"]
    assert found.issues[0]["file"] == str(tmp_path / "x.jsonl")


REPAIRED = [
    (b'{"text": "\x93It\x92s\x94 \x85"}', "“It’s” …", "cp1252_bytes", "4 byte(s)"),
    (b'{"text": "a\\u200bb\\u0000\\u202ec"}', "abc", "invisible_removed", "U+200B x 1, U+202E x 1"),
    (b'{"text": "cafe\\u0301"}', "café", "normalized_nfc", "5 code points became 4"),
    (b'{"text": "x", "t": NaN}', "x", "sampler_invalid", "nan"),
    (b'{"text": "x", "t": Infinity}', "x", "sampler_invalid", "inf"),
    (b'{"text": "x", "t": 1e999}', "x", "sampler_invalid", "inf"),
    (b'{"text": "x", "t": -1}', "x", "sampler_invalid", "negative"),
    (b'{"text": "x", "t": "warm"}', "x", "sampler_invalid", "'warm'"),
    (b'{"text": "x", "t": [0.7]}', "x", "sampler_invalid", "an array"),
    (b'{"text": "x", "t": true}', "x", "sampler_invalid", "not a number"),
    (b'{"text": "x", "date": "1.2.2025"}', "x", "date_invalid", "not YYYY-MM-DD"),
    (b'{"text": "x", "date": "2025-02-30"}', "x", "date_invalid", "2025-02-30"),
    (b'{"text": "x", "prompt": [{"role": "user"}]}', "x", "column_not_scalar", "taken as null"),
    (b'{"text": "x", "prompt_id": NaN}', "x", "value_invalid", "prompt_id is nan"),
]


@pytest.mark.parametrize(("line", "text", "reason", "detail"), REPAIRED)
def test_a_repair_keeps_the_row_and_says_so(
    read: Any, tmp_path: Path, line: bytes, text: str, reason: str, detail: str
) -> None:
    path = write(tmp_path / "x.jsonl", line + b"\n")
    found = read(path, columns={"sampler": {"temperature": "t"}})
    assert found.texts == [text]
    assert found.kept[0]["sampler"] == []
    assert [(p, a, r) for p, a, r in found.told if a != "noted"] == [("line 1", "repaired", reason)]
    assert detail in found.issues[0]["detail"]


@pytest.mark.parametrize(
    "text",
    [
        *("\u0430 homoglyph", "<p>&amp;</p>", "â€™ mojibake", "spam " * 3_000, "👩‍👩‍👧 🏳️‍🌈", "x"),
        *("نمی‌خواهم", "https://a.example/b", "As an AI language model", "Il était une fois"),
    ],
)
def test_what_is_data_stays_as_it_is(read: Any, tmp_path: Path, text: str) -> None:
    row = json.dumps({"text": text, "unknown": {"a": [1]}}, ensure_ascii=False)
    found = read(write(tmp_path / "x.jsonl", row.encode()))
    assert (found.texts, found.issues) == ([text], [])


def test_integers_of_any_length_are_read(read: Any, tmp_path: Path) -> None:
    row = b'{"text": "x", "prompt_id": 12345678901234567890123, "big": ' + b"9" * 5_000 + b"}"
    found = read(write(tmp_path / "x.jsonl", row))
    assert found.kept[0]["prompt_id"] == "12345678901234567890123"
    assert found.issues == []


def test_a_rejected_row_has_no_repairs(read: Any, tmp_path: Path) -> None:
    found = read(write(tmp_path / "x.jsonl", b'{"text": "a\\u200bb", "model": " "}'))
    assert found.told == [("line 1", "rejected", "model_empty")]


def test_a_document_and_a_line_may_be_too_long(read: Any, tmp_path: Path) -> None:
    data = b"".join(
        b'{"text": "%s"}\n' % (b"x" * n) for n in (1_000, 1_001, 3_988, 3_989, 4_000_000, 5)
    )
    found = read(write(tmp_path / "x.jsonl", data), cleaning=Cleaning(max_document_bytes=1_000))
    assert [len(text) for text in found.texts] == [1_000, 5]
    assert found.told == [
        ("line 2", "rejected", "text_too_long"),
        ("line 3", "rejected", "text_too_long"),  # 4,000 bytes with {"text": ""}
        ("line 4", "rejected", "line_too_long"),
        ("line 5", "rejected", "line_too_long"),
    ]


def test_the_limit_counts_bytes(read: Any, tmp_path: Path) -> None:
    row = json.dumps({"text": "é" * 501}, ensure_ascii=False).encode()
    found = read(write(tmp_path / "x.jsonl", row), cleaning=Cleaning(max_document_bytes=1_000))
    assert found.told == [("line 1", "rejected", "text_too_long")]
    assert "1,002 bytes" in found.issues[0]["detail"]


def test_positions_and_ids_of_ranges(read_splits: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", b'{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n')
    corpus = Corpus(role="human", path=str(path))
    cut = [
        files.Split(str(path), "x.jsonl", "jsonl", "none", *ends) for ends in files.ranges(42, 14)
    ]
    found = read_splits(cut, corpus, Cleaning())
    assert [row["position"] for row in found.kept] == ["line 1", "line 2", "byte 28"]
    assert [row["doc_id"] for row in found.kept] == ["x.jsonl#1", "x.jsonl#2", "x.jsonl#b28"]


STRICT = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROW = st.sampled_from(
    [
        *(GOOD, b'{"text": "\xc3\xa9"}\r\n', b"\n", b"{\n", b'{"text": "\x93"}\n', b"\xff\n"),
        *(b'{"text": 1}\n', codecs.BOM_UTF8 + GOOD, b'{"text": "' + b"y" * 4_100 + b'"}\n'),
    ]
)


@STRICT
@given(data=st.one_of(st.binary(max_size=300), st.lists(ROW, max_size=12).map(b"".join)))
def test_any_bytes_are_read_and_every_line_is_accounted_for(
    read: Any, tmp_path: Path, data: bytes
) -> None:
    found = read(write(tmp_path / "x.jsonl", data), cleaning=Cleaning(max_document_bytes=1_000))
    if data.startswith((b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff", b"\x28\xb5\x2f\xfd")):
        return  # lines of what is inside, not of the bytes
    data = data.removeprefix(codecs.BOM_UTF8)
    assert len(found.kept) + found.rejected == data.count(b"\n") + (data[-1:] not in (b"", b"\n"))


@STRICT
@given(
    head=st.sampled_from([b"\x1f\x8b\x08\0", b"\xff\xfe", b"\x28\xb5\x2f\xfd", b"\0\0\xfe\xff"]),
    body=st.binary(max_size=200),
)
def test_any_bytes_behind_a_magic_number_are_read(
    read: Any, tmp_path: Path, head: bytes, body: bytes
) -> None:
    found = read(write(tmp_path / "x.jsonl", head + body))
    assert found.kept == []
    assert found.issues


@STRICT
@given(
    rows=st.lists(ROW, min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 5_000), max_size=6),
    ended=st.booleans(),
)
def test_ranges_have_the_rows_of_the_whole(
    read: Any, read_splits: Any, tmp_path: Path, rows: list[bytes], cuts: list[int], ended: bool
) -> None:
    data = b"".join(rows)
    data = data if ended else data[:-1]
    path = write(tmp_path / "x.jsonl", data)
    cleaning = Cleaning(max_document_bytes=1_000)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    splits = [
        files.Split(str(path), "x.jsonl", "jsonl", "none", start, end)
        for start, end in pairwise(edges)
    ]
    if not splits:
        return
    cut = read_splits(splits, Corpus(role="human", path=str(path)), cleaning)
    whole = read(path, cleaning=cleaning)
    about = ("text", "cluster", "model", "file")
    assert [[r[k] for k in about] for r in cut.kept] == [[r[k] for k in about] for r in whole.kept]
    issue = ("action", "reason", "detail", "excerpt")
    assert [[r[k] for k in issue] for r in cut.issues] == [
        [r[k] for k in issue] for r in whole.issues
    ]
