"""Constructions and rhythm on a page."""

from __future__ import annotations

import math
from functools import partial

from dftspark.lenses.structure.spoken import spoken
from dftspark.report.page.excerpts import excerpt
from dftspark.report.page.figure import Figure, draw, seen, times, typeset
from dftspark.report.page.scale import ratios
from dftspark.report.words.rows import Row, most_apart, of_pair, test_of, told_apart
from dftspark.report.words.shown import Chip, Examples, Excerpt, Telltale
from dftspark.report.words.text import count, real
from dftspark.store.run import Run

_FEW = 6  # constructions that the first screen names
_LARGER = 1.1  # factor between rates, from which it names one
_LONGEST = 40  # characters of a name there
_draw = partial(draw, home=__package__)


def structure(
    run: Run, model: str, stratum: str = "", rows: int = 20, every: bool = False
) -> Figure:
    """Draws the model's rate of each construction and rhythm over the human rate, beside what
    chance explains."""
    found = of_pair(run, "patterns", model, stratum)
    able = [row for row in found if real(row["ratio"]) > 0]
    differ = [row for row in able if told_apart(row)]
    chosen = able if every else most_apart(differ, rows)
    chosen = sorted(chosen, key=lambda row: -row["ratio"])
    axis = ratios([v for row in chosen for v in (row["ratio"], *_band(row))])
    return _draw(
        "structure",
        rows=[
            {
                **row,
                "name": spoken(row["pattern"]),
                "band": _band(row),
                "told": told_apart(row),
                "test": test_of(row),
            }
            for row in chosen
        ],
        axis=axis,
        told=sum(map(told_apart, found)),
        of=sum(not math.isnan(real(row["q_value"])) for row in found),
        every=every,
    )


def _band(row: Row) -> tuple[float, float]:
    """Returns the range that chance explains, as ratios; (1, 1) for a measure without one."""
    human, band = real(row["rate_human"]), real(row["band"])
    if row["kind"] == "distribution" or not human > 0 or math.isnan(band):
        return 1.0, 1.0
    return max((human - band) / human, 0.001), (human + band) / human


def constructions(run: Run, model: str, most: int = 6) -> list[Examples]:
    """Returns documents that have the constructions whose rates differ most, beyond chance."""
    rows = [
        row
        for row in of_pair(run, "patterns", model)
        if told_apart(row)
        and real(row["ratio"]) > 0
        and math.isfinite(row["ratio"])
        and (row["example_model"] or row["example_human"])
    ]
    found = []
    for row in most_apart([row for row in rows if row["kind"] == "pattern"] or rows, most):
        sides = ("model", "human") if row["ratio"] > 1 else ("human", "model")
        own = [
            excerpt(side, row[f"example_{side}"], row[f"example_{side}_id"])
            for side in sides
            if row[f"example_{side}"]
        ]
        name = spoken(row["pattern"])
        found.append(
            Examples(f"{name}, {times(row['ratio'])} the human rate", own, row["definition"])
        )
    return found


def differing(run: Run, model: str, stratum: str) -> tuple[list[Chip], list[Chip]]:
    """Returns the constructions that differ most, with their factors: first those that the model
    uses more, then those that it uses less. What a reader can see in a text counts before means
    and distributions."""
    rows = _told(run, model, stratum)
    seen_by_eye = [row for row in rows if row["kind"] in ("pattern", "count")]
    shown = most_apart(seen_by_eye or rows, _FEW)
    over = [_labeled(row) for row in shown if row["ratio"] > 1]
    return over, [_labeled(row) for row in shown if row["ratio"] <= 1]


def telltales(run: Run, model: str, stratum: str) -> list[Telltale]:
    """Returns the constructions that differ beyond chance, those that differ most first."""
    rows = sorted(_told(run, model, stratum), key=lambda row: -abs(math.log(row["ratio"])))
    return [
        Telltale(
            "construction",
            spoken(row["pattern"]),
            real(row["rate_human"]),
            real(row["rate_model"]),
            seen(row["unit"]),
            real(row["q_value"]),
            seen(row["definition"]),
            _places(row),
            real(row["ci_low"]),
            real(row["ci_high"]),
        )
        for row in rows
    ]


def _places(row: Row) -> list[Excerpt]:
    """Returns excerpts of the documents of both sides that have the construction: one a side in a
    run that kept no more."""
    return [
        Excerpt(side, seen(text), seen(doc_id, 80))
        for side in ("human", "model")
        for text, doc_id in zip(
            row.get(f"examples_{side}") or [row[f"example_{side}"]],
            row.get(f"examples_{side}_id") or [row[f"example_{side}_id"]],
            strict=True,
        )
        if text
    ]


def gist(run: Run, model: str, stratum: str) -> str:
    """Says how many constructions and rhythms differ by more than chance."""
    rows = of_pair(run, "patterns", model, stratum)
    judged = sum(not math.isnan(real(row["q_value"])) for row in rows)
    return f"{sum(map(told_apart, rows))} of {judged} differ by more than chance."


def _told(run: Run, model: str, stratum: str) -> list[Row]:
    return [
        row
        for row in of_pair(run, "patterns", model, stratum)
        if told_apart(row)
        and real(row["ratio"]) > 0
        and abs(math.log(row["ratio"])) >= math.log(_LARGER)
    ]


def _labeled(row: Row) -> Chip:
    """Writes `“not X but Y” 3.1×`, and a ratio below a half as a fraction, `1/4`."""
    ratio = row["ratio"]
    factor = times(ratio) if ratio >= 0.5 else f"1/{typeset(count(1 / ratio))}"
    name = spoken(row["pattern"])
    return Chip(f"{seen(name, _LONGEST)} {factor}", name)
