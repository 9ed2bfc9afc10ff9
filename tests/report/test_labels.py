"""Names on a map: none over another, none over a number, none outside."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dftspark.lenses.embeddings.labels import RADIUS, SIZE, Placed, placed, width

SIDE = 48.0


def boxes(found: list[Placed]) -> list[tuple[float, float, float, float]]:
    """Of the numbers, then of the names."""
    out = [(p.x - RADIUS, p.y - RADIUS, p.x + RADIUS, p.y + RADIUS) for p in found]
    for p in found:
        if p.name:
            half = width(p.name) / 2
            x, y = p.name_x, p.name_y
            out.append((x - half, y - SIZE / 2, x + half, y + SIZE / 2))
    return out


def overlapping(found: list[tuple[float, float, float, float]]) -> int:
    return sum(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        for a, b in itertools.combinations(found, 2)
    )


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0, 20.0])
def test_nothing_overlaps_and_nothing_is_cut(spread: float) -> None:
    rng = np.random.default_rng(int(spread))
    points = np.clip(rng.normal(24, spread, (8, 2)), 0.5, SIDE - 0.5)
    names = ["tense", "teacher", "learners", "automotive", "WWWWWWWW", "自転車", "a", "cattle"]
    found = placed([(x, y, name) for (x, y), name in zip(points, names, strict=True)], SIDE)
    drawn = boxes(found)
    assert overlapping(drawn) == 0
    assert min(edge for box in drawn for edge in box) >= 0
    assert max(edge for box in drawn for edge in box) <= SIDE
    assert sum(bool(p.name) for p in found) >= 6, "most keep their name"


def test_a_free_point_stays_with_its_name_below() -> None:
    (found,) = placed([(20.0, 20.0, "free")], SIDE)
    assert (found.x, found.y, found.name, found.name_x) == (20.0, 20.0, "free", 20.0)
    assert RADIUS < found.name_y - 20.0 < 3


def test_a_name_without_a_place_is_left_out() -> None:
    (found,) = placed([(20.0, 20.0, "W" * 60)], SIDE)
    assert found.name == ""
    assert math.isnan(found.name_x)


def test_two_at_one_place_stand_apart() -> None:
    first, second = placed([(24.0, 24.0, ""), (24.0, 24.0, "")], SIDE)
    assert (first.x, first.y) == (24.0, 24.0)
    assert math.dist((first.x, first.y), (second.x, second.y)) >= 2 * RADIUS
