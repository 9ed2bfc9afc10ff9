"""Phrases and constructions that came, went or moved between two runs.

Each run lists those by which it tells the model from human text. One that only the second lists has
come, one that only the first lists has gone: it may still be there, but no more than chance gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dftspark.report.words.lenses import lenses
from dftspark.report.words.shown import Shown, Telltale
from dftspark.store.run import Run

Move = Literal["came", "went", "more", "less", "same"]


@dataclass(frozen=True)
class PhraseDiff:
    """A phrase or construction in two runs, None where it is not told apart; `move` is `more` or
    `less` where the intervals of both factors are apart."""

    first: Telltale | None
    second: Telltale | None

    @property
    def told(self) -> Telltale:
        """The newer of the two."""
        known = self.second or self.first
        assert known is not None
        return known

    @property
    def move(self) -> Move:
        if self.first is None:
            return "came"
        if self.second is None:
            return "went"
        if self.second.low > self.first.high:
            return "more"
        return "less" if self.second.high < self.first.low else "same"

    @property
    def over(self) -> bool:
        """Whether the model has more of it than human text."""
        return factor(self.told) > 1


def factor(told: Telltale) -> float:
    """Returns the model's rate over the human one; inf or nan where that is 0."""
    if told.human > 0:
        return told.model / told.human
    return math.inf if told.model > 0 else math.nan


def phrase_diff(first: Run, second: Run, old: str, new: str) -> list[PhraseDiff]:
    """Returns what either run tells the model by, in the order of the second, then of the first;
    `old` and `new` name the model there. A lens whose tables only one of the runs has is left
    out."""
    both = [lens for lens in lenses() if _kept(lens, first) == _kept(lens, second)]
    before, after = _of(both, first, old), _of(both, second, new)
    return [PhraseDiff(before.get(key), after.get(key)) for key in dict.fromkeys([*after, *before])]


def _kept(lens: Shown, run: Run) -> set[str]:
    return lens.tables.keys() & set(run.tables)


def _of(shown: Sequence[Shown], run: Run, model: str) -> dict[tuple[str, str], Telltale]:
    known: dict[tuple[str, str], Telltale] = {}
    for told in (told for lens in shown for told in lens.telltales(run, model, "")):
        known.setdefault((told.kind, told.text), told)
    return known
