"""Curves of a sampler sweep: each measure against a setting, beside the human band.

`sweep_curves` is data and needs no drawing library; `sweep_figure` draws it with matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark.report.verdict import real, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One setting: `x` is its number, or its place where values are words; nan what is unknown."""

    x: float
    label: str
    value: float
    low: float
    high: float
    best: bool
    may_be_best: bool


@dataclass(frozen=True)
class Curve:
    """One measure along one setting, all others alike (`name` says which), nearest value first.

    floor       95% of random human halves are nearer to each other; nan where unknown
    challenger  value of the corpus held against the settings; nan where there is none
    numeric     whether x is the setting's own number
    """

    sweep: str
    name: str
    setting: str
    metric: str
    unit: str
    points: tuple[Point, ...]
    floor: float
    challenger: float
    numeric: bool


def sweep_curves(
    samplers: pa.Table, metrics: Sequence[str] | None = None, setting: str | None = None,
    stratum: str = "", confidence: float = 0.95,
) -> list[Curve]:  # fmt: skip
    """From the table samplers. One curve a sweep, measure and combination of the other settings.

    `metrics` in the order wanted, all by default; `setting` is what goes along x, by default the
    one with the most numbers among its values, temperature before others.
    """
    rows = [r for r in samplers.to_pylist() if r["stratum"] == stratum]
    names = list(dict.fromkeys(r["metric"] for r in rows))
    wanted = names if metrics is None else [m for m in metrics if m in names]
    out = []
    for sweep in dict.fromkeys(r["sweep"] for r in rows):
        own = [r for r in rows if r["sweep"] == sweep]
        along = setting or _main_setting([r for r in own if not r["challenger"]])
        for metric in wanted:
            some = [r for r in own if r["metric"] == metric]
            out += _curves(sweep, along, metric, some, 1 - confidence)
    return out


def _main_setting(rows: list[Row]) -> str:
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row["settings"]:
            values.setdefault(name, set()).add(value)
    if not values:
        return ""
    return max(values, key=lambda n: (sum(_is_number(v) for v in values[n]), n == "temperature", n))


def _curves(sweep: str, along: str, metric: str, rows: list[Row], level: float) -> list[Curve]:
    settings = [(dict(row["settings"]), row) for row in rows if not row["challenger"]]
    numeric = all(_is_number(own.get(along, "")) for own, _ in settings)
    places = {v: i for i, v in enumerate(dict.fromkeys(s.get(along, "") for s, _ in settings))}
    groups: dict[str, list[Point]] = {}
    for own, row in settings:
        label = own.pop(along, "")
        name = ", ".join(f"{key} {value}" for key, value in own.items())
        x = float(label) if numeric else float(places[label])
        groups.setdefault(name, []).append(
            Point(
                x, label, real(row["value"]), real(row["ci_low"]), real(row["ci_high"]),
                row["super_baseline"], real(row["p_best"]) > level,
            )
        )  # fmt: skip
    against = next((real(row["value"]) for row in rows if row["challenger"]), math.nan)
    floors = [f for f in (real(row["floor"]) for row in rows) if not math.isnan(f)]
    return [
        Curve(
            sweep, name, along, metric, rows[0]["unit"], tuple(sorted(points, key=lambda p: p.x)),
            max(floors, default=math.nan), against, numeric,
        )
        for name, points in groups.items()
    ]  # fmt: skip


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def sweep_figure(curves: Sequence[Curve], columns: int = 3, width: float = 9.0) -> Figure:
    """One panel a measure, all sweeps in it; needs the extra `report`. Raises ValueError for no
    curve."""
    if not curves:
        raise ValueError("no curves to draw; the run has no sweep")
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    columns = min(columns, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    figure = Figure(figsize=(width, 2.4 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, metric in zip(axes, metrics, strict=False):
        _panel(axis, [curve for curve in curves if curve.metric == metric])
    for axis in axes[len(metrics) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7)
    return figure


def _panel(axis: Axes, curves: list[Curve]) -> None:
    floor = max((c.floor for c in curves if not math.isnan(c.floor)), default=math.nan)
    if not math.isnan(floor):
        axis.axhspan(0, floor, color="tab:green", alpha=0.12, lw=0)
    for number, curve in enumerate(curves):
        color, x = f"C{number % 10}", [p.x for p in curve.points]
        name = " ".join(part for part in (curve.sweep, curve.name) if part)
        axis.plot(x, [p.value for p in curve.points], color=color, lw=1.2, label=_plain(name))
        low, high = ([getattr(p, end) for p in curve.points] for end in ("low", "high"))
        axis.fill_between(x, low, high, color=color, alpha=0.15, lw=0)
        for p in curve.points:
            if p.may_be_best or p.best:
                face = color if p.best else "white"
                axis.plot([p.x], [p.value], "o", ms=4, mec=color, mfc=face)
    challenger = curves[0].challenger
    if not math.isnan(challenger):
        axis.axhline(challenger, color="black", ls=":", lw=1)
    first = curves[0]
    if not first.numeric:
        axis.set_xticks([p.x for p in first.points], [_plain(p.label) for p in first.points])
        axis.tick_params(axis="x", rotation=45)
    axis.set_title(_plain(spoken(first.metric)), fontsize=8)
    axis.set_xlabel(_plain(first.setting), fontsize=7)
    axis.set_ylabel(_plain(first.unit), fontsize=7)
    axis.tick_params(labelsize=7)


def _plain(text: str) -> str:
    """Without the dollar signs that matplotlib would read as formulas."""
    return text.replace("$", r"\$")
