"""Declarations of the variety lens for the report."""

from __future__ import annotations

from collections.abc import Mapping

from dftspark.report.words.shown import Section, Shown, Table
from dftspark.store.run import Run


class VarietyShown(Shown):
    name = "variety"
    title = "Variety"
    tables: Mapping[str, Table] = {
        "variety": Table(
            "model stratum metric human_value value ci_low ci_high better unit",
            drawn=True,
        ),
    }

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        from dftspark.lenses.variety.figures import variety

        figure = variety(run, model, stratum)
        if figure is None:
            return None
        said = "Whether answers repeat each other, or the human one."
        return Section("variety", "Variety", "Variety", [figure], said)


SHOWN = VarietyShown()
