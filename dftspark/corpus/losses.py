"""How much is lost with files that cannot be read to their end, in rows.

What is lost with a damaged file is on record as one reject. It weighs as many rows as it held:
Parquet says how many; elsewhere the bytes that were not read stand for as many rows as bytes that
were. How much a cut file had is nowhere in it: it is taken for as large as the whole files are on
average, and at least for twice what is left of it.
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

    files      how many
    unread     their bytes that were not read
    known      rows lost with those of which it can be told
    cut        how many of them are cut, `cut_rows` the rows that were read of these
    blank      bytes of those of which nothing was read
    """

    files: int = 0
    unread: int = 0
    known: int = 0
    cut: int = 0
    cut_rows: int = 0
    blank: int = 0

    def lost(self, listed: Listed, rows: int) -> int:
        """Rows lost, estimated; `rows` are those that were read of all files of the corpus."""
        if not self.files:
            return 0
        read = listed.bytes - self.unread
        blank = self.blank * rows / read if read > 0 else 0.0
        whole = listed.files - self.files
        mean = (rows - self.cut_rows) / whole if whole > 0 else 0.0
        cut = max(self.cut * mean - self.cut_rows, self.cut_rows, self.cut) if self.cut else 0
        return self.known + math.ceil(blank) + math.ceil(cut)


def share_lost(rows: int, unread: int, taken: int | None) -> int:
    """Rows of `unread` bytes, where `taken` bytes had `rows`; unknown bytes count as half."""
    return rows if not taken else math.ceil(rows * unread / taken)
