"""Bytes of a file as UTF-8: decompressed, a byte-order mark obeyed, cut at a separator.

Cost: one chunk of input and one of output at a time, plus the piece being read up to its limit; a
compressed bomb or an endless line cannot ask for more. Source: gzip RFC 1952, zstd RFC 8878.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import zstandard

from dftspark.corpus.gzip_members import FEED, GZIP, gunzip
from dftspark.corpus.rows import Damaged, Notes
from dftspark.location import Location

CHUNK = 1 << 20
_HEAD = 400
# A block of zstd is at least 4 bytes and gives at most 128 KiB: 1 KiB in is at most 32 MiB out.
_ZSTD_FEED = 1 << 10
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
_MARKS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNREAD = {
    rb"BZh[1-9]1AY&SY": "bzip2",
    rb"\xfd7zXZ\x00": "xz",
    rb"\x04\x22\x4d\x18": "lz4",
    rb"PK\x03\x04": "zip",
    rb"PAR1\x15": "Parquet",
}


class Piece(NamedTuple):
    """A line or a document: where it begins, its bytes, its length.

    If `size` is above the limit, `data` is only its beginning.
    """

    offset: int
    data: bytes
    size: int


def is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def is_plain(path: str, encoding: str) -> bool:
    """Returns whether the bytes at `path` are UTF-8 as they are, so that they may be cut
    anywhere."""
    place = Location.locate(path)
    with place.filesystem.open_input_file(place.path) as file:
        head = file.read(16)
    packed = head.startswith(GZIP) or _ZSTD.match(head) or any(re.match(m, head) for m in _UNREAD)
    return is_utf8(encoding) and not packed and not any(head.startswith(m) for m, _ in _MARKS)


def utf8_chunks(path: str, compression: str, encoding: str, notes: Notes) -> Iterator[bytes]:
    """Yields the whole file as UTF-8 in chunks of about CHUNK bytes; remarks on it go to `notes`.

    Bytes that are not valid in `encoding` stay invalid in the result, so that each row is judged by
    itself. Raises Damaged after the last bytes that can be read, OSError if there are none.
    """
    place = Location.locate(path)
    with place.filesystem.open_input_stream(place.path, compression=None) as stream:
        chunks = _with_head(iter(lambda: stream.read(CHUNK), b""))
        head = next(chunks)
        source = _Portions(chunks, CHUNK)
        chunks = source
        if head.startswith(GZIP):
            source.width = FEED
            chunks = _with_head(gunzip(source, CHUNK, notes))
            head = next(chunks)
        elif _ZSTD.match(head):
            source.width = _ZSTD_FEED
            chunks = _with_head(_unzstd(source))
            head = next(chunks)
        elif head and compression != "none":
            notes.append(("not_compressed", f"named as {compression}, holds plain text; read so"))
        _refuse(head)
        try:
            yield from _as_utf8(chunks, head, encoding, notes)
        except Damaged as damage:
            damage.taken = source.taken + (source.given if damage.cut else 0)
            raise


class _Portions(Iterator[bytes]):
    """A file in portions of at most `width` bytes.

    `taken` is the number of bytes of all portions before the last one, which has `given` bytes.
    """

    def __init__(self, chunks: Iterator[bytes], width: int) -> None:
        self.width, self.taken, self.given = width, 0, 0
        self._chunks, self._held, self._at = chunks, b"", 0

    def __next__(self) -> bytes:
        while self._at >= len(self._held):
            self._held, self._at = next(self._chunks), 0
        portion = self._held[self._at : self._at + self.width]
        self._at += len(portion)
        self.taken, self.given = self.taken + self.given, len(portion)
        return portion


def byte_chunks(path: str, start: int) -> Iterator[bytes]:
    """Yields the unchanged bytes of the file from byte `start` on."""
    place = Location.locate(path)
    with place.filesystem.open_input_file(place.path) as file:
        file.seek(start)
        yield from iter(lambda: file.read(CHUNK), b"")


def _with_head(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the first 16 bytes, or fewer, as a preview; then everything, including these."""
    held = b""
    damage: Damaged | None = None
    source = iter(chunks)
    try:
        for chunk in source:
            held += chunk
            if len(held) >= 16:
                break
    except Damaged as error:
        damage = error
    yield held[:16]
    yield held
    if damage is not None:
        raise damage
    yield from source


