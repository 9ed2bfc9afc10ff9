"""Streams JSON lines and plain text: one row per line, per file, or per text between separators.

Cost: one chunk and one line or document at a time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.clean import decode
from dftspark.corpus.files import Split
from dftspark.corpus.rows import Damaged, Issue, Notes, SourceRow, excerpt
from dftspark.corpus.streams import Piece, byte_chunks, is_utf8, pieces, utf8_chunks

# JSON may write one byte as six (\u0041), keys and other columns come on top.
LINE_PER_DOCUMENT = 4


def read_jsonl(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields one object per line. A line that is not an object, or repeats a key, is an Issue."""
    limit = cleaning.max_document_bytes * LINE_PER_DOCUMENT
    encoding = "utf-8" if is_utf8(corpus.encoding) else corpus.encoding
    for position, line in lines(split, corpus.encoding, limit, notes):
        if line.size > limit:
            yield too_long(split, position, line, limit)
            continue
        try:
            values, repairs = _parse(line.data, encoding)
        except _Unusable as error:
            reason, detail = error.args
            yield Issue(split.path, position, "rejected", reason, detail, excerpt(line.data))
        else:
            yield SourceRow(position, values, repairs)


def read_text(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields one document per line, file or separated part, without outer white space."""
    limit = cleaning.max_document_bytes
    encoding = "utf-8" if is_utf8(corpus.encoding) else corpus.encoding
    if corpus.document == "line":
        found = lines(split, corpus.encoding, limit, notes)
    elif corpus.document == "file":
        found = _whole(split, corpus.encoding, limit, notes)
    else:
        found = _separated(split, corpus, limit, notes)
    for position, piece in found:
        if piece.size > limit:
            detail = f"over {limit:,} bytes, cleaning.max_document_bytes"
            yield Issue(
                split.path, position, "rejected", "text_too_long", detail, excerpt(piece.data)
            )
        elif corpus.document == "line" and not piece.data.strip():
            yield Issue(split.path, position, "rejected", "blank_line", "nothing on the line")
        else:
            try:
                text, repairs = decode(piece.data, encoding)
            except UnicodeDecodeError as error:
                reason, detail = undecodable(error, encoding)
                yield Issue(split.path, position, "rejected", reason, detail, excerpt(piece.data))
            else:
                yield SourceRow(position, {corpus.columns.text: text.strip()}, repairs)


def lines(split: Split, encoding: str, limit: int, notes: Notes) -> Iterator[tuple[str, Piece]]:
    """Yields (position, line) of every line that the split owns, without line feeds.

    Positions are line numbers if the split begins the file, otherwise bytes from its beginning.
    """
    cut = split.end >= 0
    if cut:
        found = pieces(byte_chunks(split.path, split.start), b"\n", limit, split.start)
    else:
        found = pieces(utf8_chunks(split.path, split.compression, encoding, notes), b"\n", limit)
    if split.start > 0:
        next(found, None)  # the rest of a line that the range before owns
    number = 0
    try:
        for number, piece in enumerate(found, start=1):
            if cut and piece.offset > split.end:
                return
            if cut and piece.offset == 0 and piece.data.startswith(codecs.BOM_UTF8):
                piece = Piece(0, piece.data[3:], piece.size - 3)
            yield (f"byte {piece.offset}" if split.start else f"line {number}"), piece
    except Damaged as damage:
        damage.position = f"line {number + 1}"
        raise


def too_long(split: Split, position: str, line: Piece, limit: int) -> Issue:
    detail = (
        f"{line.size:,} bytes; a line may have {limit:,}, {LINE_PER_DOCUMENT} x max_document_bytes"
    )
    return Issue(split.path, position, "rejected", "line_too_long", detail, excerpt(line.data))


def undecodable(error: UnicodeDecodeError, encoding: str) -> tuple[str, str]:
    """Returns reason and detail for a row that is not valid in its encoding."""
    if encoding != "utf-8":
        return "invalid_encoding", f"not valid {encoding}; correct encoding"
    return "invalid_utf8", (
        f"byte 0x{error.object[error.start]:02X} at byte {error.start} of the row is not UTF-8; if "
        f'the file has another encoding, set it: encoding = "latin-1"'
    )


_MOST_VALUES = 1_000_000  # on a line of JSON
_BEGINNINGS = (b",", b"[", b"{")
_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_ONE_A_LINE = "; an array of rows is to be written as one object a line"


class _Unusable(ValueError):
    """Raised for a line that is not a row: reason, detail."""


class _KeyTwice(ValueError):
    pass


def _parse(line: bytes, encoding: str) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    if not line.strip():
        raise _Unusable("blank_line", "nothing on the line")
    try:
        text, repairs = decode(line, encoding)
    except UnicodeDecodeError as error:
        raise _Unusable(*undecodable(error, encoding)) from error
    if _values_in(line) > _MOST_VALUES:
        detail = f"over {_MOST_VALUES:,} values on the line; leave out columns that are not text"
        raise _Unusable("too_many_values", detail)
    try:
        try:
            value = _JSON.decode(text)
        except (_KeyTwice, json.JSONDecodeError):
            raise
        except ValueError:  # an integer of thousands of digits
            value = _JSON_LONG_INTEGERS.decode(text)
    except _KeyTwice as error:
        raise _Unusable("duplicate_key", f"the key {excerpt(str(error))!r} comes twice") from error
    except json.JSONDecodeError as error:
        whole = _ONE_A_LINE if text.lstrip().startswith("[") else ""
        raise _Unusable("invalid_json", f"{error.msg} at character {error.pos}{whole}") from error
    except RecursionError as error:
        raise _Unusable("invalid_json", "nested too deeply") from error
    if type(value) is not dict:
        whole = _ONE_A_LINE if type(value) is list else ""
        raise _Unusable("not_an_object", f"the line is {kind_of(value)}, not an object{whole}")
    return value, repairs


def _values_in(line: bytes) -> int:
    """Returns an upper bound of the line's values: two bytes of JSON may become a hundred."""
    if len(line) <= _MOST_VALUES or sum(map(line.count, _BEGINNINGS)) <= _MOST_VALUES:
        return 0
    return sum(map(_JSON_STRING.sub(b"", line).count, _BEGINNINGS))


def kind_of(value: object) -> str:
    """Returns a value's type in the words of JSON."""
    kinds = ((bool, "a boolean"), (int | float, "a number"), (str, "a string"), (list, "an array"))
    if value is None:
        return "null"
    named = next((name for kind, name in kinds if isinstance(value, kind)), None)
    return named or ("an object" if isinstance(value, dict) else f"a {type(value).__name__}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _KeyTwice(key)
            seen.add(key)
    return values


_JSON = json.JSONDecoder(object_pairs_hook=_object)
_JSON_LONG_INTEGERS = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=lambda digits: int(digits) if len(digits) < 4_000 else float(digits),
)


def _whole(split: Split, encoding: str, limit: int, notes: Notes) -> Iterator[tuple[str, Piece]]:
    data = bytearray()
    for chunk in utf8_chunks(split.path, split.compression, encoding, notes):
        data += chunk
        if len(data) > limit:
            break
    if data:
        yield "", Piece(0, bytes(data), len(data))


def _separated(
    split: Split, corpus: Corpus, limit: int, notes: Notes
) -> Iterator[tuple[str, Piece]]:
    """Yields every part except blank ones at the end of the file."""
    separator = corpus.document.replace("\r\n", "\n").encode("utf-8")
    chunks = utf8_chunks(split.path, split.compression, corpus.encoding, notes)
    number, blank = 0, []
    try:
        for number, piece in enumerate(pieces(_unix(chunks), separator, limit), start=1):
            found = f"document {number}", piece
            if not piece.data.strip():
                blank.append(found)
                continue
            yield from blank
            blank.clear()
            yield found
    except Damaged as damage:
        damage.position = f"document {number + 1}"
        raise


def _unix(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the chunks with CRLF as LF, so that a separator matches in either form."""
    held = b""
    for chunk in chunks:
        data = held + chunk
        held = data[-1:] if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    yield held
