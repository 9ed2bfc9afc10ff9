"""Which phrases and constructions get room for their excerpts in a page's data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dftspark.report.page import telltales
from dftspark.report.words.shown import Excerpt, Telltale


def told(kind: str, number: int, places: Sequence[Excerpt]) -> Telltale:
    return Telltale(kind, f"{kind} {number}", 1.0, 2.0, "per million", 0.01, "", places)


def opening(found: list[Telltale], room: int) -> list[str]:
    """The names of those whose excerpts are in the block."""
    block = json.loads(telltales.block(["gpt"], [found], "dftspark show RUN", room))
    return [row[2] for row in block["rows"] if len(row) > 8]


def test_each_kind_gets_room_for_its_first_ones() -> None:
    text = "x" * 87
    found = [
        told(kind, n, [Excerpt("human", text, f"{kind[0]}{n}")])
        for kind in ("phrase", "construction")
        for n in range(50)
    ]
    assert opening(found, 404) == ["phrase 0", "phrase 1", "construction 0", "construction 1"]


def test_an_excerpt_that_is_there_takes_no_room() -> None:
    shared = [Excerpt("human", "x" * 87, "d")]
    assert len(opening([told("phrase", n, shared) for n in range(50)], 101)) == 50
    assert opening([told("phrase", 0, shared)], 99) == []
