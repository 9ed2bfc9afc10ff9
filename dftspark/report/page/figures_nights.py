"""Nights by lenses: how far each model has moved from its own nights before, as numbers and lines.

A change is of the tell size, over the median of up to BEFORE nights before; DRIFT and more is
marked. A tell size does not depend on how much was read, so nights of unlike sizes compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.figures_lines import Line, curves, dated, day, rows_of
from dftspark.report.page.figures_models import signs
from dftspark.report.page.figures_tables import OUTCOMES
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads
from dftspark.report.words.rows import confidence_of
from dftspark.report.words.tell import Size
from dftspark.report.words.text import MISSING, visible
from dftspark.report.words.verdict import short
from dftspark.store.run import Run

BEFORE = 28  # nights
DRIFT = 0.1
NO_CHANGE = "±0%"
ROWS = 60  # of a table
_MODELS = 8  # with lines of their own, and with rows of a table


@dataclass(frozen=True)
class Series:
    """The dates of one audit, oldest first: each run with the tell sizes of its models by lens."""

    runs: dict[str, Run]
    sizes: dict[str, dict[tuple[str, str], Size]]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Series:
        """Reads the last run of each date."""
        known = dated(runs)
        return cls(known, {date: _sizes(run) for date, run in known.items()})

    @cached_property
    def models(self) -> list[str]:
        """Those of the newest date, nearest to human first."""
        newest = next(reversed(self.runs.values()), None)
        return [model.model for model in tell.of_run(newest)] if newest else []

    @cached_property
    def words(self) -> list[str]:
        """Lenses with a tell size on any date, by what a model is told."""
        known = {word for sizes in self.sizes.values() for _, word in sizes}
        return [word for word in leads().values() if word in known]

    def change(self, date: str, model: str, word: str) -> float:
        """Returns the tell size over its median before; nan without both, and where both are too
        small to be told from each other."""
        dates = list(self.sizes)
        before = dates[max(0, dates.index(date) - BEFORE) : dates.index(date)]
        known = [n for one in before if math.isfinite(n := self._n(one, model, word))]
        now = self._n(date, model, word)
        if not known or math.isnan(now) or max(now, median(known)) <= tell.LEAST:
            return math.nan
        return now / median(known)

    def _n(self, date: str, model: str, word: str) -> float:
        size = self.sizes[date].get((model, word))
        return max(size.n, tell.LEAST) if size and size.known else math.nan


def _sizes(run: Run) -> dict[tuple[str, str], Size]:
    clusters = tell.clusters_of(run)
    return {
        (row["model"], leads()[row["metric"]]): tell.size_of(row, clusters)
        for row in rows_of(run)
        if row["metric"] in leads() and "n_tell" in row
    }


def told_change(ratio: float) -> str:
    """Writes +12%, −3%, ±0%; empty for nan."""
    if math.isnan(ratio):
        return ""
    percent = round(100 * (ratio - 1))
    if percent == 0:
        return NO_CHANGE
    return f"{'+' if percent > 0 else '−'}{abs(percent)}%"


def drifted(ratio: float) -> bool:
    """Returns whether a change, up or down, is DRIFT or more."""
    return not math.isnan(ratio) and abs(ratio - 1) >= DRIFT - 1e-9


def drift(series: Series) -> list[Figure]:
    """Draws for each lens how far the models are from their own medians; none below two nights."""
    if len(series.runs) < 2:
        return []
    return [figure for word in series.words if (figure := _drift_of(series, word)) is not None]


def _drift_of(series: Series, word: str) -> Figure | None:
    lines = []
    for model in series.models[:_MODELS]:
        sizes = [
            (date, own[model, word]) for date, own in series.sizes.items() if (model, word) in own
        ]
        known = [(date, size) for date, size in sizes if size.known]
        if not known:
            continue
        middle = median(max(size.n, tell.LEAST) for _, size in known)
        if all(size.n <= tell.LEAST for _, size in known):
            continue  # too few to be told from each other
        line = Line(visible(model, 60))
        for date, size in known:
            low, high = size.ends
            at = max(size.n, tell.LEAST) / middle
            line.points.append((day(date), at, low / middle, high / middle, date, ""))
        lines.append(line)
    if not lines:
        return None
    newest = next(reversed(series.runs.values()))
    return curves(
        title=f"{word.capitalize()}: change by night",
        lines=lines,
        x_name="night",
        kind="drift",
        confidence=confidence_of(newest),
    )


def nights(series: Series, pages: Mapping[str, str], outcomes: Mapping[str, str]) -> Figure | None:
    """Draws a row for each night and model, newest first: tell sizes, changes, and what the rules
    said. `pages` and `outcomes` go by run id. None below two nights."""
    if len(series.runs) < 2:
        return None
    newest = next(reversed(series.runs.values()))
    rows: list[dict[str, Any]] = []
    for date, run in reversed(series.runs.items()):
        own = {model for model, _ in series.sizes[date]}
        rows += [
            {
                "date": visible(date[:16].replace("T", " ")),
                "page": pages.get(run.id, ""),
                "model": visible(model, 60),
                "outcome": outcomes.get(run.id, ""),
                "rules": OUTCOMES.get(outcomes.get(run.id, ""), ""),
                "cells": [_cell(series, date, model, word) for word in series.words],
            }
            for model in series.models[:_MODELS]
            if model in own
        ]
        if len(rows) >= ROWS:
            break
    return draw(
        "nights",
        about=visible(str(newest.manifest.get("name", newest.id)), 80),
        words=series.words,
        rows=rows[:ROWS],
        ruled=any(row["rules"] for row in rows),
        before=BEFORE,
        more=len(series.runs) - len({row["date"] for row in rows[:ROWS]}),
    )


def _cell(series: Series, date: str, model: str, word: str) -> dict[str, Any]:
    size = series.sizes[date].get((model, word))
    ratio = series.change(date, model, word)
    said = short(size) if size else MISSING
    return {"said": signs(said), "change": told_change(ratio), "off": drifted(ratio)}
