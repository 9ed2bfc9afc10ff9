"""Curves over nights, and the lines that they share with sweeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw, times
from dftspark.report.page.scale import Scale, counts, linear, ratios
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads, lenses, matching, measure
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.text import number, real, visible
from dftspark.report.words.verdict import documents
from dftspark.store.run import Run

LINES = 8  # of one figure
NIGHTS = 400
_MANY = 60  # points of a line; with more they are drawn small
_TOP = 88.0  # percent of the height, above which a label would be cut
_FAR = 0.6  # of a model's median: a change beyond it is drawn at the edge
_LABELS = 0.09  # of the width, which is left free for the labels of the other axis
_CLEAR = 22.0  # percent between labels of an axis
_COLUMNS = (
    "human model stratum metric value ci_low ci_high p_value floor better n_tell n_tell_low "
    "n_tell_high n_tell_unit n_human n_model"
)

Kind = Literal["documents", "floors", "parity", "value", "drift"]


@dataclass
class Line:
    """One line: `points` are x, y, low, high, label of the x, and a mark: for the best, for one
    that may be the best, for an open point whose y is only a lower bound, or "" for none."""

    name: str
    points: list[tuple[float, float, float, float, str, str]] = field(default_factory=list)


# --- nights ---------------------------------------------------------------------------------------


def history(runs: Sequence[Run], metrics: Sequence[str] = ()) -> list[Figure]:
    """Draws each model's tell size by lens over the nights of these runs; other measures by value.

    Returns none below two nights. Of several runs of one date the last one counts; models are those
    of the last run.
    """
    nights = dated(runs)
    if len(nights) < 2:
        return []
    rows = {name: rows_of(run) for name, run in nights.items()}
    ranking = tell.ranked(rows[next(reversed(rows))])
    last = [model.model for model in ranking][:LINES]
    known = {row["metric"] for own in rows.values() for row in own}
    sized = {row["metric"] for own in rows.values() for row in own if "n_tell" in row}
    figures = []
    for metric in metrics or _shown(known, sized):
        kind: Kind = "parity" if measure(metric).parity else "value"
        kind = "documents" if metric in leads() and metric in sized else kind
        figures.append(
            curves(
                title=f"{_title(metric, kind)} by night",
                lines=_by_night(rows, metric, last, kind),
                x_name="night",
                kind=kind,
                confidence=confidence_of(runs[-1]),
            )
        )
    return figures


def rows_of(run: Run) -> list[Row]:
    """Reads what curves draw of a run's metrics over all strata."""
    have = run.columns("metrics")
    columns = [name for name in _COLUMNS.split() if name in have]
    found: list[Row] = run.table("metrics", columns, pc.field("stratum") == "").to_pylist()
    return found


def _title(metric: str, kind: Kind) -> str:
    return leads()[metric].capitalize() if kind == "documents" else measure(metric).title


def _shown(known: set[str], sized: set[str]) -> list[str]:
    """Returns the measures that lead their lenses, or in runs without tell sizes represent them by
    value; then, for lenses that have neither, those that compare models."""
    led = [name for name in leads() if name in sized]
    others = [n for lens in lenses() if not lens.by_value for n in matching(known, lens.compared)]
    return [*(led or [name for name in by_value() if name in known]), *others]


def by_value() -> list[str]:
    """Returns the measure that represents each lens by its value, for lenses that have one."""
    return [lens.by_value for lens in lenses() if lens.by_value]


def dated(runs: Sequence[Run]) -> dict[str, Run]:
    """Returns the last run of each day that compares anything, by date, oldest first."""
    found: dict[str, Run] = {}
    for run in sorted(runs, key=_age):
        if "metrics" in run.tables:
            found[str(run.manifest.get("date") or run.manifest.get("created_at", ""))[:19]] = run
    return dict(sorted(found.items())[-NIGHTS:])


def _age(run: Run) -> tuple[int, str]:
    return int(run.manifest.get("version") or 0), str(run.manifest.get("created_at", ""))


def _by_night(rows: dict[str, list[Row]], metric: str, models: list[str], kind: Kind) -> list[Line]:
    lines = {model: Line(visible(model, 60)) for model in models}
    for night, own in rows.items():
        for row in own:
            if row["metric"] != metric or row["model"] not in lines:
                continue
            place = sized(row) if kind == "documents" else _valued(row)
            if place is not None:
                at, mark = place
                lines[row["model"]].points.append((day(night), *at, night, mark))
    return [line for line in lines.values() if line.points]


def sized(row: Row) -> tuple[tuple[float, float, float], str] | None:
    """Returns a tell size and its interval; without a significant test, its lower bound as an open
    point."""
    size = tell.size_of(row)
    if size.known:
        return (max(size.n, tell.LEAST), *size.ends), ""
    low, high = size.ends
    return None if size.told or math.isnan(low) else ((low, low, high), "open")


def _valued(row: Row) -> tuple[tuple[float, float, float], str] | None:
    value, low, high = (real(row[name]) for name in ("value", "ci_low", "ci_high"))
    return None if math.isnan(value) else ((value, low, high), "")


