"""Models beside each other on the first screen: small charts on one axis, one column a lens."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import Scale, counts
from dftspark.report.words import tell
from dftspark.report.words.summary import Summary, summary
from dftspark.report.words.tell import Size
from dftspark.report.words.text import MISSING, visible
from dftspark.report.words.verdict import short, span
from dftspark.store.run import Run


def side_by_side(run: Run, links: Mapping[str, str], explains: Collection[str] = ()) -> Figure:
    """Draws each model's tell size by each lens, nearest to human first, with what gives it away;
    ties are named.

    `links` has the anchors of models that the page shows in full, in its order; `explains` are the
    words that the page explains.
    """
    told = summary(run)
    keys = {fact.head: fact.key for line in told.lines for fact in line.facts}
    places = {model: at for at, model in enumerate(links)}
    return draw(
        "side_by_side",
        words=told.words,
        heads={head: keys[head] for head in told.heads},
        explains=explains,
        axis=axis_of(told),
        rows=[
            {
                "name": visible(line.model, 80),
                "link": links.get(line.model, ""),
                "at": places.get(line.model),
                "chips": line.chips,
                "reason": visible(line.reason, 120),
                "tied": line.tied,
                "cells": [_cell(size) for size in line.sizes],
                "facts": {
                    head: next((fact for fact in line.facts if fact.head == head), None)
                    for head in told.heads
                },
            }
            for line in told.lines
        ],
        between=told.between,
        half=len(told.lines) - len(told.lines) // 2,
    )


def axis_of(told: Summary) -> Scale:
    """Returns one axis of documents for all lenses and models."""
    sizes = [size for line in told.lines for size in line.sizes if size]
    return counts(v for size in sizes for v in (point(size), *size.ends))


def point(size: Size) -> float:
    """Returns where the dot of a tell size stands; nan where it has none."""
    return max(size.n, tell.LEAST) if size.known else math.nan


def signs(said: str) -> str:
    """Writes `at most 16` as ≤ 16, for a narrow column."""
    for word, sign in (("at most ", "≤ "), ("about ", "≈ "), ("more than ", "> ")):
        said = said.replace(word, sign)
    return said


def sized(size: Size | None) -> tuple[str, str]:
    """Returns a tell size, MISSING if unknown, and its interval, empty if unknown."""
    inside = span(size) if size else MISSING
    return signs(short(size)) if size else MISSING, "" if inside == MISSING else inside


def _cell(size: Size | None) -> dict[str, Any] | None:
    if size is None:
        return None
    inside = span(size)
    tip = short(size) + (f", 95% interval {inside}" if inside != MISSING else "")
    return {"size": size, "said": signs(short(size)), "tip": f"{tip} {size.unit}"}
