"""Models beside each other on the first screen: small charts on one axis, one column a lens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import counts
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads, lenses
from dftspark.report.words.shown import Chip, Fact
from dftspark.report.words.tell import Size, Standing
from dftspark.report.words.text import MISSING, visible
from dftspark.report.words.verdict import short, span
from dftspark.store.run import Run

MODELS = 12  # of the first screen: half of them the nearest, half the farthest
_CHIPS = 3  # phrases that a line names


def side_by_side(run: Run, models: Sequence[Standing], links: dict[str, str]) -> Figure:
    """Draws each model's tell size by each lens, nearest to human first, with what gives it away;
    ties are named. `links` has the anchors of models that the page shows in full."""
    half = MODELS // 2
    chosen = [*models] if len(models) <= MODELS else [*models[:half], *models[-half:]]
    before = dict(zip([m.model for m in models[1:]], models, strict=False))
    words = [word for word in leads().values() if any(_of(model, word) for model in chosen)]
    facts = {model.model: _facts(run, model) for model in chosen}
    heads = list(dict.fromkeys(fact.head for own in facts.values() for fact in own))
    sizes = [size for model in chosen for word in words if (size := _of(model, word))]
    return draw(
        "side_by_side",
        words=words,
        heads=heads,
        axis=counts(v for size in sizes for v in (_point(size), *size.ends)),
        rows=[
            {
                "name": visible(model.model, 80),
                "link": links.get(model.model, ""),
                "chips": _chips(run, model),
                "reason": "" if model.lenses else visible(model.reason, 120),
                "tied": model.model in before and tell.tied(before[model.model], model),
                "cells": [_cell(_of(model, word)) for word in words],
                "facts": [
                    next((fact.big for fact in facts[model.model] if fact.head == head), MISSING)
                    for head in heads
                ],
            }
            for model in chosen
        ],
        between=len(models) - len(chosen),
        half=half,
    )


def _of(model: Standing, word: str) -> Size | None:
    return next((lens.size for lens in model.lenses if lens.name == word), None)


def _point(size: Size) -> float:
    return max(size.n, tell.LEAST) if size.known else math.nan


def _cell(size: Size | None) -> dict[str, Any] | None:
    if size is None or not (size.known or not math.isnan(size.low)):
        return None
    inside = span(size)
    tip = short(size) + (f", 95% interval {inside}" if inside != MISSING else "")
    return {"size": size, "said": _signs(short(size)), "tip": f"{tip} {size.unit}"}


def _signs(said: str) -> str:
    for word, sign in (("at most ", "≤ "), ("about ", "≈ "), ("more than ", "> ")):
        said = said.replace(word, sign)
    return said


def _facts(run: Run, model: Standing) -> list[Fact]:
    return [fact for lens in lenses() for fact in lens.facts(run, model.model, model.stratum)]


def _chips(run: Run, model: Standing) -> list[Chip]:
    """Returns the first labels of what the model has more of, over all lenses in turn."""
    over = [
        shown.over
        for lens in lenses()
        for shown in lens.where(run, model.model, model.stratum, model.told)
        if shown.over
    ]
    most = max(map(len, over), default=0)
    turns = [own[i] for i in range(most) for own in over if i < len(own)]
    return [one if isinstance(one, Chip) else Chip(one) for one in turns[:_CHIPS]]
