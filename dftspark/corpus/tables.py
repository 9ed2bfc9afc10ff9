"""CSV: rows under named columns.

Cost: one record at a time, and the lines of one that cannot be read, which are read again.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.clean import decode
from dftspark.corpus.files import Split
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.readers import LINE_PER_DOCUMENT, lines, too_long, undecodable
from dftspark.corpus.rows import Damaged, Issue, Notes, SourceRow, excerpt
from dftspark.corpus.streams import Piece, is_utf8

# A field as csv.reader takes it: quoted, or anything up to the next comma.
_FIELD = re.compile(rb'(?:^|,)(?:"(?:[^"]|"")*+"?|[^,]*+)')
_WELL_FORMED = re.compile(r'(?:"(?:[^"]|"")*+"|[^",]*+)(?:,(?:"(?:[^"]|"")*+"|[^",]*+))*+\s*')
_MOST_FIELDS = 1_000_000
_READ_AGAIN = 8  # times what was read: the limit for lines that may open a record again


def read_csv(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields one record per row; the first names the columns. Empty is null, but not in the text.

    If a record cannot be read, for example because its quote is not closed, its first line is an
    Issue, and so is each line after it up to the next line that is by itself a record or the
    beginning of one.
    """
    source = _Lines(split, corpus, cleaning, notes)
    csv.field_size_limit(cleaning.max_document_bytes)  # for the process: csv has no other way
    reader = csv.reader(source, strict=True)
    header: list[str] | None = None
    while True:
        yield from source.skip(len(header or ()))
        source.begin()
        found: Issue | None = None
        record: list[str] | None = None
        try:
            record = next(reader, None)
        except _TooLong as error:
            found = error.args[0]
        except csv.Error as error:
            reason = "field_too_long" if "limit" in str(error) else "invalid_csv"
            found = source.issue(reason, f"{error}, in {source.extent}")
        if found is not None and header is None:  # or the first row would pass for the header
            raise Damaged("csv_header", f"the header cannot be read: {found.detail}")
        if found is not None:
            yield found
            source.go_back()
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
            yield SourceRow(source.position, values, tuple(source.repairs))


def _header(record: list[str], source: _Lines, corpus: Corpus) -> list[str]:
    if source.problem is not None:
        raise Damaged("csv_header", f"the header cannot be read: {source.problem[1]}")
    twice = sorted(n for n in Mapping.of(corpus).sources if record.count(n) > 1)
    if twice:
        raise Damaged("csv_header", f"the header names {twice} more than once; rename one")
    return record


class _TooLong(ValueError):
    """Raised for a line or a record beyond the limit, with its Issue."""


class _Lines:
    """Lines for csv.reader, which keeps the lines and the problems of the record being read."""

    def __init__(self, split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes) -> None:
        self._split = split
        self._limit = cleaning.max_document_bytes * LINE_PER_DOCUMENT
        self._encoding = "utf-8" if is_utf8(corpus.encoding) else corpus.encoding
        self._lines = (line for _, line in lines(split, corpus.encoding, self._limit, notes))
        self._again: deque[Piece] = deque()  # lines that were read as part of a broken record
        self._broken = 0  # line of the broken record to which reading went back
        self._number = self._read = self._read_again = 0
        self.begin()

    def begin(self) -> None:
        """Begins a record with the next line."""
        self._first, self._start, self._size = self._number + 1, "", 0
        self._record: list[Piece] = []
        self.problem: tuple[str, str] | None = None
        self.repairs: list[tuple[str, str]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._take()
        self._record.append(line)
        self._size += line.size
        self._check_size(line)
        try:
            text, repairs = decode(line.data, self._encoding)
            self.repairs += repairs
        except UnicodeDecodeError as error:
            self.problem = undecodable(error, self._encoding)
            text = line.data.decode("utf-8", "replace")
        self._start = self._start or text[:80]
        return text + "\n"

    def go_back(self) -> None:
        """Goes back to read the lines after the first of the broken record again."""
        self._broken, rest = self._first, self._record[1:]
        self._again.extendleft(reversed(rest))
        self._number -= len(rest)
        self._read_again += sum(line.size for line in rest)

    def skip(self, fields: int) -> Iterator[Issue]:
        """Skips to the first line to be read again that can be read; yields an Issue for each
        before it.

        If lines were read again so often that it costs more than reading the file, only lines that
        are records by themselves qualify.
        """
        alone = self._read_again > _READ_AGAIN * self._read + self._limit
        while self._broken and self._again:
            if _is_record(self._again[0], fields, alone):
                self._broken = self._broken if alone else 0
                return
            self.begin()
            line = self._take()
            if line.size > self._limit:
                yield too_long(self._split, self.position, line, self._limit)
                continue
            detail = f"no record by itself, after the broken one in line {self._broken}"
            self._start = line.data[:320].decode("utf-8", "replace")
            yield self.issue("invalid_csv", detail)

    def _take(self) -> Piece:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._lines)
            self._read += line.size
        self._number += 1
        return line

    def _check_size(self, line: Piece) -> None:
        if line.size > self._limit:
            self._start = line.data[:320].decode("utf-8", "replace")
            raise _TooLong(too_long(self._split, self.position, line, self._limit))
        if self._size > self._limit:
            detail = f"over {self._limit:,} bytes in {self.extent}, in a record of many lines"
            raise _TooLong(self.issue("record_too_long", detail))
        if line.data.count(b",") > _MOST_FIELDS:
            # A line that is not the first of its record continues inside quotes.
            data = line.data if len(self._record) == 1 else b'"' + line.data
            fields = sum(1 for _ in islice(_FIELD.finditer(data), _MOST_FIELDS + 1))
            if fields > _MOST_FIELDS:
                detail = f"over {_MOST_FIELDS:,} fields in line {self._number}"
                raise _TooLong(self.issue("csv_fields", detail))

    @property
    def position(self) -> str:
        return f"line {self._first}"

    @property
    def extent(self) -> str:
        one = self._first >= self._number
        return f"line {self._first}" if one else f"lines {self._first} to {self._number}"

    def issue(self, reason: str, detail: str) -> Issue:
        return Issue(
            self._split.path, self.position, "rejected", reason, detail, excerpt(self._start)
        )


def _is_record(line: Piece, fields: int, alone: bool) -> bool:
    """Returns whether the line is a record of so many fields or, unless it has to stand `alone`,
    begins one whose last field is left open."""
    if len(line.data) < line.size or not line.data.strip():
        return False
    text = line.data.decode("utf-8", "replace")
    for whole, least in ((text, fields), *([] if alone else [(f'{text}"', 1)])):
        if _WELL_FORMED.fullmatch(whole):
            with suppress(csv.Error):  # a field beyond the limit
                return least <= len(next(csv.reader([whole]))) <= fields
    return False
