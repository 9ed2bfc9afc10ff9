"""A sampler sweep: curves over its settings, the best by each measure, and what it costs."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.figures_lines import (
    LINES,
    Kind,
    Line,
    by_value,
    curves,
    in_floors,
    rows_of,
    sized,
)
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads, lenses, matching, measure
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.shown import Shown
from dftspark.report.words.text import number, real, visible
from dftspark.store.run import Run

_PANELS = 6
_PAIRS = 12
_SETTINGS = 4  # of the settings that may be the best, so many are named


def samplers(run: Run, metrics: Sequence[str] = ()) -> list[Figure]:
    """Draws each judged measure over the settings of a sweep, beside the human band, lens by lens
    in turn.

    The setting with the most numbers makes the axis, the others make separate lines; without such a
    setting there are no curves. The best setting is marked, and so are those that may truly be the
    best.
    """
    rows = _rows(run, "samplers")
    judged = [(b["sweep"], b["metric"]) for b in _rows(run, "super_baseline") if b["judged"]]
    figures = []
    for name in dict.fromkeys(row["sweep"] for row in rows):
        own = [row for row in rows if row["sweep"] == name]
        axis = _axis(dict(row["settings"] or []) for row in own)
        if not axis:
            continue
        placed = {row["metric"] for row in own if in_floors(row) is not None}
        wanted = metrics or [metric for sweep, metric in judged if sweep == name] or by_value()
        shown = [metric for metric in wanted if metric in placed]
        for metric in shown[:_PANELS] if metrics else _in_turn(shown)[:_PANELS]:
            about = [row for row in own if row["metric"] == metric]
            figures.append(_panel(name, axis, about, confidence_of(run)))
    return figures


def sizes(run: Run) -> list[Figure]:
    """Draws the tell size by each lens over the settings of a sweep, as `samplers` does a measure.

    A lens by which every setting is told from as few documents as the tests need has no curve; a
    run without tell sizes has none.
    """
    rows, told = _rows(run, "samplers"), rows_of(run)
    figures = []
    for name in dict.fromkeys(row["sweep"] for row in rows):
        own = [row for row in rows if row["sweep"] == name]
        settings = {row["model"]: row for row in own}
        axis = _axis(dict(row["settings"] or []) for row in own)
        for metric, word in leads().items() if axis else ():
            marks = {row["model"]: row for row in own if row["metric"] == metric}
            lines: dict[str, Line] = defaultdict(lambda: Line(""))
            for row in told:
                place = sized(row) if row["metric"] == metric and "n_tell" in row else None
                if place is not None and row["model"] in settings:
                    at, mark = place
                    at_best = _mark(marks[row["model"]], 0.05) if row["model"] in marks else ""
                    _add(lines, settings[row["model"]], axis, at, mark or at_best)
            ys = [point[1] for line in lines.values() for point in line.points]
            if any(y > tell.LEAST for y in ys):
                figures.append(_lines(f"By {word}", lines, name, axis, "documents", ""))
    return figures


def best(run: Run, leading: bool = False) -> list[Figure]:
    """Draws, for each sweep, the best setting by each judged measure, how much of that is luck, the
    challenger, and whether one setting can be the best by all; `leading` leaves a line for each
    lens and no costs."""
    rows, pairs = _rows(run, "super_baseline"), _rows(run, "tradeoffs")
    pairs = [pair for pair in pairs if not (leading and pair["metric"])]
    found = []
    for name in dict.fromkeys(row["sweep"] for row in rows):
        own = [row for row in rows if row["sweep"] == name and row["judged"]]
        own = _leading(own) if leading else own
        if own:
            found.append(
                draw(
                    "best",
                    sweep=name,
                    rows=[_best(row, name) for row in own],
                    challenger=next((row["challenger"] for row in own if row["challenger"]), None),
                    confidence=confidence_of(run),
                    **_tradeoffs([pair for pair in pairs if pair["sweep"] == name], name),
                )
            )
    return found


def _rows(run: Run, table: str) -> list[Row]:
    if table not in run.tables:
        return []
    found: list[Row] = run.table(table, where=pc.field("stratum") == "").to_pylist()
    return found


def _in_turn(names: Sequence[str]) -> list[str]:
    """Sorts the first measure of each lens before the second of any."""
    lens = {
        name: next((i for i, own in enumerate(lenses()) if _has(own, name)), -1) for name in names
    }
    turns = {
        name: [lens[one] for one in names[:at]].count(lens[name]) for at, name in enumerate(names)
    }
    return sorted(names, key=lambda name: turns[name])


def _has(lens: Shown, metric: str) -> bool:
    return any(re.fullmatch(known.pattern, metric) for known in lens.measures)


def _leading(rows: list[Row]) -> list[Row]:
    """Keeps of each lens the first measure by which pages compare models; without any, the first
    _SETTINGS rows."""
    names = [row["metric"] for row in rows]
    kept = [one for lens in lenses() for one in matching(names, lens.compared, 1)[:1]]
    known = [row for row in rows if row["best"]]
    return [row for row in known if row["metric"] in kept] or known[:_SETTINGS]


def _best(row: Row, sweep: str) -> Row:
    others = [_short(name, sweep) for name in row["may_be_best"] or [] if name != row["best"]]
    return {
        **row,
        "about": measure(row["metric"]),
        "best": _short(row["best"] or "", sweep),
        "others": others[:_SETTINGS],
        "more": len(others[_SETTINGS:]),
    }


def _tradeoffs(pairs: list[Row], sweep: str) -> dict[str, Any]:
    together = next((pair for pair in pairs if not pair["metric"]), None)
    told = [pair for pair in pairs if pair["metric"]]
    told.sort(key=lambda pair: (not pair["differ"], real(pair["q_value"])))
    return {
        "together": real(together["p_value"]) if together else math.nan,
        "pairs": [
            {
                **pair,
                "about": measure(pair["metric"]).title,
                "about_other": measure(pair["other"]).title,
                "best": _short(pair["best"] or "", sweep),
                "best_other": _short(pair["best_other"] or "", sweep),
            }
            for pair in told[:_PAIRS]
        ],
        "of": len(told),
        "differ": sum(bool(pair["differ"]) for pair in told),
    }


def _short(setting: str, sweep: str) -> str:
    return visible(setting.removeprefix(f"{sweep}/"), 40)


def _panel(sweep: str, axis: str, rows: list[Row], confidence: float) -> Figure:
    lines: dict[str, Line] = defaultdict(lambda: Line(""))
    for row in rows:
        scaled = in_floors(row)
        if scaled is not None:
            _add(lines, row, axis, scaled, _mark(row, 1 - confidence))
    title = f"{measure(rows[0]['metric']).title} of {visible(sweep, 60)}"
    return _lines(title, lines, sweep, axis, "floors", _note(rows), confidence)


def _add(
    lines: dict[str, Line], row: Row, axis: str, at: tuple[float, float, float], mark: str
) -> None:
    """Adds a setting to the line of its other settings; a challenger has a line without places."""
    settings = dict(row["settings"] or [])
    if row["challenger"]:
        lines[row["model"]].points.append((math.nan, *at, row["model"], ""))
        return
    others = [f"{key} {value}" for key, value in settings.items() if key != axis]
    place = _number(settings.get(axis, ""))
    if not math.isnan(place):
        lines[", ".join(others)].points.append((place, *at, settings[axis], mark))


def _lines(
    title: str,
    lines: dict[str, Line],
    sweep: str,
    axis: str,
    kind: Kind,
    note: str,
    confidence: float = 0.95,
) -> Figure:
    for name, line in lines.items():
        line.name = visible(name or sweep, 60)
    return curves(
        title=title,
        lines=list(lines.values())[:LINES],
        x_name=axis,
        kind=kind,
        note=note,
        confidence=confidence,
    )


def _mark(row: Row, level: float) -> str:
    if row["super_baseline"]:
        return "best"
    return "maybe" if real(row["p_best"]) > level else ""


def _note(rows: list[Row]) -> str:
    first = next((row for row in rows if row["super_baseline"]), None)
    if first is None:
        return ""
    said = f"The large ring is the best, at {number(real(first['value']))} {first['unit']}"
    return f"{said}; small rings may be as good."


def _axis(settings: Iterable[dict[str, str]]) -> str:
    """Returns the setting with the most distinct numbers, temperature before others; empty for
    none."""
    values: dict[str, set[float]] = defaultdict(set)
    for own in settings:
        for key, value in own.items():
            if not math.isnan(found := _number(value)):
                values[key].add(found)
    best = max(values, key=lambda key: (len(values[key]), key == "temperature", key), default="")
    return best if best and len(values[best]) > 1 else ""


def _number(text: str) -> float:
    """Reads 0.7, and the number of `step-2000`; nan for any other text."""
    inside = re.fullmatch(r"[A-Za-z]+[-_ ]?(\d+(?:\.\d+)?)", text)
    try:
        value = float(text)
    except ValueError:
        value = float(inside[1]) if inside else math.nan
    return value if math.isfinite(value) else math.nan
