"""Declarations of the structure lens for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dftspark.report.words.shown import (
    PLUG_IN,
    Chips,
    Examples,
    Foldout,
    Section,
    Shown,
    ShownMeasure,
    Table,
    Telltale,
)
from dftspark.store.run import Run

if TYPE_CHECKING:
    from rich.console import Console


MEASURES = (
    ShownMeasure(
        r"structure_omnibus", "Structure, all measures in one",
        "All rates and means of constructions and rhythm in one test: squared differences in units "
        "of what documents of one side scatter, unbiased, so it may be a little below 0.",
        "Σ (difference / spread)² − bias", "any", main=True,
        square=True,
    ),
    ShownMeasure(
        r"structure_outside", "Structure, measures that differ",
        "Share of the judged constructions and rhythms whose own p is below .05.",
        "measures with p < .05 / judged measures", "0 to 1", "0.05", main=True,
    ),
    ShownMeasure(
        r"structure_factor", "Structure, typical factor",
        "By what factor rates differ, on average over all judged measures, without what chance "
        "adds; rare measures are shrunk.", "exp √ mean (log ratio² − bias)", "≥ 1", "1", main=True,
    ),
    ShownMeasure(
        r"wasserstein_(\w+)", "Distribution of {n}",
        "By how much the model's values would have to move, on average, to be distributed as the "
        "human ones.",
        "∫ |F − G|", "≥ 0", PLUG_IN,
    ),
    ShownMeasure(
        r"rate_(\w+)", "{n}, off by",
        "By how much the rate of a construction differs, in its unit; of a sweep's settings.",
        "|model − human|", "≥ 0", PLUG_IN,
    ),
)  # fmt: skip


class StructureShown(Shown):
    name = "structure"
    title = "Structure"
    lead, word = "structure_omnibus", "structure"
    stands = ("structure_omnibus",)
    by_value = "structure_factor"
    compared = ("structure_omnibus", "structure_factor")
    brief = ("structure_(omnibus|factor|outside)",)
    measures = MEASURES
    tables: Mapping[str, Table] = {
        "patterns": Table(
            "model stratum pattern rate_human rate_model unit ratio q_value outside precision",
            listed=True,
            drawn=True,
        ),
    }
    glossary: Mapping[str, str] = {
        "structure": "The rates of all constructions and rhythms that could be judged, in one "
        "test.",
        "constructions": "Rates of the model over those of the human text, of the constructions "
        "and rhythms that differ most, beyond chance (q below 0.05).",
    }

    def where(self, run: Run, model: str, stratum: str, told: bool) -> list[Chips]:
        from dftspark.lenses.structure.figures import differing

        over, under = differing(run, model, stratum)
        after = ", times the human rate"
        return [Chips("", over, under, "constructions", "Constructions", after)]

    def telltales(self, run: Run, model: str, stratum: str) -> list[Telltale]:
        from dftspark.lenses.structure.figures import telltales

        return telltales(run, model, stratum)

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        from dftspark.lenses.structure.figures import gist, structure

        if "patterns" not in run.tables:
            return None
        every = Foldout(
            "All constructions and rhythms", [structure(run, model, stratum, every=True)]
        )
        parts = (structure(run, model, stratum), every)
        said = gist(run, model, stratum)
        return Section("structure", "Structure", "Constructions and rhythm", parts, said)

    def examples(self, run: Run, model: str) -> list[Examples]:
        from dftspark.lenses.structure.figures import constructions

        return constructions(run, model)

    def show(self, run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
        from dftspark.lenses.structure.terminal import show

        if "patterns" in run.tables:
            show(run, console, model, stratum, rows)


SHOWN = StructureShown()
