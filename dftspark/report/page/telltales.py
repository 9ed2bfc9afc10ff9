"""The phrases and constructions that a page's script searches and opens, as data of the page.

Bounds  ROWS rows, which the caller keeps to, and PLACES bytes of excerpts over all models, of each
        model and kind the first ones
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dftspark.report.page.figure import q_value, typeset
from dftspark.report.words.shown import Telltale
from dftspark.report.words.text import number

ROWS = 5_000
PLACES = 400_000  # bytes


def block(
    models: Sequence[str], found: Sequence[Sequence[Telltale]], show: str, room: int = PLACES
) -> str:
    """Returns JSON that is safe inside a script element: for each row the places of its model, kind
    and unit in their lists, its text, rates, q, meaning and excerpts. An excerpt begins with 0 if
    it is human, else with one more than the place of its model.

    `found` has the telltales of each model; `show` is the command that prints a table of the run;
    excerpts take about `room` bytes.
    """
    kinds, units = _Numbered(), _Numbered()
    places, bytes_left = _Numbered(), room // max(len(models), 1)
    rows: list[list[Any]] = []
    for at, its in enumerate(found):
        left, near = bytes_left, dict[int, list[int]]()
        for turn in _by_turns(its):
            of_row = [
                (0 if p.side == "human" else 1 + at, p.doc_id, p.text) for p in its[turn].places
            ]
            size = sum(
                len(text.encode()) + len(doc_id) + 12
                for side, doc_id, text in set(of_row)
                if not places.has((side, doc_id, text))
            )
            if size <= left:
                left -= size
                near[turn] = [places.of(place) for place in of_row]
        for i, told in enumerate(its):
            rows.append(_row(at, told, kinds, units, near.get(i, [])))
    document = {
        "models": list(models),
        "kinds": kinds.values,
        "units": units.values,
        "show": show,
        "rows": rows,
        "places": places.values,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _by_turns(found: Sequence[Telltale]) -> list[int]:
    """Returns the numbers of the telltales in the order in which they get room: the first of each
    kind, then the second of each."""
    met: Counter[str] = Counter()
    turns = []
    for i, told in enumerate(found):
        turns.append((met[told.kind], i))
        met[told.kind] += 1
    return [i for _, i in sorted(turns)]


def _row(
    at: int, told: Telltale, kinds: _Numbered, units: _Numbered, places: list[int]
) -> list[Any]:
    rates = [typeset(number(rate)) for rate in (told.human, told.model)]
    q = "" if math.isnan(told.q) else q_value(told.q)
    row = [at, kinds.of(told.kind), told.text, *rates, units.of(told.unit), q, told.about, places]
    while row and row[-1] in ("", []):
        row.pop()
    return row


class _Numbered:
    """Values by the place at which each was first named."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def has(self, value: Any) -> bool:
        return value in self._places

    def of(self, value: Any) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]
