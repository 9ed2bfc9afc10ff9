"""Figures of one run: measures, models side by side, words and phrases, structure.

Each is a function of a run's tables and gives a `Figure`; nothing is computed that the tables do
not hold. Differences are model minus human: what the model has more of points right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import Scale, counts, ratios
from dftspark.report.words import tell
from dftspark.report.words.measures import measure
from dftspark.report.words.rows import LEVEL, Row, confidence_of, most_apart, of_pair, told_apart
from dftspark.report.words.tell import Size, Standing
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.report.words.verdict import interval, missing, p_value, plain_p, short, span
from dftspark.store.run import Run

_LENSES = {
    "ngrams": "Words and phrases",
    "embeddings": "Content and style",
    "structure": "Structure",
    "variety": "Variety",
    "judge": "Judge",
}
_MODELS = 50  # of a matrix
_COMPARED = (
    "js_1gram", "l2_squared_corrected_1gram", "l2_squared_corrected_2gram", "mmd_squared",
    "energy_distance", "structure_omnibus", "structure_factor", "c2st_auc",
)  # fmt: skip


def measures(run: Run, model: str, stratum: str = "", every: bool = False) -> Figure:
    """The tell size of each measure on one axis of documents, with its value, floor and p."""
    rows = of_pair(run, "metrics", model, stratum)
    chosen = [row for row in rows if every or measure(row["metric"]).main]
    chosen.sort(key=lens_order)
    clusters = tell.clusters_of(run)
    shown = [_measured(row, tell.size_of(row, clusters)) for row in chosen]
    groups = [
        {"title": title, "rows": [row for row in shown if row["lens"] == lens]}
        for lens, title in _titles(shown).items()
    ]
    return draw(
        "measures",
        groups=[group for group in groups if group["rows"]],
        axis=_axis(row["size"] for row in shown if row["placed"]),
        confidence=confidence_of(run),
        sized=not tell.old(run),
        fitted=_fitted(run, chosen),
        notes=_notes(chosen),
        hidden=len(rows) - len(chosen),
    )


def ladder(run: Run, stratum: str = "") -> Figure:
    """Every model by the tell size of its leading lens, nearest to human first; ties are named."""
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
    """Models by the tell sizes of measures; None for a run without metrics."""
    if "metrics" not in run.tables:
        return None
    rows = run.table("metrics", where=pc.field("stratum") == "").to_pylist()
    clusters = tell.clusters_of(run)
    order = [model.model for model in tell.ranked(rows, clusters)]
    cells = {(row["model"], row["metric"]): row for row in rows}
    names = {row["metric"] for row in rows}
    shown = [name for name in _COMPARED if name in names]
    shown += sorted(n for n in names if n.startswith("jmq_overall"))[:2]
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


def shift(run: Run, model: str, n: int = 1, stratum: str = "", rows: int = 24) -> Figure:
    """The n-grams that carry the distance, over-used ones to the right; all parts sum to it."""
    columns = [
        "model", "stratum", "n", "text", "per_million_human", "per_million_model", "q_value",
        "contribution", "share",
    ]  # fmt: skip
    found = [
        row for row in of_pair(run, "ngrams", model, stratum, columns)
        if row["n"] == n and row["share"] is not None  # of no distance nothing has a share
    ]  # fmt: skip
    listed = [row for row in found if row["text"] is not None]
    listed.sort(key=lambda row: (-real(row["share"]), row["text"]))
    shown, further = listed[:rows], listed[rows:]
    rest = sum(real(row["share"]) for row in found if row["text"] is None)
    longest = max((math.sqrt(real(row["share"])) for row in shown), default=1.0) or 1.0
    distance = [
        row for row in of_pair(run, "metrics", model, stratum) if row["metric"] == f"l2_{n}gram"
    ]
    parts = {
        "shown": sum(real(row["share"]) for row in shown),
        "further": sum(real(row["share"]) for row in further),
        "rest": rest,
    }
    return draw(
        "shift",
        rows=[_shifted(row, longest) for row in shown],
        parts=parts | {"all": sum(parts.values())},
        further=len(further),
        n=n,
        distance=real(distance[0]["value"]) if distance else math.nan,
    )


def giveaways(run: Run, model: str, stratum: str = "", rows: int = 16) -> Figure:
    """Tokens that more of the model's documents have than chance gives, most over-used first."""
    found = of_pair(run, "document_ratios", model, stratum)
    telling = overused(found)
    shown = telling[:rows]
    return draw(
        "giveaways",
        rows=shown,
        axis=ratios([real(row["ratio"]) for row in shown], least=1.0),
        told=len(telling),
        of=len(found),
        tested=not found or "q_value" in found[0],
    )


