"""Character classes of every Unicode code point, frozen in a file.

The table is data, not a call to `unicodedata`, because that module's Unicode version comes with
the interpreter: the same text must give the same tokens under every Python.
`python -m dftspark.text.unicode` writes the table again.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = "14.0.0"  # of the Unicode Character Database behind the file; part of fingerprints
PATH = Path(__file__).with_name("unicode.npz")
SPACE, WORD, DIGIT, IDEOGRAPH, SYMBOL, EXTEND, APOSTROPHE, POINT, JOINER = range(9)
_POINTS = 0x110000
# Scripts written without spaces whose characters are tokens of their own.
_IDEOGRAPHS = [
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x3035),
    (0x3038, 0x303B),
    (0x3041, 0x3096),
    (0x309D, 0x309F),
    (0x30A1, 0x30FA),
    (0x30FC, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFD),
]


@cache
def classes() -> NDArray[np.uint8]:
    """Returns the class of each code point, `(0x110000,)`: SPACE ... JOINER."""
    with np.load(PATH, allow_pickle=False) as stored:
        return np.repeat(stored["kind"], stored["length"])


@cache
def lowercase() -> NDArray[np.int32]:
    """Returns each code point's one-to-one lowercase, `(0x110000,)`; itself where there is none."""
    table = np.arange(_POINTS, dtype=np.int32)
    with np.load(PATH, allow_pickle=False) as stored:
        table[stored["upper"]] = stored["lower"]
    return table


def _class_of(point: int) -> int:
    char = chr(point)
    category = unicodedata.category(char)
    if char in "'’ʼ":
        return APOSTROPHE
    if char in ".,":
        return POINT
    if char == "\u200d":
        return JOINER
    if category[0] == "Z" or char in "\t\n\v\f\r\x85" or category == "Cc":
        return SPACE
    if category[0] == "M" or category == "Cf" or 0x1F3FB <= point <= 0x1F3FF:
        return EXTEND
    if any(low <= point <= high for low, high in _IDEOGRAPHS):
        return IDEOGRAPH
    if category == "Nd":
        return DIGIT
    if category[0] in "LN" or category == "Pc":
        return WORD
    return SYMBOL


def _write() -> None:
    if unicodedata.unidata_version != VERSION:
        raise SystemExit(f"needs Unicode {VERSION}, this Python has {unicodedata.unidata_version}")
    kinds = np.array([_class_of(point) for point in range(_POINTS)], np.uint8)
    starts = np.r_[0, np.flatnonzero(np.diff(kinds)) + 1]
    pairs = [(p, ord(low)) for p in range(_POINTS) if len(low := chr(p).lower()) == 1]
    upper, lower = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int32).T
    np.savez_compressed(
        PATH, kind=kinds[starts], length=np.diff(np.r_[starts, _POINTS]), upper=upper, lower=lower
    )


if __name__ == "__main__":
    _write()
