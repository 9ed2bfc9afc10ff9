"""A run as a picture of 1200 x 630, the size that chats and pull requests preview.

The SVG names fonts and has none, so its lines are broken by the width of wide letters.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from dftspark import __version__
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.report.page.figure import environment
from dftspark.report.page.figures_models import axis_of, point, signs
from dftspark.report.page.scale import Scale
from dftspark.report.words.shown import Chip
from dftspark.report.words.summary import ModelLine, Summary, summary
from dftspark.report.words.tell import Size
from dftspark.report.words.text import visible
from dftspark.report.words.verdict import short
from dftspark.store.run import Run

WIDTH, HEIGHT = 1200, 630
# The first of them that a machine has; a renderer of its own knows no `sans-serif`.
SANS = (
    "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', "
    "'Noto Sans', 'Open Sans', Ubuntu, FreeSans, sans-serif"
)
SERIF = (
    "Charter, Georgia, 'Times New Roman', 'DejaVu Serif', 'Liberation Serif', 'Noto Serif', "
    f"FreeSerif, {SANS.removesuffix('sans-serif')}serif"
)
_SHEET = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
    '<text y="30" font-size="30" font-family="{sans}">{text}</text></svg>'
)
_MODELS = 5
_LEFT, _RIGHT = 60, 1140
_WIDE = 0.62  # of the size of a font: the mean letter of a wide one
_HEADLINES = ((46, 3), (36, 4))  # size, and the lines that fit in it
_CHIP = 21  # size of a label
_CHART = 90  # width of a small chart
_ROWS_END, _CHIPS_AT = 452, 512  # where rows end, and where the first line of labels stands


def card(run: Run) -> str:
    """Returns SVG of the run. Raises ConfigError for a run that compares nothing."""
    if "metrics" not in run.tables:
        raise ConfigError(f"run {run.id} compares nothing, so there is nothing to put on a card")
    told = summary(run, most=_MODELS, chips=8)
    size, lines = _headline(told.headline)
    top = 112 + round(size * 1.18) * len(lines)
    alone = told.lines[0] if len(told.lines) == 1 and not told.between else None
    chips = alone.chips if alone else _of_each(told)
    return (
        environment()
        .get_template("card.svg")
        .render(
            sans=SANS,
            serif=SERIF,
            width=WIDTH,
            height=HEIGHT,
            title=told.headline,
            kicker=visible(told.title, 80),
            size=size,
            headline=[(112 + round(size * 1.18) * i, line) for i, line in enumerate(lines)],
            numbers=_numbers(told, alone) if alone else [],
            top=top,
            heads=[] if alone else _heads(told),
            rows=[] if alone else _rows(told, top),
            chips=_placed(chips),
            foot=_foot(told),
            version=__version__,
        )
    )


def png(svg: str) -> bytes:
    """Returns the picture as PNG. Raises EnvironmentProblem without resvg-py, or without a font."""
    try:
        import resvg_py
    except ImportError as error:
        raise EnvironmentProblem(
            "a card as PNG needs resvg-py: pip install 'dftspark[report]'; --as svg needs no more"
        ) from error
    blank, letter = (
        resvg_py.svg_to_bytes(svg_string=_SHEET.format(sans=SANS, text=text)) for text in ("", "M")
    )
    if blank == letter:
        raise EnvironmentProblem(
            "a card as PNG needs a font, and the machine has none; install one, on Debian "
            "apt-get install fonts-dejavu, or take --as svg"
        )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg))


def _headline(said: str) -> tuple[int, list[str]]:
    """Returns the size of the font, and the lines; a headline that is too long for the smallest
    ends with an ellipsis."""
    for size, most in _HEADLINES:
        lines = _lines(said, size)
        if len(lines) <= most:
            return size, lines
    size, most = _HEADLINES[-1]
    lines = _lines(said, size)
    return size, [*lines[: most - 1], f"{lines[most - 1].rstrip('.,;:')} …"]


def _lines(said: str, size: int) -> list[str]:
    return textwrap.wrap(f"{said}.", int((_RIGHT - _LEFT) / (size * _WIDE)))


def _of_each(told: Summary) -> list[Chip]:
    """Returns labels of the models in turn, one of each phrase."""
    turns = [line.chips[i] for i in range(8) for line in told.lines if i < len(line.chips)]
    return list({chip.of or chip.label: chip for chip in reversed(turns)}.values())[::-1]


def _foot(told: Summary) -> str:
    read = told.sure[-1].partition(".")[0]
    asked = (
        "Documents a side that tell it from human text, in 4 of 5 samples. " if told.words else ""
    )
    return f"{asked}Read: {read}."


def _numbers(told: Summary, line: ModelLine) -> list[dict[str, Any]]:
    """Returns the large numbers of one model, with what each is."""
    told_by = [
        (short(size), f"by {word}")
        for word, size in zip(told.words, line.sizes, strict=True)
        if size
    ]
    told_by += [(fact.big, fact.head) for fact in line.facts]
    step = (_RIGHT - _LEFT) / max(len(told_by), 1)
    found = []
    for i, (said, below) in enumerate(told_by[:4]):
        before, _, big = said.rpartition(" ")
        found.append({"x": round(_LEFT + i * step), "before": before, "big": big, "below": below})
    return found


def _heads(told: Summary) -> list[tuple[float, str]]:
    names = [*(f"by {word}" for word in told.words), *(_cut(head, 28) for head in told.heads[:1])]
    return list(zip(_columns(len(names)), names, strict=True))


def _columns(number: int) -> list[float]:
    """Returns where columns begin, right of the names."""
    first = 400
    return [first + i * (_RIGHT - first) / max(number, 1) for i in range(number)]


def _rows(told: Summary, top: int) -> list[dict[str, Any]]:
    axis = axis_of(told)
    places = _columns(len(told.words) + len(told.heads[:1]))
    step = min(46, (_ROWS_END - top - 16) // max(len(told.lines), 1))
    rows = []
    for i, line in enumerate(told.lines):
        y = top + 14 + round(0.66 * step) + i * step
        cells = [_cell(axis, size, x) for size, x in zip(line.sizes, places, strict=False) if size]
        fact = line.facts[0].big if line.facts else ""
        rows.append(
            {
                "y": y,
                "above": y - round(0.66 * step),
                "name": _cut(visible(line.model, 60), 26),
                "cells": cells,
                "fact": (places[-1], fact) if fact else None,
            }
        )
    return rows


def _cell(axis: Scale, size: Size, x: float) -> dict[str, Any]:
    low, high = size.ends
    at = [x + _CHART * axis.place(end) / 100 for end in (low, high)] if low == low else []
    return {
        "said": signs(short(size)),
        "x": x + _CHART + 10,
        "dot": x + _CHART * axis.place(point(size)) / 100 if size.known else None,
        "line": at if size.known else [*at[:1], x + _CHART] if at else [],
    }


def _placed(chips: Sequence[Chip]) -> list[dict[str, Any]]:
    """Places labels in two lines from left to right, those that fit."""
    x, line, found = _LEFT, 0, []
    for chip in dict.fromkeys(chip.label for chip in chips):
        text = _cut(chip, 40)
        wide = round(len(text) * _CHIP * 0.58) + 30
        if x + wide > _RIGHT:
            x, line = _LEFT, line + 1
        if line > 1:
            break
        found.append({"x": x, "y": _CHIPS_AT + 42 * line, "wide": wide, "text": text})
        x += wide + 12
    return found


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
