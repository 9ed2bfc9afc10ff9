"""Cutting a stream: chunks never matter, memory is bounded."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftspark.corpus.gzip_members import gunzip
from dftspark.corpus.rows import Damaged
from dftspark.corpus.streams import pieces

CHUNKS = st.lists(st.text("ab\n", max_size=6).map(str.encode), max_size=20)


@given(CHUNKS, st.sampled_from([b"\n", b"\n\n", b"ab", b"a\na", b"aa"]), st.integers(0, 12))
def test_chunks_never_matter(chunks: list[bytes], separator: bytes, limit: int) -> None:
    whole = b"".join(chunks)
    parts = whole.split(separator)
    expected, offset = [], 100
    for part in parts:
        expected.append((offset, part if len(part) <= limit else None, len(part)))
        offset += len(part) + len(separator)
    if not parts[-1]:
        expected.pop()
    found = list(pieces(chunks, separator, limit, 100))
    assert [(p.offset, p.data if p.size <= limit else None, p.size) for p in found] == expected
    assert all(part.startswith(piece.data) for part, piece in zip(parts, found, strict=False))


@pytest.mark.parametrize("separator", [b"\n", b"\n\n"])
def test_an_endless_line_is_not_held(separator: bytes) -> None:
    chunk = b"x" * (1 << 20)

    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield chunk
        yield separator + b"end"

    first, last = pieces(endless(), separator, 1_000)
    assert (first.size, len(first.data)) == (200 << 20, 400)
    assert last.data == b"end"


def test_a_separator_across_chunks_does_not_count_as_length() -> None:
    chunks = [b"x" * 1_000 + b"\n", b"\n" + b"y" * 1_001 + b"\n", b"\nend"]
    found = list(pieces(chunks, b"\n\n", 1_000))
    assert [(p.size, len(p.data)) for p in found] == [(1_000, 1_000), (1_001, 400), (3, 3)]


def test_damage_brings_the_row_it_cut() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one\ntw"
        raise Damaged("truncated", "why")

    found = pieces(chunks(), b"\n", 100)
    assert next(found).data == b"one"
    with pytest.raises(Damaged) as caught:
        next(found)
    assert caught.value.rest == b"tw"


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.integers(1, 40))
def test_gzip_in_chunks_of_any_size(members: list[bytes], width: int) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    chunks = (packed[i : i + width] for i in range(0, len(packed), width))
    notes: list[tuple[str, str]] = []
    out = list(gunzip(chunks, 16, notes))
    assert b"".join(out) == b"".join(members)
    assert max(map(len, out), default=0) <= 16
    assert notes == []


@given(st.binary(max_size=20), st.integers(1, 400), st.data())
def test_gzip_cut_anywhere_gives_all_that_is_there(
    unit: bytes, times: int, data: st.DataObject
) -> None:
    packed = gzip.compress(unit * times)
    cut = data.draw(st.integers(2, len(packed) - 1))
    out: list[bytes] = []
    with pytest.raises(Damaged, match="the file ends inside"):
        out.extend(gunzip(iter([packed[:cut]]), 64, []))
    assert b"".join(out) == zlib.decompressobj(wbits=31).decompress(packed[:cut])
