"""Smaller tables of a run: its rules, and model against model."""

from __future__ import annotations

import math

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import ratios
from dftspark.report.words.lenses import measure, place
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.shown import PLUG_IN, ShownMeasure
from dftspark.report.words.text import real
from dftspark.store.run import Run

OUTCOMES = {
    "fail": "failed",
    "warn": "to be looked at",
    "unknown": "not known",
    "acknowledged": "acknowledged",
    "pass": "passed",
}
_RULES = 40
_LOUD = 3  # of those that failed or warn, so many have a line that is not folded
_PAIRS = 48


def checks(run: Run) -> Figure | None:
    """Draws every rule and its outcome, the worst first; None for a run without rules."""
    rows: list[Row] = run.table("checks").to_pylist() if "checks" in run.tables else []
    if not rows:
        return None
    names = list(OUTCOMES)
    rows.sort(key=lambda row: names.index(row["outcome"]) if row["outcome"] in names else 0)
    counts = {name: sum(row["outcome"] == name for row in rows) for name in names}
    return draw(
        "checks",
        told=[(name, count, OUTCOMES[name]) for name, count in counts.items() if count],
        loud=_loud(rows)[:_LOUD],
        rows=rows[:_RULES],
        more=max(0, len(rows) - _RULES),
        words=OUTCOMES,
    )


def _loud(rows: list[Row]) -> list[Row]:
    """Returns the rules that failed or warn, one line each for all of its models."""
    loud: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["outcome"] in ("fail", "warn"):
            loud.setdefault((row["outcome"], row["rule"]), []).append(row)
    return [
        {
            **of[0],
            "of": ", ".join(dict.fromkeys(row["model"] for row in of if row["model"])),
            "detail": of[0]["detail"] if len({row["detail"] for row in of}) == 1 else "",
        }
        for of in loud.values()
    ]


def differences(run: Run, model: str) -> Figure | None:
    """Draws which of two models is nearer to human, by the main measures: `model` against each
    other model.

    Measures that grow when a side is small are left out, because they would name the larger side
    nearer.
    """
    if "differences" not in run.tables:
        return None
    either = (pc.field("model") == model) | (pc.field("other") == model)
    found = run.table("differences", where=either & (pc.field("stratum") == "")).to_pylist()
    found.sort(key=lambda row: place(row["lens"]))
    rows = [_against(row, model) for row in found if _compares(measure(row["metric"]))]
    if not rows:
        return None
    shown = rows[:_PAIRS]
    return draw(
        "differences",
        model=model,
        groups=[
            {"other": name, "rows": [row for row in shown if row["other"] == name]}
            for name in dict.fromkeys(row["other"] for row in shown)
        ],
        axis=ratios((v for row in shown if row["at"] for v in row["at"]), least=0.7, most=1.4),
        more=len(rows) - len(shown),
        confidence=confidence_of(run),
    )


def _compares(about: ShownMeasure) -> bool:
    return about.main and about.equality != PLUG_IN


def _against(row: Row, model: str) -> Row:
    """Turns the row into `model` minus the other one, with places as multiples of the other's
    distance."""
    own = row["model"] == model
    value, beside = (real(row[name]) for name in ("value", "value_other")[:: 1 if own else -1])
    sign = 1 if own else -1
    by, *ends = (sign * real(row[name]) for name in ("difference", "ci_low", "ci_high"))
    low, high = ends[::sign]
    about = measure(row["metric"])
    far = [1 + less / beside for less in (by, low, high)] if beside > 0 and value > 0 else []
    if about.square:
        far = [math.sqrt(max(times, 0.0)) for times in far]
    return {
        "other": row["other"] if own else row["model"],
        "about": about,
        "unit": row["unit"],
        "nearer": row["nearer"],
        "by": by,
        "low": low,
        "high": high,
        "at": far,
    }
