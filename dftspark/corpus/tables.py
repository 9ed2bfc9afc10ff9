"""CSV: rows under named columns.

Cost: one record at a time.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.clean import decode
from dftspark.corpus.files import Split
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.readers import LINE_PER_DOCUMENT, lines, too_long, undecodable
from dftspark.corpus.rows import Damaged, Issue, Notes, Row, excerpt
from dftspark.corpus.streams import is_utf8


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
