"""Two runs beside each other on a terminal."""

from __future__ import annotations

import math
from itertools import groupby

from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import line, table
from dftspark.report.words.lenses import lenses
from dftspark.report.words.rows import Row
from dftspark.report.words.run_diff import RunDiff, verdict
from dftspark.report.words.shown import chosen
from dftspark.report.words.text import MISSING, number, visible
from dftspark.report.words.verdict import documents, plain_p
from dftspark.store.run import Run

_SETTINGS = 20  # that are shown of what differs
_STYLES = {"nearer": "green", "farther": "red", "other": "yellow"}


def render(first: Run, second: Run, found: RunDiff, console: Console) -> None:
    """Prints the brief measures of every model, then what else differs."""
    line(console, f"A  {visible(first.id)}  {visible(first.manifest.get('date', ''))}".rstrip())
    line(console, f"B  {visible(second.id)}  {visible(second.manifest.get('date', ''))}".rstrip())
    order = sorted(found.rows, key=lambda row: (row["model"], row["stratum"]))
    for (model, stratum), own in groupby(order, key=lambda row: (row["model"], row["stratum"])):
        if not stratum:
            _model(console, model, list(own))
    _differing(console, found)
    line(
        console,
        "p is adjusted for the number of measures (Holm). Errors are those of independent runs: "
        "too large rather than too small where both read the same human text. --json has all "
        "measures and strata.",
        "dim",
    )


def _model(console: Console, model: str, rows: list[Row]) -> None:
    brief = [row for own in lenses() for row in chosen(rows, own.brief)] or rows
    other = rows[0]["other"]
    title = visible(model) if model == other else f"{visible(model)} (A), {visible(other)} (B)"
    console.print()
    console.rule(Text(title, "bold"), align="left", style="dim")
    line(console, verdict(rows), "bold")
    drawn = table("measure", "A", "B", "B - A", "p", "tells at: A", "B", "", left=("",))
    for row in brief:
        drawn.add_row(
            Text(visible(row["metric"])),
            number(row["first"]),
            number(row["second"]),
            number(row["difference"]),
            plain_p(row["p_adjusted"]),
            *(_size(row[f"n_tell_{run}"]) for run in ("first", "second")),
            Text(row["verdict"] or row["why_not"], _STYLES.get(row["verdict"], "dim")),
        )
    console.print(drawn)


def _size(n: float) -> str:
    return MISSING if math.isnan(n) or math.isinf(n) else documents(n)


def _differing(console: Console, found: RunDiff) -> None:
    console.print()
    if not found.changed:
        return line(console, "Settings, versions and sizes are the same.", "dim")
    drawn = table("what differs", "A", "B", left=("A", "B"))
    for name, before, after in found.changed[:_SETTINGS]:
        drawn.add_row(*(Text(visible(part, 60)) for part in (name, before, after)))
    console.print(drawn)
    more = len(found.changed) - _SETTINGS
    if more > 0:
        line(console, f"{more} more differences are in --json.", "dim")
