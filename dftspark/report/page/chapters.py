"""A model in full: what the first screen says of it, and its chapters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dftspark.report.page import figures, figures_tables
from dftspark.report.page.figure import Figure
from dftspark.report.words import tell
from dftspark.report.words.lenses import lenses, measure
from dftspark.report.words.rows import of_pair
from dftspark.report.words.shown import Chips, Examples, Section, Telltale
from dftspark.report.words.summary import facts_of
from dftspark.report.words.tell import Standing
from dftspark.report.words.text import MISSING, real, visible
from dftspark.report.words.verdict import (
    evidence,
    finding,
    more_than,
    p_value,
    short,
    span,
    spoken,
)
from dftspark.store.run import Run


@dataclass(frozen=True)
class InFull:
    """A model shown in full; `anchor` begins the anchors of its chapters, `at` is its place among
    those of the page."""

    at: int
    model: str
    anchor: str
    name: str
    finding: str
    missing: str
    answers: dict[str, Any]
    measured: str
    measures: Figure
    all_measures: Figure
    differences: Figure | None
    sections: list[Section]
    examples: list[Examples]
    telltales: list[Telltale]


def in_full(run: Run, at: int, standing: Standing, anchor: str) -> InFull:
    """Reads what a page shows of a model."""
    model, stratum = standing.model, standing.stratum
    sections = [lens.section(run, model, stratum) for lens in lenses()]
    return InFull(
        at=at,
        model=model,
        anchor=anchor,
        name=visible(model, 80),
        finding=finding(standing),
        missing="" if standing.lenses else standing.reason,
        answers=_answers(run, standing),
        measured=_measured(run, model, stratum),
        measures=figures.measures(run, model, stratum),
        all_measures=figures.measures(run, model, stratum, every=True),
        differences=figures_tables.differences(run, model),
        sections=[section for section in sections if section is not None],
        examples=[shown for lens in lenses() for shown in lens.examples(run, model)],
        telltales=[told for lens in lenses() for told in lens.telltales(run, model, stratum)],
    )


def _answers(run: Run, standing: Standing) -> dict[str, Any]:
    """Returns what the first screen says of a model: how far, by what, how sure."""
    model, stratum = standing.model, standing.stratum
    chips: list[Chips] = [
        shown
        for lens in lenses()
        for shown in lens.where(run, model, stratum, standing.told)
        if shown.over or shown.under
    ]
    return {**_sure(run, standing), "chips": chips, "facts": facts_of(run, standing)}


def _sure(run: Run, standing: Standing) -> dict[str, Any]:
    """Returns the numbers of the first screen in their printed form; empty strings for missing
    ones."""
    size, below = standing.size, tell.fitted_below(run)
    lead = standing.lenses[0].size if standing.told else None
    return {
        "told": standing.told,
        "lenses": [
            {"name": lens.name, "said": short(lens.size)}
            for lens in standing.lenses
            if lens.told and lens.size.known
        ],
        "untold": [
            {"name": lens.name, "said": more_than(lens.size)}
            for lens in standing.lenses
            if not lens.told and not math.isnan(lens.size.low)
        ],
        "more_than": more_than(size) if size and not standing.told else "",
        "unit": size.unit if size else "documents",
        "span": span(lead) if lead and span(lead) != MISSING else "",
        "handful": bool(lead and lead.n < tell.LEAST),
        "beyond": bool(lead and lead.beyond),
        "p": evidence(standing, below) if standing.lenses else "",
        "several": len(standing.lenses),
        "judged": standing.judged,
        "parity_p": p_value(standing.main),
        "measure": spoken(standing.main["metric"]),
        "main": standing.main,
    }


def _measured(run: Run, model: str, stratum: str) -> str:
    """Says how many measures find a difference."""
    rows = of_pair(run, "metrics", model, stratum)
    tested = [row for row in rows if not math.isnan(real(row["p_value"]))]
    if not tested:
        return f"{len(rows)} measures, with their intervals."
    told = sum(real(row["p_value"]) < 0.05 for row in tested)
    shown = sum(measure(row["metric"]).main for row in rows)
    main = f"; the {shown} main ones with interval, floor and p" if shown else ""
    return f"{told} of {len(tested)} tested measures find a difference{main}."
