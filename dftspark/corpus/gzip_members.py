"""Reads gzip so that nothing readable is lost: members in a row, a cut end, a wrong checksum.

Python's gzip and zlib raise on a bad trailer before they return what they decompressed, so this
module takes the members apart and leaves only the deflate stream to zlib.

Cost: one chunk in, one chunk out.
Source: RFC 1952.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator

from dftspark.corpus.rows import Damaged, Notes

GZIP = b"\x1f\x8b"
# zlib copies what follows a member; small portions keep that cheap where members are tiny.
FEED = 16 << 10
_IN_HEADER = "the file ends inside a header; fetch it again"
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


def gunzip(portions: Iterator[bytes], width: int, notes: Notes) -> Iterator[bytes]:
    """Yields the contents of the members, at most `width` bytes at a time; remarks go to `notes`.

    `portions` should be of FEED bytes. Raises Damaged if the deflate stream is cut off or broken.
    """
    source = _Bytes(portions)
    member = 0
    while start := source.take(2):
        if start != GZIP:
            notes.append(("trailing_bytes", f"after {member} gzip member(s); left unread"))
            return
        member += 1
        source.skip_header()
        checksum = yield from _inflate(source, width)
        trailer = source.take(8)
        if len(trailer) < 8:
            raise Damaged("truncated_gzip", "the file ends inside a trailer; fetch it again", True)
        if trailer != checksum:
            detail = (
                f"checksum and length in the trailer of member {member} are {trailer.hex()}, "
                f"those of the data {checksum.hex()}; its rows are read, fetch the file again"
            )
            notes.append(("bad_crc", detail))
        source.skip_zeros()  # padding to whole blocks, which may have members behind it


def _inflate(source: _Bytes, width: int) -> Generator[bytes, None, bytes]:
    """Yields one deflate stream; returns the trailer that it should have."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    checksum = size = 0
    while not inflate.eof:
        data = inflate.unconsumed_tail or source.some()
        try:
            out = inflate.decompress(data, width)
        except zlib.error as error:
            raise Damaged("corrupt_gzip", f"cannot be read further: {error}") from error
        if not data and not out and not inflate.eof:
            raise Damaged("truncated_gzip", "the file ends inside its data; fetch it again", True)
        checksum, size = zlib.crc32(out, checksum), size + len(out)
        yield out
    source.put_back(inflate.unused_data)
    return struct.pack("<II", checksum, size & 0xFFFFFFFF)


class _Bytes:
    """A stream of chunks that can be read by the byte."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, b""

    def some(self) -> bytes:
        """Returns the bytes at hand, or the next chunk; empty at the end."""
        data, self._held = self._held or next(self._chunks, b""), b""
        return data

    def put_back(self, data: bytes) -> None:
        self._held = data + self._held

    def skip_zeros(self) -> None:
        while data := self.some():
            if rest := data.lstrip(b"\0"):
                self.put_back(rest)
                return

    def take(self, count: int) -> bytes:
        """Returns `count` bytes, or fewer at the end."""
        data = self.some()
        while len(data) < count and (more := self.some()):
            data += more
        self.put_back(data[count:])
        return data[:count]

    def skip_header(self) -> None:
        """Skips the rest of a member's header, after its two magic bytes."""
        fixed = self._need(8)
        flags = fixed[1]
        if fixed[0] != 8:
            raise Damaged("corrupt_gzip", f"compression method {fixed[0]}, not 8 (deflate)")
        if flags & _EXTRA:
            self._need(int.from_bytes(self._need(2), "little"))
        for flag in (_NAME, _COMMENT):
            if flags & flag:
                self._skip_text()
        if flags & _HEADER_CRC:
            self._need(2)

    def _skip_text(self) -> None:
        while data := self.some():
            _, zero, after = data.partition(b"\0")
            if zero:
                self.put_back(after)
                return
        raise Damaged("truncated_gzip", _IN_HEADER, True)

    def _need(self, count: int) -> bytes:
        data = self.take(count)
        if len(data) < count:
            raise Damaged("truncated_gzip", _IN_HEADER, True)
        return data