def _refuse(head: bytes) -> None:
    for magic, kind in _UNREAD.items():
        if re.match(magic, head):
            raise OSError(
                f"the bytes are {kind}, which is not read under this format; recompress with "
                f"gzip or zstd, or set format to what the file is"
            )


def _as_utf8(chunks: Iterator[bytes], head: bytes, encoding: str, notes: Notes) -> Iterator[bytes]:
    mark = next((name for bytes_, name in _MARKS if head.startswith(bytes_)), None)
    if mark is not None:
        if codecs.lookup(mark).name not in codecs.lookup(encoding).name:
            notes.append(("encoding", f"read as {mark} by its byte-order mark, not as {encoding}"))
        yield from _transcode(chunks, mark)
    elif head.startswith(codecs.BOM_UTF8):
        first = next(chunks)
        yield first[len(codecs.BOM_UTF8) :]
        yield from chunks
    elif is_utf8(encoding):
        yield from chunks
    else:
        yield from _transcode(chunks, encoding)


def _transcode(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # Bad input becomes lone surrogates, whose UTF-8 is invalid, so every row is judged by itself.
    errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise Damaged("invalid_encoding", f"not {encoding} from here on: {error}") from error
    try:
        yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        detail = f"the file ends inside a character of {encoding}: {error}"
        raise Damaged("invalid_encoding", detail, True) from error


def _unzstd(portions: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    frame = None
    for data in portions:
        while data:
            frame = frame or decompressor.decompressobj()
            try:
                out = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise Damaged("corrupt_zstd", f"cannot be read further: {error}") from error
            if out:
                yield out
            data, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise Damaged("truncated_zstd", "the file ends inside a frame; fetch it again", True)


def pieces(
    chunks: Iterable[bytes], separator: bytes, limit: int, offset: int = 0
) -> Iterator[Piece]:
    """Cuts a stream at `separator`, which is left out; an empty last piece is dropped.

    Offsets count from `offset`. Damaged is passed on with `rest`, the start of the unfinished
    piece, and the `size` of everything before the damage.
    """
    held: list[bytes] = []  # the unfinished piece; only its head once size is above the limit
    seam = b""  # its last bytes, which may begin a separator
    size = 0
    tail = len(separator) - 1
    try:
        for chunk in chunks:
            joined = seam + chunk
            if separator not in joined:
                size += len(chunk)
                held.append(chunk)
                if size - tail > limit:
                    held = [b"".join(held)[:_HEAD]]
                seam = joined[-tail:] if tail else b""
                continue
            if size - tail > limit:  # so it is too long even without a separator's part
                first, *others = joined.split(separator)
                size += len(first) - len(seam)
                yield Piece(offset, b"".join(held)[: min(_HEAD, size)], size)
            else:
                first, *others = b"".join([*held, chunk]).split(separator)
                size = len(first)
                yield _piece(offset, first, limit)
            offset += size + len(separator)
            last = others.pop()
            for data in others:
                yield _piece(offset, data, limit)
                offset += len(data) + len(separator)
            held, size, seam = [last], len(last), last[-tail:] if tail else b""
    except Damaged as damage:
        damage.rest, damage.size = b"".join(held)[:_HEAD], offset + size
        raise
    if size:
        data = b"".join(held)
        yield Piece(offset, data if size <= limit else data[:_HEAD], size)


def _piece(offset: int, data: bytes, limit: int) -> Piece:
    return Piece(offset, data if len(data) <= limit else data[:_HEAD], len(data))