def day(night: str) -> float:
    """Returns a date's place on an axis, in days."""
    try:
        return datetime.fromisoformat(night).timestamp() / 86_400
    except ValueError:
        return float(date.today().toordinal())


def in_floors(row: Row) -> tuple[float, float, float] | None:
    """Returns value and interval in units of the floor. Only one measure at a time can be read in
    this way: above 1 its p is below 5%, and how far above depends on the documents read."""
    floor, value = real(row["floor"]), real(row["value"])
    if row["better"] != "lower" or not floor > 0 or math.isnan(value):
        return None
    return value / floor, real(row["ci_low"]) / floor, real(row["ci_high"]) / floor


# --- any lines ------------------------------------------------------------------------------------


def curves(
    title: str,
    lines: list[Line],
    x_name: str,
    kind: Kind,
    note: str = "",
    confidence: float = 0.95,
) -> Figure:
    points = [point for line in lines for point in line.points]
    values = [v for _, y, low, high, _, _ in points for v in (y, low, high)]
    y_axis = _axis(values, kind)
    known = [x for x, *_ in points if not math.isnan(x)]
    x_axis = linear(known or [0.0, 1.0])
    x_axis = Scale(x_axis.low - _LABELS * (x_axis.high - x_axis.low), x_axis.high)
    one = f"{100 - y_axis.place(1.0):.2f}%" if kind in ("floors", "parity", "drift") else ""
    return draw(
        "curves",
        title=title,
        lines=[_drawn(line, x_axis, y_axis, place, kind) for place, line in enumerate(lines)],
        x_ticks=_x_ticks(points, x_axis),
        y_ticks=[
            (f"{100 - y_axis.place(value):.2f}%", label)
            for value, label in _y_values(y_axis, kind)
            if y_axis.place(value) < _TOP
        ],
        kind=kind,
        line=one,
        below=f"{y_axis.place(1.0):.2f}%" if one else "",
        alike=(100 - y_axis.place(1.1), y_axis.place(1.1) - y_axis.place(0.9)),
        x_name=x_name,
        note=note,
        confidence=confidence,
    )


def _axis(values: list[float], kind: Kind) -> Scale:
    if kind == "drift":  # what is farther off stands at an end, so that 10% can still be seen
        inside = [min(max(value, _FAR), 1 / _FAR) for value in values if not math.isnan(value)]
        return ratios(inside, least=0.9, most=1.15)
    return {"documents": counts, "value": linear}.get(kind, ratios)(values)


def _drawn(line: Line, x_axis: Scale, y_axis: Scale, place: int, kind: Kind) -> dict[str, Any]:
    level = all(math.isnan(x) for x, *_ in line.points)
    log = kind != "value"
    places = [
        {
            "x": x_axis.at(x) if not math.isnan(x) else "50%",
            "y": f"{100 - y_axis.place(y):.2f}%",
            "low": f"{100 - y_axis.place(low if low > 0 or not log else y_axis.low):.2f}%",
            "high": f"{100 - y_axis.place(high):.2f}%",
            "known": not (math.isnan(low) or math.isnan(high)),
            "label": label,
            "said": f"more than {_said(y, kind)}" if marked == "open" else _said(y, kind),
            "interval": "–" if marked == "open" else _interval(low, high, kind),
            "marked": marked,
        }
        for x, y, low, high, label, marked in sorted(line.points, key=lambda p: (p[0], p[4]))
    ]
    return {
        "name": line.name,
        "points": places,
        "level": level,
        "style": f"s{place % LINES}",
        "many": len(places) > _MANY,
    }


def _x_ticks(
    points: list[tuple[float, float, float, float, str, str]], axis: Scale
) -> list[tuple[str, str]]:
    """Returns labels of points, as many as stand clear of each other on a narrow screen."""
    labels = dict(sorted({x: label for x, *_, label, _ in points if not math.isnan(x)}.items()))
    ticks: list[tuple[str, str]] = []
    free = 0.0
    for x, label in labels.items():
        if axis.place(x) >= free:
            ticks.append((axis.at(x), visible(label[:10], 10)))
            free = axis.place(x) + _CLEAR
    return ticks


def _y_values(axis: Scale, kind: Kind) -> list[tuple[float, str]]:
    if kind == "drift":
        steps = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
        return [(one, _said(one, kind)) for one in steps if axis.low <= one <= axis.high]
    sign = "×" if kind == "floors" else ""
    return [(float(tick.label.replace(",", "")), f"{tick.label}{sign}") for tick in axis.ticks()]


def _said(value: float, kind: Kind) -> str:
    if kind == "documents":
        return documents(value)
    if kind == "drift":
        percent = round(100 * (value - 1))
        return f"{percent:+d}%".replace("-", "−") if percent else "±0%"
    return times(max(value, 0.0)) if kind == "floors" else number(value)


def _interval(low: float, high: float, kind: Kind) -> str:
    if math.isinf(high):
        return f"{_said(low, kind)} or more"
    return f"{_said(low, kind)} – {_said(high, kind)}"
