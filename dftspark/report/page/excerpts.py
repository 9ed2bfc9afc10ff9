"""Excerpts of documents, cut to the length that a page shows."""

from __future__ import annotations

from dftspark.report.page.figure import EXCERPT
from dftspark.report.words.shown import Excerpt


def excerpt(side: str, text: str | None, doc_id: str | None) -> Excerpt:
    """Makes an excerpt; a text that was cut ends with its last whole word."""
    whole = (text or "").strip()
    if len(text or "") >= EXCERPT:
        cut = whole[: EXCERPT - 1]
        whole = (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "\u2026"
    return Excerpt(side, whole, doc_id or "")
