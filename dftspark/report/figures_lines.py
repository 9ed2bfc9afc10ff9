"""Curves over sampler settings and over nights, and a judge's dimensions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow.compute as pc

from dftspark.report.figure import Figure, draw, times
from dftspark.report.figures import Row, confidence_of
from dftspark.report.measures import measure
from dftspark.report.scale import Scale, linear, ratios
from dftspark.report.text import number, visible
from dftspark.report.verdict import ranked, real
from dftspark.store.run import Run

_LINES = 8  # of one figure
_CONTROLS = 24  # lines of the table beside it
_PANELS = 6
NIGHTS = 400
_MANY = 60  # points of a line, above which they are drawn small
_TOP = 93.0  # percent of the height, above which a label would be cut
_CLEAR = 22.0  # percent between labels of an axis
_SHOWN = ("l2_1gram", "mmd", "structure_factor", "jmq_overall")
_COLUMNS = [
    "model", "stratum", "metric", "value", "ci_low", "ci_high", "floor", "ratio_to_floor", "better",
]  # fmt: skip


@dataclass
class Line:
    """One line: `points` are x, y, low, high, label of the x, and whether to mark it."""

    name: str
    points: list[tuple[float, float, float, float, str, bool]] = field(default_factory=list)


# --- nights ---------------------------------------------------------------------------------------


def history(runs: Sequence[Run], metrics: Sequence[str] = ()) -> list[Figure]:
    """Each model's distance, in units of the floor, over the nights of these runs.

    None below two nights. Of runs of one date the last one counts; models are those of the last.
    """
    nights = _nights(runs)
    if len(nights) < 2:
        return []
    rows = {name: run.table("metrics", _COLUMNS, pc.field("stratum") == "").to_pylist()
            for name, run in nights.items()}  # fmt: skip
    last = [row["model"] for row in ranked(rows[next(reversed(rows))])][:_LINES]
    known = {row["metric"] for own in rows.values() for row in own}
    return [
        _curves(
            title=f"{measure(metric).title} by night",
            lines=_by_night(rows, metric, last),
            x_name="night",
            band=True,
            confidence=confidence_of(runs[-1]),
        )
        for metric in (metrics or [name for name in _SHOWN if name in known])
    ]


def _nights(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by their day, oldest first."""
    found: dict[str, Run] = {}
    for run in sorted(runs, key=_age):
        if "metrics" in run.tables:
            found[str(run.manifest.get("date") or run.manifest.get("created_at", ""))[:19]] = run
    return dict(sorted(found.items())[-NIGHTS:])


def _age(run: Run) -> tuple[int, str]:
    return int(run.manifest.get("version") or 0), str(run.manifest.get("created_at", ""))


def _by_night(rows: dict[str, list[Row]], metric: str, models: list[str]) -> list[Line]:
    lines = {model: Line(visible(model, 60)) for model in models}
    for night, own in rows.items():
        for row in own:
            placed = _placed(row)
            if row["metric"] == metric and row["model"] in lines and placed is not None:
                lines[row["model"]].points.append((_day(night), *placed, night, False))
    return [line for line in lines.values() if line.points]


def _day(night: str) -> float:
    try:
        return datetime.fromisoformat(night).timestamp() / 86_400
    except ValueError:
        return float(date.today().toordinal())


def _placed(row: Row) -> tuple[float, float, float] | None:
    """Value and interval in units of the floor; as they are where parity is the aim."""
    scale = 1.0 if row["better"] == "parity" else real(row["floor"])
    value = real(row["value"])
    if row["better"] == "higher" or not scale > 0 or math.isnan(value):
        return None
    return value / scale, real(row["ci_low"]) / scale, real(row["ci_high"]) / scale


# --- samplers -------------------------------------------------------------------------------------


def samplers(run: Run, metrics: Sequence[str] = ()) -> list[Figure]:
    """Each judged measure over the settings of a sweep, beside the human band.

    Settings with numbers make an axis, the others lines of their own. The best setting is marked;
    the table `super_baseline` says how much of it is luck.
    """
    if "samplers" not in run.tables:
        return []
    rows: list[Row] = run.table("samplers", where=pc.field("stratum") == "").to_pylist()
    baselines = _baselines(run)
    figures = []
    for sweep in dict.fromkeys(row["sweep"] for row in rows):
        judged = [
            b["metric"] for (name, _), b in baselines.items() if name == sweep and b["judged"]
        ]
        own = [row for row in rows if row["sweep"] == sweep]
        known = {row["metric"] for row in own}
        chosen = [name for name in metrics or judged or _SHOWN if name in known][:_PANELS]
        for metric in chosen:
            about = [row for row in own if row["metric"] == metric]
            figures.append(_sweep(sweep, about, baselines.get((sweep, metric))))
    return figures


def _baselines(run: Run) -> dict[tuple[str, str], Row]:
    if "super_baseline" not in run.tables:
        return {}
    rows = run.table("super_baseline", where=pc.field("stratum") == "").to_pylist()
    return {(row["sweep"], row["metric"]): row for row in rows}


