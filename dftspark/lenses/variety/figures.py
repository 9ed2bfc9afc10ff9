"""Variety on a page, beside the variety of the human text."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import ratios
from dftspark.report.words.rows import Row, confidence_of, of_pair
from dftspark.report.words.text import real, visible
from dftspark.store.run import Run

_draw = partial(draw, home=__package__)


_VARIETY = {
    "chrf": ("Likeness to the human answer, chrF", "letters in common with the human answer"),
    "bleu": ("Likeness to the human answer, BLEU", "phrases in common with the human answer"),
    "self_bleu": ("Likeness among answers, self-BLEU", "phrases in common with answers to others"),
    "distinct_1": ("Distinct words", "share of words not said before, in twenty answers"),
    "distinct_2": ("Distinct word pairs", "the same of two words in a row"),
    "distinct_3": ("Distinct word triples", "the same of three words in a row"),
    "prompt_variety": ("Different answers to one prompt", "that have less than half in common"),
}


def variety(run: Run, model: str, stratum: str = "") -> Figure | None:
    """Draws likeness to the human answer and variety, each beside the value of the human text."""
    rows = [_varied(row) for row in of_pair(run, "variety", model, stratum)]
    rows = [row for row in rows if not math.isnan(row["value"])]
    if not rows:
        return None
    placed = [row for row in rows if row["at"] is not None]
    return _draw(
        "variety",
        rows=rows,
        axis=ratios((v for row in placed for v in row["at"]), least=0.7, most=1.4),
        confidence=confidence_of(run),
    )


def _varied(row: Row) -> dict[str, Any]:
    """Adds the places of value, interval and human interval, as ratios to the human value."""
    title, says = _VARIETY.get(row["metric"], (visible(row["metric"]), ""))
    human = real(row["human_value"])
    names = ("value", "ci_low", "ci_high", "human_low", "human_high")
    values = [real(row[name]) for name in names]
    at = [value / human for value in values] if human > 0 and not math.isnan(human) else None
    return {**row, "title": title, "says": says, "value": real(row["value"]), "at": at}
