"""Sentences on files of a run that could not be read to their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dftspark.report.words.text import visible

_ONE_BY_ONE = 3

Losses = dict[str, dict[str, int]]


def of(corpora: Iterable[dict[str, Any]]) -> Losses:
    """Returns the manifest's `losses`: files, unread bytes and lost rows of each corpus that lost
    any, from rows of the table corpora."""
    return {
        row["corpus"]: {
            "files": row["damaged"],
            "unread_bytes": row["unread_bytes"],
            "lost": row["lost"],
        }
        for row in corpora
        if row.get("damaged")
    }


def in_short(found: Losses) -> str:
    """Returns a few words for the headline; empty without damaged files."""
    files, lost = (sum(each[name] for each in found.values()) for name in ("files", "lost"))
    return f"{_files(files)} damaged, about {_rows(lost)} lost" if files else ""


def sentences(found: Losses) -> list[str]:
    """Returns one sentence per corpus, those that lost most first, and one for all the rest."""
    corpora = sorted(found.items(), key=lambda item: (-item[1]["lost"], item[0]))
    said = [_sentence(visible(name, 80), each) for name, each in corpora[:_ONE_BY_ONE]]
    rest = dict(corpora[_ONE_BY_ONE:])
    return [*said, f"In {len(rest)} more corpora: {in_short(rest)}."] if rest else said


def _sentence(name: str, each: dict[str, int]) -> str:
    return (
        f"{_files(each['files'])} of {name} could not be read to the end: about "
        f"{_rows(each['lost'])} are lost ({each['unread_bytes']:,} bytes unread). The table "
        f"rejects names them."
    )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
