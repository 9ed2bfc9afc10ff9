"""The rows that readers yield, and problems in the words of the rejects table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Action = Literal["rejected", "repaired", "noted"]


# Remarks about a file, (reason, detail), that its reader collects and ingest writes as `noted`.
Notes = list[tuple[str, str]]


class Damaged(Exception):
    """Raised when the rest of a file cannot be read; what came before it has been read.

    `rest` is the beginning of the row that was cut off, and `position` its place; `size` is the
    number of bytes of text before the damage, `taken` the number of the file's bytes before it, and
    `total` the number of rows that there should be, None if unknown. `cut` says that the file just
    ends, so that nothing records how much it had.
    """

    def __init__(self, reason: str, detail: str, cut: bool = False) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.rest, self.position = reason, detail, b"", ""
        self.cut = cut
        self.size: int | None = None
        self.taken: int | None = None
        self.total: int | None = None


class SourceRow(NamedTuple):
    """One source row. `repairs` are (reason, detail) pairs the reader had to make."""

    position: str
    values: Mapping[str, Any]
    repairs: tuple[tuple[str, str], ...] = ()


class Issue(NamedTuple):
    """One row of the rejects table, its fields in the order of `schema.REJECT_FIELDS[1:]`.

    `rejected` stands for exactly one source row, or for the rest of a file that cannot be read, and
    only the latter has `unread_bytes`; `repaired` comes with a row that was kept; `noted` is about
    a file.
    """

    file: str
    position: str
    action: Action
    reason: str
    detail: str
    excerpt: str = ""
    unread_bytes: int | None = None
    lost_rows: int | None = None


def excerpt(value: str | bytes, limit: int = 80) -> str:
    """Returns the start of `value` in at most `limit` characters, all of them printable."""
    if isinstance(value, bytes):
        value = value[: 4 * limit].decode("utf-8", "backslashreplace")
    start = value[:limit]
    if start.isprintable():
        return start
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in start
    )[:limit]
