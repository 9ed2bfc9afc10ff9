"""The ban list: what is on it, in which form, and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dftspark import ban_list


def row(text: str, human: int, model: int, q: float = 0.001, docs: int = 50) -> dict[str, Any]:
    tokens = text.split()
    return {
        "text": text,
        "tokens": tokens,
        "n": len(tokens),
        "count_human": human,
        "count_model": model,
        "docs_human": human,
        "docs_model": docs,
        "per_million_human": 2.0 * human,
        "per_million_model": 1.0 * model,
        "log_odds": 1.0,
        "z": 9.0,
        "q_value": q,
    }


LIMITS: dict[str, Any] = {"least_ratio": 3.0, "q_value": 0.01, "documents": 10}


def phrases(*rows: dict[str, Any]) -> list[str]:
    return [entry["phrase"] for entry in ban_list.overused(rows, **LIMITS)]


def test_what_is_overused_is_listed_most_first() -> None:
    assert phrases(row("delve", 1, 90), row("tapestry", 1, 900), row("the", 500, 1000)) == [
        "tapestry",
        "delve",
    ]


@pytest.mark.parametrize(
    "other",
    [
        row("rare", 0, 90, docs=3),
        row("chance", 1, 90, q=0.2),
        row("unknown", 1, 90, q=float("nan")),
        row("* *", 0, 900),
        row("a\x1b[31m", 0, 900),
        row("less", 900, 90),
    ],
)
def test_what_is_not_listed(other: dict[str, Any]) -> None:
    assert phrases(other) == []


def test_the_rest_of_the_table_is_no_phrase() -> None:
    assert phrases({**row("x", 0, 9), "text": None}) == []


def test_a_part_of_a_longer_phrase_is_left_to_it() -> None:
    rows = row("testament to the", 0, 95), row("testament to", 0, 100), row("testament", 0, 200)
    assert phrases(*rows) == ["testament", "testament to the"]


def test_ratio_adds_half_an_occurrence() -> None:
    (entry,) = ban_list.overused([row("delve", 4, 90)], **LIMITS)
    assert entry["ratio"] == pytest.approx(90.5 * 1 / (4.5 * 2))
    (entry,) = ban_list.overused([row("delve", 0, 90)], **LIMITS)
    assert entry["ratio"] == pytest.approx(90.5 / 0.5)


def test_forms() -> None:
    entries = ban_list.overused([row("delve", 1, 90), row("a “b”", 0, 900)], **LIMITS)
    assert json.loads(ban_list.written(entries, "strings")) == ["a “b”", "delve"]
    slop = json.loads(ban_list.written(entries, "antislop"))
    assert slop[0] == ["a “b”", ban_list.LEAST_FACTOR]
    assert slop[1][1] == pytest.approx(1 / (90.5 / 3))
    assert ban_list.written(entries, "lines") == "a “b”\ndelve\n"
    full = json.loads(ban_list.written(entries, "statistics"))
    assert full[1]["count_model"] == 90
    assert full[1]["q_value"] == 0.001
    assert json.loads(ban_list.written([], "antislop")) == []
