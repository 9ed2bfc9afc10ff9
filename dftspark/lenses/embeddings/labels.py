"""Names on a map, none over another: pure geometry in the units of the map.

The placing is greedy, first name first: next to its point where that is free, else a little
farther; a name without a free place is left out, since its number stays.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # left, top, right, bottom

RADIUS = 1.3  # of a numbered point
SIZE = 1.45  # font size of a name
LONGEST = 24  # characters of a name
_GAP = 0.25
_WIDE, _CAPITAL, _PLAIN = 1.1, 0.98, 0.74  # widest bold characters over the font size
_RINGS = (0.0, 1.4, 2.8, 4.6, 6.5, 9.0)
_AROUND = 16


@dataclass(frozen=True)
class Placed:
    """A numbered point, moved off others, and the middle of its name; nan where there is none."""

    x: float
    y: float
    name: str
    name_x: float
    name_y: float


def placed(points: Sequence[tuple[float, float, str]], side: float) -> list[Placed]:
    """Places each `(x, y, name)` inside a square of `side`, in the order given."""
    spots = _apart([(x, y) for x, y, _ in points], side)
    taken = [_around(x, y) for x, y in spots]
    found = []
    for (x, y), (_, _, name) in zip(spots, points, strict=True):
        box = (
            next((b for b in _places(x, y, name) if _free(b, taken, side)), None) if name else None
        )
        if box is not None:
            taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) if box else (math.nan, math.nan)
        found.append(Placed(x, y, name if box else "", *middle))
    return found


def width(name: str) -> float:
    """Bounds the width of a name from above, in units of the map."""
    return SIZE * sum(_sign(char) for char in name)


def _sign(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return _WIDE
    return _CAPITAL if char.isupper() or char in "mwMW@%\u2026" else _PLAIN


def _apart(points: list[tuple[float, float]], side: float) -> list[tuple[float, float]]:
    """Leaves each point where it is, or moves it to the nearest place clear of those before it."""
    found: list[tuple[float, float]] = []
    for x, y in points:
        clear = [_around(*other) for other in found]
        found.append(
            next(((a, b) for a, b in _ways(x, y) if _free(_around(a, b), clear, side)), (x, y))
        )
    return found


def _ways(x: float, y: float) -> Iterator[tuple[float, float]]:
    for ring in range(40):
        for step in range(_AROUND if ring else 1):
            angle = 2 * math.pi * step / _AROUND
            yield x + 0.7 * ring * math.cos(angle), y + 0.7 * ring * math.sin(angle)


def _places(x: float, y: float, name: str) -> Iterator[Box]:
    """Yields places below, above, right and left of the point, then farther away."""
    half, high = width(name) / 2, SIZE * 0.62
    for ring in _RINGS:
        away = RADIUS + 1.2 * _GAP + ring
        for across, down in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            a, b = x + across * (away + half), y + down * (away + high)
            yield a - half, b - high, a + half, b + high


def _around(x: float, y: float) -> Box:
    return x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS


def _free(box: Box, taken: list[Box], side: float) -> bool:
    left, top, right, bottom = box
    inside = left >= 0 and top >= 0 and right <= side and bottom <= side
    return inside and all(
        right + _GAP <= a or c + _GAP <= left or bottom + _GAP <= b or d + _GAP <= top
        for a, b, c, d in taken
    )
