"""Figures of one run: measures, models side by side, words and phrases, structure.

Each is a function of a run's tables and gives a `Figure`; nothing is computed that the tables do
not hold. Differences are model minus human: what the model has more of points right.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow.compute as pc

from dftspark.report.figure import Figure, draw
from dftspark.report.measures import measure
from dftspark.report.scale import ratios
from dftspark.report.text import visible
from dftspark.report.verdict import interval, missing, ranked, real, rounding, times_floor
from dftspark.store.run import Run

Row = dict[str, Any]

_LENSES = {
    "ngrams": "Words and phrases",
    "embeddings": "Content and style",
    "structure": "Structure",
    "variety": "Variety",
    "judge": "Judge",
}
_LEVEL = 0.05
_MODELS = 50  # of a matrix
_COMPARED = (
    "l2_1gram", "l2_2gram", "js_1gram", "mmd", "energy_distance", "frechet_corrected",
    "structure_outside", "structure_factor", "c2st_auc",
)  # fmt: skip


def of_pair(
    run: Run, table: str, model: str, stratum: str = "", columns: list[str] | None = None
) -> list[Row]:
    """Rows of a table about one pair; none where the run has no such table."""
    if table not in run.tables:
        return []
    where = (pc.field("model") == model) & (pc.field("stratum") == stratum)
    found: list[Row] = run.table(table, columns, where).to_pylist()
    return found


def confidence_of(run: Run) -> float:
    return float(run.manifest.get("config", {}).get("inference", {}).get("confidence", 0.95))


def measures(run: Run, model: str, stratum: str = "", every: bool = False) -> Figure:
    """Value, interval and human floor of each measure, on one axis in units of the floor."""
    rows = of_pair(run, "metrics", model, stratum)
    chosen = [row for row in rows if every or measure(row["metric"]).main]
    chosen.sort(key=lens_order)
    shown = [_measured(row) for row in chosen]
    axis = ratios(
        [v for row in shown if row["ratio"] is not None
         for v in (row["ratio"], row["low"], row["high"])]
    )  # fmt: skip
    groups = [
        {"title": title, "rows": [row for row in shown if row["lens"] == lens]}
        for lens, title in _titles(shown).items()
    ]
    return draw(
        "measures",
        groups=[group for group in groups if group["rows"]],
        axis=axis,
        confidence=confidence_of(run),
        notes=_notes(chosen),
        hidden=len(rows) - len(chosen),
    )


def ladder(run: Run, stratum: str = "") -> Figure:
    """Every model by the measure that its verdict rests on, nearest to human first."""
    mains = [row for row in _mains(run, stratum) if row["stratum"] == stratum]
    shown = [_measured(row) for row in mains]
    axis = ratios(
        [v for row in shown if row["ratio"] is not None
         for v in (row["ratio"], row["low"], row["high"])]
    )  # fmt: skip
    return draw("ladder", rows=shown, axis=axis, confidence=confidence_of(run))


def matrix(run: Run) -> Figure | None:
    """Models by measures, in units of the human-human floor; None for a run without metrics."""
    if "metrics" not in run.tables:
        return None
    rows = run.table("metrics", where=pc.field("stratum") == "").to_pylist()
    order = [row["model"] for row in ranked(rows)]
    cells = {(row["model"], row["metric"]): row for row in rows}
    names = {row["metric"] for row in rows}
    shown = [name for name in _COMPARED if name in names]
    shown += sorted(n for n in names if n.startswith("jmq_overall"))[:2]
    return draw(
        "matrix",
        about=visible(str(run.manifest.get("name", run.id))),
        columns=[(name, measure(name)) for name in shown],
        rows=[
            (model, [_cell(cells.get((model, name))) for name in shown])
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
    """Tokens that many more of the model's documents have, beside the human floor of that ratio."""
    found = of_pair(run, "document_ratios", model, stratum)
    telling = [row for row in found if _is_word(row["token"])]
    telling.sort(key=lambda row: (-real(row["ratio"]), -real(row["share_model"]), row["token"]))
    shown = telling[:rows]
    axis = ratios([real(row["ratio"]) for row in shown] + [_floor(shown)], least=1.0)
    return draw("giveaways", rows=shown, axis=axis, floor=_floor(shown), of=len(found))


