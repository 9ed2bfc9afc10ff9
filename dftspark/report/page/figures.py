"""Figures of one run over all lenses: measures, and models side by side.

Each is a function of a run's tables and returns a `Figure`; nothing is computed that the tables do
not hold. Differences are model minus human: bars point right for what the model has more of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import Scale, counts
from dftspark.report.words import tell
from dftspark.report.words.lenses import lens, lenses, matching, measure, place
from dftspark.report.words.rows import Row, confidence_of, of_pair
from dftspark.report.words.tell import Size, Standing
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.report.words.verdict import interval, missing, p_value, plain_p, short, span
from dftspark.store.run import Run

_MODELS = 50  # of a matrix


def measures(run: Run, model: str, stratum: str = "", every: bool = False) -> Figure:
    """Draws the tell size of each measure on one axis of documents, with its value, floor and p."""
    rows = of_pair(run, "metrics", model, stratum)
    chosen = [row for row in rows if every or measure(row["metric"]).main]
    chosen.sort(key=lambda row: place(row["lens"]))
    clusters = tell.clusters_of(run)
    shown = [_measured(row, tell.size_of(row, clusters)) for row in chosen]
    groups = [
        {"title": lens(name).title, "rows": [row for row in shown if row["lens"] == name]}
        for name in dict.fromkeys(row["lens"] for row in shown)
    ]
    return draw(
        "measures",
        groups=groups,
        axis=_axis(row["size"] for row in shown if row["placed"]),
        confidence=confidence_of(run),
        sized=not tell.old(run),
        fitted=_fitted(run, chosen),
        notes=_notes(chosen),
        hidden=len(rows) - len(chosen),
    )


def ladder(run: Run, stratum: str = "") -> Figure:
    """Draws every model by the tell size of its leading lens, nearest to human first; ties are
    named."""
    models = tell.of_run(run, stratum)
    rows = [_rung(model) for model in models]
    for row, model, before in zip(rows[1:], models[1:], models, strict=False):
        row["tied"] = tell.tied(before, model)
    return draw(
        "ladder",
        rows=rows,
        axis=_axis(row["size"] for row in rows if row["placed"]),
        fitted=any(row["p_value"] < tell.fitted_below(run) for row in rows),
        fitted_below=tell.fitted_below(run),
    )


def matrix(run: Run) -> Figure | None:
    """Draws models by the tell sizes of measures; None for a run without metrics."""
    if "metrics" not in run.tables:
        return None
    rows = run.table("metrics", where=pc.field("stratum") == "").to_pylist()
    clusters = tell.clusters_of(run)
    order = [model.model for model in tell.ranked(rows, clusters)]
    cells = {(row["model"], row["metric"]): row for row in rows}
    names = {row["metric"] for row in rows}
    shown = [name for known in lenses() for name in matching(names, known.compared)]
    return draw(
        "matrix",
        about=visible(str(run.manifest.get("name", run.id))),
        columns=[(name, measure(name)) for name in shown],
        rows=[
            (model, [_cell(cells.get((model, name)), clusters) for name in shown])
            for model in order[:_MODELS]
        ],
        left_out=len(order[_MODELS:]),
    )


def _measured(row: Row, size: Size) -> Row:
    """Returns a row of metrics with its tell size, and whether the tell size can stand on the
    axis."""
    about = measure(row["metric"])
    no_place = about.apart or not (size.known or (not size.told and short(size) != MISSING))
    return {
        **row,
        "about": about,
        "interval": interval(row),
        "p": p_value(row),
        "floor": real(row["floor"]),
        "said": short(size),
        "span": span(size),
        "size": size,
        "placed": not no_place,
    }


def _rung(model: Standing) -> Row:
    size = model.size
    lead = model.lenses[0] if model.told else None
    return {
        "model": model.model,
        "size": size,
        "placed": size is not None,
        "said": short(size) if size else MISSING,
        "span": span(size) if size else MISSING,
        "unit": size.unit if size else "",
        "lens": lead.name if lead else "",
        "told": model.told,
        "tied": False,
        "p_value": model.p_value,
        "p": plain_p(model.p_value),
        "why": _value_of(model) if size is None else "",
    }


def _value_of(model: Standing) -> str:
    row = model.main
    return f"{model.reason or 'by a judge'}: {row['metric']} {number(real(row['value']))}"


def _axis(sizes: Iterable[Size]) -> Scale:
    return counts(
        v
        for size in sizes
        for v in (max(size.n, tell.LEAST) if size.known else math.nan, *size.ends)
    )


def _fitted(run: Run, rows: list[Row]) -> float:
    """Returns the p below which a tail is fitted, if such a p is shown; else nan."""
    below = tell.fitted_below(run)
    return below if any(real(row["p_value"]) < below for row in rows) else math.nan


def _cell(row: Row | None, clusters: dict[str, int]) -> dict[str, Any]:
    if row is None:
        return {"kind": "", "said": MISSING}
    size = tell.size_of(row, clusters)
    if measure(row["metric"]).apart or short(size) == MISSING:
        return {"kind": "value", "said": number(real(row["value"]))}
    steps = (1_000, 200, 50, 16)
    level = sum(size.n <= step for step in steps) if size.known else 0
    return {"kind": "size", "said": short(size), "level": level}


def _notes(rows: list[Row]) -> list[str]:
    return sorted({missing(row) for row in rows} - {""})
