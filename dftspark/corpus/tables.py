"""CSV and Parquet: rows under named columns.

Cost: CSV one record at a time; Parquet one batch of about 16 MB at a time.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.clean import decode
from dftspark.corpus.files import Split
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.readers import LINE_PER_DOCUMENT, lines, too_long, undecodable
from dftspark.corpus.rows import Damaged, Issue, Notes, Row, excerpt
from dftspark.corpus.streams import is_utf8
from dftspark.location import Location, redact

_BATCH_ROWS, _BATCH_BYTES = 1_000, 16 << 20


def read_csv(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[Row | Issue]:
    """One record a row, the first names the columns. Empty is null, but in the text column."""
    source = _Lines(split, corpus, cleaning, notes)
    csv.field_size_limit(cleaning.max_document_bytes)  # for the process: csv has no other way
    reader = csv.reader(source, strict=True)
    header: list[str] | None = None
    while True:
        source.begin()
        found: Issue | None = None
        record: list[str] | None = None
        try:
            record = next(reader, None)
        except _TooLong as error:
            found = too_long(split, source.position, error.args[0], source.limit)
        except csv.Error as error:
            reason = "field_too_long" if "limit" in str(error) else "invalid_csv"
            found = source.issue(reason, f"{error}, in {source.extent}")
        if found is not None and header is None:  # or the first row would pass for the header
            raise Damaged("csv_header", f"the header cannot be read: {found.detail}")
        if found is not None:
            yield found
        elif record is None:
            return
        elif not record:
            yield source.issue("blank_line", "nothing on the line")
        elif header is None:
            header = _header(record, source, corpus)
        elif source.problem is not None:
            yield source.issue(*source.problem)
        elif len(record) != len(header):
            detail = f"{len(record)} fields in {source.extent}, {len(header)} in the header"
            yield source.issue("csv_fields", detail)
        else:
            pairs = zip(header, record, strict=True)
            text = corpus.columns.text
            values = {name: value if value or name == text else None for name, value in pairs}
            yield Row(source.position, values, tuple(source.repairs))


def _header(record: list[str], source: _Lines, corpus: Corpus) -> list[str]:
    if source.problem is not None:
        raise Damaged("csv_header", f"the header cannot be read: {source.problem[1]}")
    twice = sorted(n for n in Mapping.of(corpus).sources if record.count(n) > 1)
    if twice:
        raise Damaged("csv_header", f"the header names {twice} more than once; rename one")
    return record


class _TooLong(ValueError):
    """A line beyond the limit."""


class _Lines:
    """Lines for csv.reader, which keeps what was wrong with those of the record being read."""

    def __init__(self, split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes) -> None:
        self.limit = cleaning.max_document_bytes * LINE_PER_DOCUMENT
        self._path = split.path
        self._encoding = "utf-8" if is_utf8(corpus.encoding) else corpus.encoding
        self._lines = lines(split, corpus.encoding, self.limit, notes)
        self._number = 0
        self.begin()

    def begin(self) -> None:
        """A record begins with the next line."""
        self._first, self._start = self._number + 1, ""
        self.problem: tuple[str, str] | None = None
        self.repairs: list[tuple[str, str]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        _, line = next(self._lines)
        self._number += 1
        if line.size > self.limit:
            raise _TooLong(line)
        try:
            text, repairs = decode(line.data, self._encoding)
            self.repairs += repairs
        except UnicodeDecodeError as error:
            self.problem = undecodable(error, self._encoding)
            text = line.data.decode("utf-8", "replace")
        self._start = self._start or text[:80]
        return text + "\n"

    @property
    def position(self) -> str:
        return f"line {self._first}"

    @property
    def extent(self) -> str:
        one = self._first >= self._number
        return f"line {self._first}" if one else f"lines {self._first} to {self._number}"

    def issue(self, reason: str, detail: str) -> Issue:
        return Issue(self._path, self.position, "rejected", reason, detail, excerpt(self._start))


def read_parquet(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[Row | Issue]:
    """The rows of the split's row groups, with the columns that are looked at.

    Raises OSError or ArrowException where the file cannot be opened, Damaged where a row group
    cannot be read.
    """
    mapping = Mapping.of(corpus)
    place = Location.locate(split.path)
    with place.filesystem.open_input_file(place.path) as file:
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        columns = [name for name in names if name in mapping.sources]
        if len(set(columns)) < len(columns):
            raise OSError(f"a column that is looked at comes twice: {sorted(columns)}; rename one")
        metadata = parquet.metadata
        last = split.end if split.end >= 0 else metadata.num_row_groups
        groups = range(split.start, last)
        before, expected = _row_count(metadata, range(split.start)), _row_count(metadata, groups)
        # Where there is no text the reject lists what there is.
        blank = {} if mapping.text in names else dict.fromkeys(names)
        batches = parquet.iter_batches(
            batch_size=_batch_rows(metadata, groups),
            row_groups=list(groups),
            columns=columns,
            use_threads=False,
        )
        number = before
        try:
            for number, record in enumerate(_records(batches), start=before + 1):
                values = dict(zip(columns, record, strict=True))
                yield Row(f"row {number}", {**blank, **values} if blank else values)
        except (OSError, pa.ArrowException) as error:
            damage = Damaged("unreadable_file", excerpt(redact(str(error)), 300))
            damage.position, damage.total = f"row {number + 1}", expected
            raise damage from error


def _records(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        lists = [_values(column) for column in batch.columns]
        yield from zip(*lists, strict=True) if lists else ((),) * batch.num_rows


def _row_count(metadata: pq.FileMetaData, groups: range) -> int:
    return sum(metadata.row_group(i).num_rows for i in groups)


def _batch_rows(metadata: pq.FileMetaData, groups: range) -> int:
    sizes = [metadata.row_group(i).total_byte_size for i in groups]
    rows = _row_count(metadata, groups)
    return int(max(1, min(_BATCH_ROWS, rows * _BATCH_BYTES // max(1, sum(sizes)))))


def _values(column: Any) -> list[Any]:
    """Python values; strings that are not UTF-8 as bytes, narrow floats as people wrote them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        narrow = np.float32 if pa.types.is_float32(kind) else np.float16
        # 0.7 in 32 bits is 0.699999988 in 64; its shortest spelling in 32 bits is what was meant.
        return [v if v is None else float(str(narrow(v))) for v in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
    except (ValueError, OverflowError):  # a date that Python's calendar does not reach
        values = column.cast(pa.string()).to_pylist()
    return values