def structure(
    run: Run, model: str, stratum: str = "", rows: int = 20, every: bool = False
) -> Figure:
    """Model over human rate of each construction and rhythm, beside the human band."""
    found = of_pair(run, "patterns", model, stratum)
    able = [row for row in found if real(row["ratio"]) > 0]
    outside = [row for row in able if row["outside"]]
    chosen = able if every else farthest(outside, rows)
    chosen = sorted(chosen, key=lambda row: -row["ratio"])
    axis = ratios([v for row in chosen for v in (row["ratio"], *_band(row))])
    return draw(
        "structure",
        rows=[{**row, "band": _band(row)} for row in chosen],
        axis=axis,
        outside=sum(bool(row["outside"]) for row in found),
        of=len(found),
        every=every,
    )


def farthest(rows: list[Row], most: int) -> list[Row]:
    """Half of them for what the model does more, half for what it does less, farthest first."""
    far = sorted(rows, key=lambda row: -abs(math.log(row["ratio"])))
    more = [row for row in far if row["ratio"] > 1][: most - most // 2]
    return [*more, *[row for row in far if row["ratio"] <= 1][: most // 2]]


def _mains(run: Run, stratum: str) -> list[Row]:
    if "metrics" not in run.tables:
        return []
    return ranked(run.table("metrics", where=pc.field("stratum") == stratum).to_pylist())


def _measured(row: Row) -> Row:
    """A row of metrics with its place in units of the floor, where it has one."""
    floor, known = real(row["floor"]), row["better"] == "lower"
    placed = known and floor > 0 and not (math.isnan(real(row["value"])) or rounding(row))
    scaled = {name: real(row[name]) / floor if placed else None
              for name in ("value", "ci_low", "ci_high")}  # fmt: skip
    return {
        **row,
        "about": measure(row["metric"]),
        "interval": interval(row),
        "ratio": scaled["value"],
        "low": scaled["ci_low"],
        "high": scaled["ci_high"],
        "outside": placed and (scaled["value"] or 0) > 1,
        "why": missing(row) or _no_place(row),
    }


def _cell(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"kind": "", "value": None}
    beside = times_floor(row)
    if row["better"] != "lower" or beside != beside:
        return {"kind": "value", "value": row["value"]}
    steps = (1.0, 2.0, 5.0, 10.0)
    return {"kind": "times", "value": beside, "level": sum(beside > step for step in steps)}


def _no_place(row: Row) -> str:
    if row["better"] != "lower":
        return f"{row['better']} is nearer to human; not on this axis"
    return ""


def lens_order(row: Row) -> int:
    names = list(_LENSES)
    return names.index(row["lens"]) if row["lens"] in names else len(names)


def _titles(rows: list[Row]) -> dict[str, str]:
    return {row["lens"]: _LENSES.get(row["lens"], str(row["lens"])) for row in rows}


def _notes(rows: list[Row]) -> list[str]:
    return sorted({missing(row) for row in rows} - {""} - {_NO_FLOOR})


_NO_FLOOR = "no ratio: the human-human floor is missing or zero"


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
        "tested": real(row["q_value"]) <= _LEVEL,
    }


def _is_word(token: str) -> bool:
    return any(map(str.isalpha, token))


def _floor(rows: list[Row]) -> float:
    return max((real(row["ratio_floor"]) for row in rows), default=math.nan)


def _band(row: Row) -> tuple[float, float]:
    """The human band around a rate as ratios; (1, 1) where the measure has no such band."""
    human, band = real(row["rate_human"]), real(row["band"])
    if row["kind"] == "distribution" or not human > 0 or math.isnan(band):
        return 1.0, 1.0
    return max((human - band) / human, 0.001), (human + band) / human
