"""The place of a value on an axis, in percent of its length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_INSET = 2.0  # percent kept free at both ends, for whole marks
_MOST_TICKS = 7


@dataclass(frozen=True)
class Tick:
    at: str
    label: str


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; a value beyond stands at its end."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> str:
        return f"{self.place(value):.2f}%"

    def between(self, low: float, high: float) -> str:
        """Returns the length from low to high."""
        return f"{max(self.place(high) - self.place(low), 0.0):.2f}%"

    def place(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        part = (
            math.log(inside / self.low) / math.log(self.high / self.low)
            if self.log
            else (inside - self.low) / (self.high - self.low)
        )
        return _INSET + (100 - 2 * _INSET) * part

    def ticks(self, sign: str = "") -> list[Tick]:
        values = _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)
        return [Tick(self.at(value), f"{value:,.10g}{sign}") for value in values]


def ratios(values: Iterable[float], least: float = 0.3, most: float = 3.0) -> Scale:
    """Returns a log axis that holds the positive ones of these ratios, and at least `least` to
    `most`."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    low = min([least, *(max(value, 0.01) for value in known)])
    high = max([most, *(min(value, 1e4) for value in known)])
    return Scale(low / 1.15, high * 1.15, log=True)


def counts(values: Iterable[float]) -> Scale:
    """Returns a log axis of documents that holds the positive ones of these, and at least 16 to
    100."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min([16.0, *known]), max([100.0, *(min(value, 1e9) for value in known)])
    return Scale(max(low, 1.0) / 1.25, high * 1.25, log=True)


def linear(values: Iterable[float], *, zero: bool = False) -> Scale:
    """Returns an axis that holds these values with a margin, and zero if asked."""
    known = [value for value in values if math.isfinite(value)]
    known += [0.0] if zero or not known else []
    low, high = min(known), max(known)
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.06
    return Scale(low if zero and low == 0 else low - margin, high + margin)


def _log_ticks(low: float, high: float) -> list[float]:
    """Returns the finest ticks that are not too many; steps finer than 1, 2, 5 only if those are
    few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(found) <= _MOST_TICKS:
            break
    if len(found) > 2:
        return found
    fine = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0)
    return [s * 10.0**d for d in decades for s in fine if low <= s * 10.0**d <= high]


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(s * unit for s in (1, 2, 5, 10) if s * unit >= raw)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]
