"""Estimates how many rows are lost with files that cannot be read to their end.

A damaged file is recorded as one reject, but weighs as many rows as it held. Parquet states the
number; for other files the unread bytes are taken to have as many rows as bytes that were read.
Nothing records how much a truncated file held: it is taken to be as large as the whole files are on
average, and at least twice as large as what is left of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """The files of a corpus as they were listed."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Damage:
    """The damaged files of a corpus.

    files      number of them
    unread     their bytes that were not read
    known      rows lost with the files for which the number can be told
    cut        how many of them are cut; `cut_rows` is the number of rows read from these
    blank      bytes of the files of which nothing was read
    """

    files: int = 0
    unread: int = 0
    known: int = 0
    cut: int = 0
    cut_rows: int = 0
    blank: int = 0

    def lost(self, listed: Listed, rows: int) -> int:
        """Returns the estimated rows lost; `rows` is the number read from all files of the
        corpus."""
        if not self.files:
            return 0
        read = listed.bytes - self.unread
        blank = self.blank * rows / read if read > 0 else 0.0
        whole = listed.files - self.files
        mean = (rows - self.cut_rows) / whole if whole > 0 else 0.0
        cut = max(self.cut * mean - self.cut_rows, self.cut_rows, self.cut) if self.cut else 0
        return self.known + math.ceil(blank) + math.ceil(cut)


def share_lost(rows: int, unread: int, taken: int | None) -> int:
    """Returns the rows of `unread` bytes if `taken` bytes had `rows`; unknown bytes count as
    half."""
    return rows if not taken else math.ceil(rows * unread / taken)