def _sweep(sweep: str, rows: list[Row], baseline: Row | None) -> Figure:
    settings = {row["model"]: dict(row["settings"] or []) for row in rows}
    axis = _axis(settings.values())
    lines: dict[str, Line] = defaultdict(lambda: Line(""))
    for row in rows:
        placed = _placed(row)
        if placed is None:
            continue
        own = settings[row["model"]]
        if row["challenger"]:
            lines[row["model"]].points.append((math.nan, *placed, row["model"], False))
            continue
        others = [f"{key} {value}" for key, value in own.items() if key != axis]
        at = float(own[axis]) if axis and axis in own else float(row["rank"] or 0)
        label = own.get(axis, "") if axis else visible(row["model"], 40)
        lines[", ".join(others)].points.append((at, *placed, label, bool(row["super_baseline"])))
    for name, line in lines.items():
        line.name = visible(name or sweep, 60)
    metric = rows[0]["metric"]
    return _curves(
        title=f"{measure(metric).title} of {visible(sweep, 60)}",
        lines=list(lines.values())[:_LINES],
        x_name=axis or "rank",
        band=True,
        note=_honest(baseline),
    )


def _axis(settings: Iterable[dict[str, str]]) -> str:
    """The setting with the most distinct numbers; empty where none has two."""
    values: dict[str, set[float]] = defaultdict(set)
    for own in settings:
        for key, value in own.items():
            try:
                values[key].add(float(value))
            except ValueError:
                continue
    best = max(values, key=lambda key: (len(values[key]), key), default="")
    return best if best and len(values[best]) > 1 else ""


def _honest(baseline: Row | None) -> str:
    if baseline is None:
        return ""
    said = f"Best of {baseline['settings']} settings: {visible(baseline['best'], 60)}, at "
    said += number(real(baseline["naive"]))
    honest = real(baseline["honest"])
    if math.isnan(honest):
        return said + "."
    return (
        f"{said}; chosen on half of the prompts and reported on the other half, "
        f"{number(honest)} ({number(real(baseline['ci_low']))} to "
        f"{number(real(baseline['ci_high']))})."
    )


# --- any lines ------------------------------------------------------------------------------------


def _curves(
    title: str, lines: list[Line], x_name: str, band: bool, note: str = "",
    confidence: float = 0.95,
) -> Figure:  # fmt: skip
    points = [point for line in lines for point in line.points]
    y_axis = ratios([v for _, y, low, high, _, _ in points for v in (y, low, high)])
    known = [x for x, *_ in points if not math.isnan(x)]
    x_axis = linear(known or [0.0, 1.0])
    return draw(
        "curves",
        title=title,
        lines=[_drawn(line, x_axis, y_axis, number) for number, line in enumerate(lines)],
        x_ticks=_x_ticks(points, x_axis),
        y_ticks=[
            (f"{100 - y_axis.place(value):.2f}%", tick.label)
            for value, tick in _y_values(y_axis)
            if y_axis.place(value) < _TOP
        ],
        parity=f"{100 - y_axis.place(1.0):.2f}%" if band else "",
        below=f"{y_axis.place(1.0):.2f}%",
        x_name=x_name,
        note=note,
        confidence=confidence,
    )


def _drawn(line: Line, x_axis: Scale, y_axis: Scale, number: int) -> dict[str, Any]:
    level = all(math.isnan(x) for x, *_ in line.points)
    places = [
        {
            "x": x_axis.at(x) if not math.isnan(x) else "50%",
            "y": f"{100 - y_axis.place(y):.2f}%",
            "low": f"{100 - y_axis.place(low if low > 0 else y_axis.low):.2f}%",
            "high": f"{100 - y_axis.place(high):.2f}%",
            "known": not (math.isnan(low) or math.isnan(high)),
            "label": label,
            "said": times(y),
            "interval": f"{times(low)} – {times(high)}",
            "marked": marked,
        }
        for x, y, low, high, label, marked in sorted(line.points, key=lambda p: (p[0], p[4]))
    ]
    return {
        "name": line.name, "points": places, "level": level, "style": f"s{number % _LINES}",
        "many": len(places) > _MANY,
    }  # fmt: skip


def _x_ticks(
    points: list[tuple[float, float, float, float, str, bool]], axis: Scale
) -> list[tuple[str, str]]:
    """Labels of points, as many as stand clear of each other on a narrow screen."""
    labels = dict(sorted({x: label for x, *_, label, _ in points if not math.isnan(x)}.items()))
    ticks: list[tuple[str, str]] = []
    free = 0.0
    for x, label in labels.items():
        if axis.place(x) >= free:
            ticks.append((axis.at(x), visible(label[:10], 10)))
            free = axis.place(x) + _CLEAR
    return ticks


def _y_values(axis: Scale) -> list[tuple[float, Any]]:
    return [(float(tick.label.rstrip("×").replace(",", "")), tick) for tick in axis.ticks("×")]


# --- judge ----------------------------------------------------------------------------------------


def judge(run: Run, model: str) -> Figure | None:
    """JMQ of each dimension and judge, with parity at 1; None where no judge was asked."""
    if "win_rates" not in run.tables:
        return None
    where = (pc.field("model") == model) & (pc.field("stratum") == "")
    rows = [
        row for row in run.table("win_rates", where=where).to_pylist()
        if row["kind"] == "model" and not math.isnan(real(row["jmq"]))
    ]  # fmt: skip
    if not rows:
        return None
    axis = linear([0.0, 2.0], zero=True)
    rows.sort(key=lambda row: (row["judge"], row["dimension"] != "overall", row["dimension"]))
    return draw(
        "judge",
        rows=rows,
        axis=axis,
        several=len({row["judge"] for row in rows}) > 1,
        controls=_controls(run),
        confidence=confidence_of(run),
    )


def _controls(run: Run) -> list[Row]:
    """What the judge says where the answer is known: human against human, and broken text."""
    where = (pc.field("kind") != "model") & (pc.field("stratum") == "")
    rows: list[Row] = run.table("win_rates", where=where).to_pylist()
    return [row for row in rows if row["pairs"]][:_CONTROLS]
