"""Files as bytes: encodings, compression, damage, and files that cannot be read."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import random
import re
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files
from dftspark.errors import InputError

# Without the time: bytes are part of a test's name, and processes compare the names.
zipped = partial(gzip.compress, mtime=0)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def lines(n: int) -> bytes:
    return b"".join(b'{"doc_id": "%d", "text": "text %d \xc3\xa9"}\n' % (i, i) for i in range(n))


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (codecs.BOM_UTF8 + lines(5), []),
        (lines(5).replace(b"\n", b"\r\n"), []),
        (lines(5).decode().encode("utf-16"), ["encoding"]),
        ("\ufeff".encode("utf-16-be") + lines(5).decode().encode("utf-16-be"), ["encoding"]),
        (lines(5).decode().encode("utf-32"), ["encoding"]),
        (zipped(lines(5)), []),
        (zipped(lines(5)[:70]) + zipped(lines(5)[70:]), []),
        (zipped(lines(5)) + b"\0" * 64, []),
        (zipped(lines(5)[:70]) + b"\0" * 50_000 + zipped(lines(5)[70:]) + b"\0", []),
        (zipped(lines(5)) + b"junk", ["trailing_bytes"]),
        (zipped(lines(5)) + b"\0\0\0junk", ["trailing_bytes"]),
        (zipped(lines(5))[:-8] + b"\0" * 8, ["bad_crc"]),
        (zstandard.compress(lines(5)), []),
        (zstandard.compress(lines(5)[:70]) + zstandard.compress(lines(5)[70:]), []),
        (b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(lines(5)), []),
        (zipped(lines(5).decode().encode("utf-16")), ["encoding"]),
    ],
)
def test_what_the_bytes_are_decides(
    read: Any, tmp_path: Path, data: bytes, notes: list[str]
) -> None:
    found = read(write(tmp_path / "x.jsonl", data))
    assert found.texts == [f"text {i} é" for i in range(5)]
    assert found.told == [("", "noted", note) for note in notes]


def test_gzip_headers_with_every_field(read: Any, tmp_path: Path) -> None:
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(lines(3)) + deflate.flush()
    trailer = struct.pack("<II", zlib.crc32(lines(3)), len(lines(3)))
    extra = b"\x05\x00extra" + b"name\0" + b"a comment\0" + b"\0\0"
    member = b"\x1f\x8b\x08\x1e\0\0\0\0\0\0" + extra + body + trailer
    found = read(write(tmp_path / "x.jsonl.gz", member * 3))
    assert (len(found.kept), found.issues) == (9, [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zstandard.compress(b'{"text":"a"}\n') + b"junk", "corrupt_zstd"),
        (zipped(b'{"text":"a"}\n') + b"\x1f\x8b\x08", "truncated_gzip"),
    ],
)
def test_a_row_of_a_few_bytes_before_the_damage_is_read(
    read: Any, tmp_path: Path, data: bytes, reason: str
) -> None:
    found = read(write(tmp_path / "x.jsonl", data))
    assert found.texts == ["a"]
    assert found.told == [("line 2", "rejected", reason)]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_plain_text_under_the_name_of_a_compressed_file(
    read: Any, tmp_path: Path, ending: str
) -> None:
    found = read(write(tmp_path / f"x.jsonl{ending}", lines(3)))
    assert len(found.kept) == 3
    assert found.told == [("", "noted", "not_compressed")]


def noise() -> bytes:
    """2,000 lines that do not compress to nothing: several zstd blocks of 128 KiB."""
    digits = random.Random(0)
    return b"".join(
        b'{"text": "%s"}\n' % digits.randbytes(200).hex().encode() for _ in range(2_000)
    )


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_truncated_file_keeps_what_came_before(read: Any, tmp_path: Path, kind: str) -> None:
    whole = noise()
    packed = zipped(whole) if kind == "gzip" else zstandard.compress(whole)
    found = read(write(tmp_path / "x.jsonl", packed[: len(packed) * 6 // 10]))
    assert 0 < len(found.kept) < 2_000
    assert found.told == [(f"line {len(found.kept) + 1}", "rejected", f"truncated_{kind}")]
    told = re.search(r"read before that: ([\d,]+) rows, ([\d,]+) bytes", found.issues[0]["detail"])
    assert told is not None
    rows, size = (int(number.replace(",", "")) for number in told.groups())
    line = len(whole) // 2_000
    assert rows == len(found.kept) == size // line
    assert whole[rows * line : size].startswith(found.issues[0]["excerpt"].encode())
    assert (found.issues[0]["unread_bytes"], found.issues[0]["lost_rows"]) == (0, rows)
    assert (
        found.texts == [json.loads(line)["text"] for line in whole.splitlines()][: len(found.kept)]
    )


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_broken_middle_keeps_what_came_before(read: Any, tmp_path: Path, kind: str) -> None:
    zstd = zstandard.ZstdCompressor(write_checksum=True)
    packed = bytearray(zipped(noise()) if kind == "gzip" else zstd.compress(noise()))
    middle = len(packed) // 2
    packed[middle : middle + 400] = b"\xff" * 400
    found = read(write(tmp_path / "x.jsonl", bytes(packed)))
    assert found.told[-1][1:] in [
        ("rejected", f"corrupt_{kind}"),
        ("noted", "bad_crc"),
    ]
    assert len(found.kept) > 0
    if found.told[-1][1] == "rejected":
        unread, lost = (found.issues[-1][name] for name in ("unread_bytes", "lost_rows"))
        # What zstd decodes of such bytes is wrong at its checksum, which is the end.
        place = 0.5 * len(packed) if kind == "gzip" else 0
        assert unread == pytest.approx(place, abs=0.05 * len(packed))
        assert len(found.kept) + lost == pytest.approx(2_000, rel=0.1)


@pytest.mark.parametrize("cut", [1, 3, 9, 12, 20])
def test_gzip_cut_anywhere_near_its_beginning(read: Any, tmp_path: Path, cut: int) -> None:
    found = read(write(tmp_path / "x.jsonl.gz", zipped(lines(50))[:cut]))
    assert found.kept == []
    assert found.rejected == 1


def test_a_gzip_bomb_is_read_in_portions(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(64):
            file.write(b" " * (1 << 20))
        file.write(b'\n{"text": "after"}\n')
    found = read(path, cleaning=Cleaning(max_document_bytes=1_000))
    assert found.texts == ["after"]
    assert found.told == [("line 1", "rejected", "line_too_long")]
    assert "67,108,864 bytes" in found.issues[0]["detail"]


@pytest.mark.parametrize("data", [b"", zipped(b""), codecs.BOM_UTF8, zstandard.compress(b"")])
def test_an_empty_file_is_noted(read: Any, tmp_path: Path, data: bytes) -> None:
    found = read(write(tmp_path / "x.jsonl", data))
    assert (found.kept, found.told) == ([], [("", "noted", "empty_file")])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "shift_jis"])
def test_a_configured_encoding(read: Any, tmp_path: Path, encoding: str) -> None:
    text = "日本語" if encoding == "shift_jis" else "café"
    data = "".join(f'{{"text": "{text} {i}"}}\n' for i in range(3)).encode(encoding)
    found = read(write(tmp_path / "x.jsonl", data), encoding=encoding)
    assert (found.texts, found.issues) == ([f"{text} {i}" for i in range(3)], [])


def test_bytes_that_a_configured_encoding_lacks(read: Any, tmp_path: Path) -> None:
    data = b'{"text": "\x93ok\x94"}\n{"text": "\x81"}\n{"text": "ok"}'
    found = read(write(tmp_path / "x.jsonl", data), encoding="cp1252")
    assert found.texts == ["“ok”", "ok"]
    assert found.told == [("line 2", "rejected", "invalid_encoding")]


def test_half_a_surrogate_pair_in_utf16_is_one_reject(read: Any, tmp_path: Path) -> None:
    text = '{"text": "a"}\n{"text": "\ud800"}\n{"text": "b"}\n'
    data = codecs.BOM_UTF16_LE + text.encode("utf-16-le", "surrogatepass")
    found = read(write(tmp_path / "x.jsonl", data), encoding="utf-16")
    assert found.texts == ["a", "b"]
    assert found.told == [("line 2", "rejected", "invalid_encoding")]


def test_utf16_cut_in_the_middle_of_a_character(read: Any, tmp_path: Path) -> None:
    data = '{"text": "a"}\n{"text": "b"}\n'.encode("utf-16")[:-1]
    found = read(write(tmp_path / "x.jsonl", data))
    assert found.texts == ["a"]
    assert ("line 2", "rejected", "invalid_encoding") in found.told


def unreadable(path: Path) -> Path:
    """A file that is there when it is looked for and cannot be read after."""
    write(path, b"BZh91AY&SY" + b"\0" * 20)
    return path


def test_an_unreadable_file_is_one_reject_or_the_end(read: Any, tmp_path: Path) -> None:
    path = unreadable(tmp_path / "x.jsonl")
    found = read(path)
    assert found.told == [("", "rejected", "unreadable_file")]
    assert "bzip2" in found.issues[0]["detail"]
    with pytest.raises(InputError, match='on_unreadable_file = "reject"'):
        read(path, cleaning=Cleaning(on_unreadable_file="fail"))


def test_a_damaged_file_ends_the_run_where_that_is_asked_for(read: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", zipped(lines(500))[:-20])
    with pytest.raises(InputError, match="ends inside its data"):
        read(path, cleaning=Cleaning(on_unreadable_file="fail"))


def test_a_file_that_is_gone_meanwhile(read_splits: Any, tmp_path: Path) -> None:
    corpus = Corpus(role="human", path=str(tmp_path))
    split = files.Split(str(tmp_path / "gone.jsonl"), "gone.jsonl", "jsonl", size=77)
    found = read_splits([split], corpus, Cleaning())
    assert found.told == [("", "rejected", "unreadable_file")]
    assert (found.issues[0]["unread_bytes"], found.issues[0]["lost_rows"]) == (77, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(read: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", lines(1))
    path.chmod(0)
    assert read(path).told == [("", "rejected", "unreadable_file")]
