"""Plain text in its three cuts, and CSV."""

from __future__ import annotations

import codecs
import gzip
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files

SMALL = Cleaning(max_document_bytes=1_000)
LAX = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_file_is_a_document(read: Any, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write(tmp_path / "a.txt", b"\n one\ntwo \n")
    write(tmp_path / "b" / "a.txt.gz", gzip.compress(b"three"))
    found = read(tmp_path)
    assert found.texts == ["one\ntwo", "three"]
    assert [(row["doc_id"], row["position"]) for row in found.kept] == [
        ("a.txt", ""),
        ("b/a.txt.gz", ""),
    ]


def test_files_that_are_no_document(read: Any, tmp_path: Path) -> None:
    write(tmp_path / "1.txt", b"")
    write(tmp_path / "2.txt", b" \n")
    write(tmp_path / "3.txt", b"x" * 1_001)
    write(tmp_path / "4.txt", b"caf\xe9")
    found = read(tmp_path, cleaning=SMALL)
    assert found.kept == []
    assert [(a, r) for _, a, r in found.told] == [
        ("noted", "empty_file"),
        ("rejected", "text_empty"),
        ("rejected", "text_too_long"),
        ("rejected", "invalid_utf8"),
    ]
    assert 'encoding = "latin-1"' in found.issues[3]["detail"]


def test_a_line_is_a_document(read: Any, tmp_path: Path) -> None:
    data = codecs.BOM_UTF8 + b"one \r\n\r\ntwo\xff\n" + b"x" * 1_001 + b"\n\x93three\x94"
    found = read(write(tmp_path / "x.txt", data), document="line", cleaning=SMALL)
    assert found.texts == ["one", "“three”"]
    assert [row["doc_id"] for row in found.kept] == ["x.txt#1", "x.txt#5"]
    assert found.told == [
        ("line 2", "rejected", "blank_line"),
        ("line 3", "rejected", "invalid_utf8"),
        ("line 4", "rejected", "text_too_long"),
        ("line 5", "repaired", "cp1252_bytes"),
    ]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("separator", ["\n\n\n", "\r\n\r\n\r\n"])
def test_documents_between_separators(
    read: Any, tmp_path: Path, line_end: bytes, separator: str
) -> None:
    data = b"one\n\nstill one\n\n\n\ntwo\n\n\n\n\n\nfour caf\xe9\n\n\nfive\n\n\n\n\n\n\n"
    path = write(tmp_path / "x.txt", data.replace(b"\n", line_end))
    found = read(path, document=separator)
    assert found.texts == ["one\n\nstill one", "two", "five"]
    assert [row["position"] for row in found.kept] == ["document 1", "document 2", "document 5"]
    assert found.told == [
        ("document 3", "rejected", "text_empty"),
        ("document 4", "rejected", "invalid_utf8"),
    ]
    latin = read(path, document=separator, encoding="latin-1")
    assert latin.texts == ["one\n\nstill one", "two", "four café", "five"]


def test_a_document_beyond_the_limit_does_not_take_the_next_with_it(
    read: Any, tmp_path: Path
) -> None:
    data = b"one---" + b"x" * 3_000_000 + b"---two"
    found = read(write(tmp_path / "x.txt", data), document="---", cleaning=SMALL)
    assert found.texts == ["one", "two"]
    assert found.told == [("document 2", "rejected", "text_too_long")]


def test_a_cut_gzip_of_text(read: Any, tmp_path: Path) -> None:
    data = b"".join(b"document %d %d\n--\n" % (i, i * 7919 % 10_007) for i in range(3_000))
    path = write(tmp_path / "x.txt.gz", gzip.compress(data)[:-40])
    found = read(path, document="\n--\n")
    assert found.told == [(f"document {len(found.kept) + 1}", "rejected", "truncated_gzip")]


@LAX
@given(
    words=st.lists(st.sampled_from(["a", "é", " ", "\n", "\r\n", "\u200b"]), max_size=60),
    separator=st.sampled_from(["\n\n", "\n", "a", "\né"]),
)
def test_separated_text_is_what_splitting_the_whole_gives(
    read: Any, tmp_path: Path, words: list[str], separator: str
) -> None:
    text = "".join(words)
    found = read(write(tmp_path / "x.txt", text.encode()), document=separator)
    parts = text.replace("\r\n", "\n").split(separator)
    cleaned = [part.strip().replace("\u200b", "") for part in parts]
    assert found.texts == [text for text in cleaned if text.strip()]


@LAX
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_ranges_of_lines_have_the_rows_of_the_whole(
    read: Any, read_splits: Any, tmp_path: Path, data: bytes, cuts: list[int]
) -> None:
    data = b"x" + data  # a first byte that is no magic number
    path = write(tmp_path / "x.txt", data)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    splits = [
        files.Split(str(path), "x.txt", "text", "none", start, end)
        for start, end in pairwise(edges)
    ]
    cut = read_splits(splits, Corpus(role="human", path=str(path), document="line"), Cleaning())
    whole = read(path, document="line")
    assert cut.texts == whole.texts
    assert [r["reason"] for r in cut.issues] == [r["reason"] for r in whole.issues]
    assert len(whole.kept) + whole.rejected == data.count(b"\n") + (data[-1:] != b"\n")


CSV = b"""doc_id,model,text,t
a,,"one, ""two""
three",0.70
b,gpt,plain,
"""


def test_csv(read: Any, tmp_path: Path) -> None:
    settings = {"columns": {"sampler": {"temperature": "t"}}}
    for data in (CSV, codecs.BOM_UTF8 + CSV, CSV.replace(b"\n", b"\r\n"), gzip.compress(CSV)):
        found = read(write(tmp_path / "x.csv", data), filter="true", **settings)
        assert found.issues == []
        assert found.texts == ['one, "two"\nthree', "plain"]
        assert [row["model"] for row in found.kept] == [None, "gpt"]
        assert [row["sampler"] for row in found.kept] == [[("temperature", "0.7")], []]
        assert [row["position"] for row in found.kept] == ["line 2", "line 4"]


CSV_FAULTS = [
    (b"a", "csv_fields", "1 fields in line 3, 2 in the header"),
    (b"a,b,c", "csv_fields", "3 fields"),
    (b'a,"b\nc",d', "csv_fields", "lines 3 to 4"),
    (b"", "blank_line", "nothing"),
    (b'a,"b"c', "invalid_csv", "line 3"),
    (b"a," + b"x" * 1_001, "field_too_long", "line 3"),
    (b"a," + b"x" * 4_001, "line_too_long", "4,003 bytes"),
    (b"a,caf\xe9", "invalid_utf8", "byte 0xE9"),
    (b"a,", "text_empty", "0 characters"),
    (b"a,\0", "text_empty", "1 characters"),
]


@pytest.mark.parametrize(("row", "reason", "detail"), CSV_FAULTS)
def test_a_bad_record_is_one_reject_between_good_ones(
    read: Any, tmp_path: Path, row: bytes, reason: str, detail: str
) -> None:
    data = b"doc_id,text\nx,one\n" + row + b"\nz,last\n"
    found = read(write(tmp_path / "x.csv", data), cleaning=SMALL)
    assert found.texts == ["one", "last"]
    assert found.told == [("line 3", "rejected", reason)]
    assert detail in found.issues[0]["detail"]


def test_csv_goes_on_after_a_quote_that_is_never_closed(read: Any, tmp_path: Path) -> None:
    """Half of the file was one reject."""
    rows = [b"%d,text %d" % (i, i) for i in range(1_000)]
    rows[500] = b'500,"text'
    for later in (b"700,text 700", b'700,"text 700"', b'700,"text\n700"'):
        rows[700] = later
        data = b"doc_id,text\n" + b"\n".join(rows)
        for cleaning in (Cleaning(), SMALL):  # to the end of the file, and to the limit of a field
            found = read(write(tmp_path / "x.csv", data), cleaning=cleaning)
            assert [(line, action) for line, action, _ in found.told] == [("line 502", "rejected")]
            assert [row["doc_id"] for row in found.kept] == [
                str(i) for i in range(1_000) if i != 500
            ]


def test_what_is_no_record_by_itself_is_skipped_after_a_broken_one(
    read: Any, tmp_path: Path
) -> None:
    data = b'doc_id,text\na,one\nb,"two\nnot\nit, is, it\nnor" this\n\nc,"3\nlines"\nd,four\n'
    found = read(write(tmp_path / "x.csv", data))
    assert found.texts == ["one", "3\nlines", "four"]
    assert found.told == [
        *((f"line {i}", "rejected", "invalid_csv") for i in (3, 4, 5, 6)),
        ("line 7", "rejected", "blank_line"),
    ]
    assert "after the broken one in line 3" in found.issues[1]["detail"]


def test_openings_without_end_are_read_twice_and_not_for_ever(read: Any, tmp_path: Path) -> None:
    data = b"doc_id,text\n" + b'b","\nx,y\n' * 3_000
    found = read(write(tmp_path / "x.csv", data), cleaning=SMALL)
    assert (len(found.kept), found.rejected) == (3_000, 3_000)


def test_a_record_of_many_lines_has_the_limit_of_a_line(read: Any, tmp_path: Path) -> None:
    data = b"doc_id,text\n" + b'a,"' + b"x" * 900 + b'","' + b"\n".join([b'y","'] * 1_000)
    found = read(write(tmp_path / "x.csv", data), cleaning=SMALL)
    assert found.kept == []
    assert found.told[0] == ("line 2", "rejected", "record_too_long")


def test_nul_and_cp1252_in_csv_are_repaired(read: Any, tmp_path: Path) -> None:
    found = read(write(tmp_path / "x.csv", b"doc_id,text\na,o\0ne\nb,\x93two\x94\n"))
    assert found.texts == ["one", "“two”"]
    assert found.told == [
        ("line 2", "repaired", "invisible_removed"),
        ("line 3", "repaired", "cp1252_bytes"),
    ]


@pytest.mark.parametrize(
    ("header", "detail"), [(b"text,text", "more than once"), (b"a,\xff", "cannot be read")]
)
def test_a_header_that_cannot_be_used(
    read: Any, tmp_path: Path, header: bytes, detail: str
) -> None:
    found = read(write(tmp_path / "x.csv", header + b"\na,b\n"))
    assert [(a, r) for _, a, r in found.told] == [("rejected", "csv_header")]
    assert detail in found.issues[0]["detail"]


def test_blank_lines_before_a_csv_header_are_not_the_header(read: Any, tmp_path: Path) -> None:
    found = read(write(tmp_path / "x.csv", b"\n\r\ndoc_id,text\na,one\n"))
    assert found.texts == ["one"]
    told = [("line 1", "rejected", "blank_line"), ("line 2", "rejected", "blank_line")]
    assert found.told == told


@pytest.mark.parametrize(
    ("header", "detail"),
    [(b'"doc_id"x,text', "expected after"), (b"text," + b"x" * 5_000, "may have 4,000")],
)
def test_no_row_passes_for_a_header_that_cannot_be_read(
    read: Any, tmp_path: Path, header: bytes, detail: str
) -> None:
    found = read(write(tmp_path / "x.csv", header + b"\na,text\nb,two\n"), cleaning=SMALL)
    assert found.kept == []
    ((_, action, reason),) = found.told
    assert (action, reason) == ("rejected", "csv_header")
    assert detail in found.issues[0]["detail"]


def test_a_csv_without_the_text_column_rejects_every_row(read: Any, tmp_path: Path) -> None:
    found = read(write(tmp_path / "x.csv", b"id,body\n1,a\n2,b\n3,c\n"))
    assert found.told == [(f"line {i}", "rejected", "text_missing") for i in (2, 3, 4)]
    assert "id, body" in found.issues[0]["detail"]


@LAX
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_as_csv(read: Any, tmp_path: Path, data: bytes) -> None:
    found = read(write(tmp_path / "x.csv", b"text,b\n" + data))
    lines = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    assert len(found.kept) + found.rejected <= lines
    if b'"' not in data:  # or a record may have several lines
        assert len(found.kept) + found.rejected == lines
