"""Bounds how many rows of a Parquet file are decoded at a time, by the size they decode to.

The footer gives the decompressed size of a column chunk, which does not bound the size of its rows:
a value that is in the dictionary once may occur in every row. A page is decompressed as a whole, so
one page of a few hundred bytes may ask for gigabytes.

Cost: a page, and BATCH_BYTES of rows both in Arrow and in Python; pages are examined only if a
chunk is above 1 GiB or beyond the ratio that text compresses to. Source: parquet.thrift of the
Parquet format, the page header in Thrift's compact protocol.
"""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from dftspark.corpus.rows import Damaged

BATCH_BYTES = 64 << 20  # of decoded rows
_MOST_ROWS = 64  # a batch costs as much as reading one row
_LARGE = 16 << 20  # a value that is not expected where nothing but a whole chunk bounds it
_SMALL = 2 << 20  # a chunk whose pages need not be looked at
_PACKED = 200  # times smaller in the file, which is beyond what text compresses to
_LARGEST_PACKED = 64 << 20  # a page that is
_LARGEST_PAGE = 1 << 30  # writers put a thousand rows into a page, however long they are
_STRINGS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_HEADER = 16 << 10  # with the smallest and the largest value of a page


def batch_rows(file: Any, group: pq.RowGroupMetaData, columns: list[str], limit: int) -> int:
    """Returns how many rows of the group to decode at a time, about BATCH_BYTES at most.

    `limit` is the size of the largest document. Raises Damaged for a page of more than 1 GiB, and
    for one of more than 64 MiB and four documents that is 200 times as large as in the file.
    """
    largest = 0
    for i in range(group.num_columns):
        chunk = group.column(i)
        path = chunk.path_in_schema
        whole = path if path in columns else path.partition(".")[0]  # of a struct or a list
        if whole not in columns or chunk.physical_type not in _STRINGS:
            continue
        packed = max(_LARGEST_PACKED, 4 * limit)
        if _is_large(chunk.total_uncompressed_size, chunk.total_compressed_size, packed):
            _refuse(file, chunk, packed)
        values = -(-chunk.num_values // max(1, group.num_rows))  # of a row: a list has several
        largest += _largest_value(file, chunk) * max(1, values)
    return max(1, min(_MOST_ROWS, BATCH_BYTES // max(1, largest)))


def _is_large(size: int, stored: int, packed: int) -> bool:
    return size > _LARGEST_PAGE or (size > packed and size > _PACKED * stored)


def _largest_value(file: Any, chunk: pq.ColumnChunkMetaData) -> int:
    """Returns a number of bytes that no value of the chunk is expected to exceed."""
    size = int(chunk.total_uncompressed_size)
    if size <= _SMALL or "DELTA_BYTE_ARRAY" in chunk.encodings:  # which repeats beginnings
        return size
    if not chunk.has_dictionary_page:
        return min(size, _LARGE)
    dictionary, _, _ = _page(file, chunk.dictionary_page_offset)
    return max(min(size, _LARGE), dictionary)


def _refuse(file: Any, chunk: pq.ColumnChunkMetaData, packed: int) -> None:
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        at = min(at, chunk.dictionary_page_offset)
    end = at + chunk.total_compressed_size
    while at < end:
        size, stored, header = _page(file, at)
        if _is_large(size, stored, packed):
            raise Damaged(
                "page_too_large",
                f"a page of {chunk.path_in_schema} has {stored:,} bytes in the file and {size:,} "
                f"when it is decompressed; write it with smaller pages, as with "
                f"write_batch_size = 16 of pyarrow",
            )
        at += header + stored


def _page(file: Any, at: int) -> tuple[int, int, int]:
    """Returns the bytes of the page at `at` decompressed and in the file, and the bytes of its
    header."""
    header = _Compact(file.read_at(_HEADER, at))
    fields = header.struct()
    try:
        size, stored = fields[2], fields[3]
    except KeyError:
        raise OSError(f"no page header at byte {at}") from None
    if size < 0 or stored < 0:
        raise OSError(f"a page of {size} bytes at byte {at}")
    return size, stored, header.at


class _Compact:
    """Thrift's compact protocol, as far as page headers need it: integers are kept, the rest
    skipped."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, int]:
        """Returns the integers of a struct by the numbers of their fields."""
        found: dict[int, int] = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._integer()
            if kind in (4, 5, 6):
                found[number] = self._integer()
            else:
                self._skip(kind, depth)
        return found

    def _skip(self, kind: int, depth: int) -> None:
        if kind == 3:
            self.at += 1
        elif kind == 8:  # bytes, as in statistics
            length = self._varint()
            self.at += length
        elif kind == 12 and depth < 8:
            self.struct(depth + 1)
        elif kind not in (1, 2):
            raise OSError(f"no page header: a field of kind {kind}")

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise OSError(f"a page header of more than {len(self.data)} bytes")
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise OSError("no page header: an integer without an end")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
