"""Makes untrusted text and bare numbers fit to be read on a terminal."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache

MISSING = "-"
FORMULA = re.compile(r"\s*[=+\-@]")  # beginnings that a spreadsheet takes for a formula
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_LONGEST = 200


def visible(text: str, longest: int = _LONGEST) -> str:
    """Writes the text in one line, and escapes everything that a reader would not see or would
    misread.

    Control, direction, zero-width, private and unassigned characters become \\x1b or \\u202e,
    white space other than single inner blanks becomes a sign or an escape, and a combining mark
    never stands first. Longer text ends in an ellipsis.
    """
    cut = text[:longest]
    plain = cut.isascii() and cut.isprintable() and "\\" not in cut
    body = cut if plain else "".join(map(_shown, cut))
    if body and unicodedata.combining(cut[0]):
        body = "\u25cc" + body
    inner = body.strip(" ")
    left = len(body) - len(body.lstrip(" "))
    marked = "\u2423" * left + inner + "\u2423" * (len(body) - len(inner) - left)
    while "  " in marked:
        marked = marked.replace("  ", "\u2423\u2423")
    return marked + ("\u2026" if len(text) > longest else "")


def visible_lines(text: str) -> str:
    """Escapes like `visible`, but keeps line breaks and indentation: for messages."""
    return "\n".join(
        "".join(_shown(c) if c != "\\" else c for c in line) for line in text.split("\n")
    )


@lru_cache(4096)
def _shown(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char == " " or unicodedata.category(char)[0] in "LMNPS":
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def real(value: float | None) -> float:
    return math.nan if value is None else float(value)


def number(value: float | None, digits: int = 3) -> str:
    """Writes significant digits, without an exponent if that is short: 0.0213, 1,234, 2.1e-05."""
    if value is None or math.isnan(value):
        return MISSING
    if value == 0 or math.isinf(value):
        return f"{value:.0f}"
    if abs(value) < 10.0**-4:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded if places > 0 else value:,.{max(places, 0)}f}"


def ratio(value: float | None) -> str:
    """Writes 0.31x, 3.1x, 31x, 1,234x."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf"
    return f"{number(value, 2)}x" if value < 10 else f"{value:,.0f}x"


def count(value: float | None) -> str:
    """Writes 12, 12,345, 3.1 M, 31 G."""
    if value is None or math.isnan(value):
        return MISSING
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{number(value / size, 2)} {letter}"
    return f"{value:,.0f}"
