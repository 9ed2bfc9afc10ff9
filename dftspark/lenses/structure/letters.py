"""Properties of a word's letters: its script, its syllables as runs of vowels, whether it is emoji.

`point` is a code point, `data` UTF-8; these are called from compiled loops.
"""

from __future__ import annotations

from typing import Any

import numba


@numba.njit
def script(point: Any) -> Any:
    if point < 0x250 or 0x1E00 <= point < 0x1F00:
        return 0
    if 0x370 <= point < 0x400 or 0x1F00 <= point < 0x2000:
        return 1
    if 0x400 <= point < 0x530:
        return 2
    if 0x590 <= point < 0x600:
        return 3
    if 0x600 <= point < 0x780 or 0x8A0 <= point < 0x900:
        return 4
    if 0x900 <= point < 0xE00:
        return 5
    if 0x1100 <= point < 0x1200 or 0x2E80 <= point < 0xD7B0 or 0xF900 <= point < 0xFB00:
        return 6
    if 0xFF00 <= point < 0xFFF0 or 0x20000 <= point < 0x40000:
        return 6
    return 7


@numba.njit
def syllables(data: Any, start: Any, end: Any) -> Any:
    runs, inside = 0, False
    for i in range(start, end):
        letter = data[i] | 32
        vowel = (
            letter == ord("a")
            or letter == ord("e")
            or letter == ord("i")
            or letter == ord("o")
            or letter == ord("u")
            or letter == ord("y")
        )
        if vowel and not inside:
            runs += 1
        inside = vowel
    if runs > 1 and data[end - 1] | 32 == ord("e") and data[end - 2] | 32 != ord("l"):
        runs -= 1
    return max(runs, 1)


@numba.njit
def is_emoji(point: Any) -> Any:
    return (
        0x1F300 <= point < 0x1FB00
        or 0x2600 <= point < 0x27C0
        or 0x1F1E6 <= point < 0x1F200
        or point == 0x2B50
        or point == 0x2B55
    )