def overused(rows: list[Row]) -> list[Row]:
    """Words of document_ratios with a valid test that more of the model's documents have."""
    telling = [
        row for row in rows
        if real(row.get("q_value")) < LEVEL and real(row["ratio"]) > 1
        and any(map(str.isalpha, row["token"]))
    ]  # fmt: skip
    return sorted(
        telling, key=lambda row: (-real(row["ratio"]), -real(row["share_model"]), row["token"])
    )


def structure(
    run: Run, model: str, stratum: str = "", rows: int = 20, every: bool = False
) -> Figure:
    """Model over human rate of each construction and rhythm, beside what chance gives."""
    found = of_pair(run, "patterns", model, stratum)
    able = [row for row in found if real(row["ratio"]) > 0]
    differ = [row for row in able if told_apart(row)]
    chosen = able if every else most_apart(differ, rows)
    chosen = sorted(chosen, key=lambda row: -row["ratio"])
    axis = ratios([v for row in chosen for v in (row["ratio"], *_band(row))])
    return draw(
        "structure",
        rows=[
            {**row, "band": _band(row), "told": told_apart(row), "test": _test(row)}
            for row in chosen
        ],
        axis=axis,
        told=sum(map(told_apart, found)),
        of=sum(not math.isnan(real(row["q_value"])) for row in found),
        every=every,
    )


def _measured(row: Row, size: Size) -> Row:
    """A row of metrics with its tell size, placed where that has an end to show."""
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
        v for size in sizes
        for v in (max(size.n, tell.LEAST) if size.known else math.nan, *size.ends)
    )  # fmt: skip


def _fitted(run: Run, rows: list[Row]) -> float:
    """The p below which a tail is fitted, where such a p is shown; else nan."""
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


def lens_order(row: Row) -> int:
    names = list(_LENSES)
    return names.index(row["lens"]) if row["lens"] in names else len(names)


def _titles(rows: list[Row]) -> dict[str, str]:
    return {row["lens"]: _LENSES.get(row["lens"], str(row["lens"])) for row in rows}


def _notes(rows: list[Row]) -> list[str]:
    return sorted({missing(row) for row in rows} - {""})


def _shifted(row: Row, longest: float) -> Row:
    human, model = real(row["per_million_human"]), real(row["per_million_model"])
    length = 46 * math.sqrt(real(row["share"])) / longest
    return {
        **row,
        "length": f"{length:.2f}%",
        "start": f"{50 - length:.2f}%",
        "over": real(row["contribution"]) > 0,
        "times": "new" if not human else None,
        "ratio": model / human if human else math.nan,
        "told": told_apart(row),
        "test": _test(row),
    }


def _test(row: Row) -> str:
    q = real(row["q_value"])
    return "no test" if math.isnan(q) else "" if q < LEVEL else f"q = {q:.2g}"


def _band(row: Row) -> tuple[float, float]:
    """What chance gives around a rate, as ratios; (1, 1) where the measure has no such band."""
    human, band = real(row["rate_human"]), real(row["band"])
    if row["kind"] == "distribution" or not human > 0 or math.isnan(band):
        return 1.0, 1.0
    return max((human - band) / human, 0.001), (human + band) / human
