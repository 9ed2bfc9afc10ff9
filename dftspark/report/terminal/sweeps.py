"""A sampler sweep on a terminal: the best setting by each measure, and how much of it is luck."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dftspark.report.terminal.drawing import line, plain_table
from dftspark.report.words.rows import Row
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.report.words.verdict import spoken
from dftspark.store.run import Run

_COLORS = {"better": "green", "worse": "red"}
_WIDE = 104  # columns of a terminal
_MOST = 12  # lines of a sweep; the table has the rest


def render(run: Run, console: Console) -> None:
    """Prints one table per sweep, of the measures that sweep.measures names."""
    rows = run.table("super_baseline").to_pylist()
    pairs = run.table("tradeoffs").to_pylist()
    challenger = run.manifest.get("config", {}).get("sweep", {}).get("challenger")
    for sweep in dict.fromkeys(row["sweep"] for row in rows):
        own = [r for r in rows if r["sweep"] == sweep and r["judged"] and not r["stratum"]]
        if not own:
            continue
        settings = max(row["settings"] for row in own)
        line(console, f"{visible(sweep)}: the best of {settings} settings by each measure", "bold")
        console.print(_table(own, sweep, console.width >= _WIDE))
        for note in _notes(own, [p for p in pairs if p["sweep"] == sweep], sweep):
            line(console, note, "dim")
        if challenger and not any(row["challenger"] for row in own):
            said = f"The challenger {visible(challenger)} is not among the corpora compared."
            line(console, said, "yellow")
        console.print()


def _table(rows: list[Row], sweep: str, wide: bool) -> Table:
    """Returns the table, without the interval on a terminal that is too narrow; the page has it."""
    judged = any(row["verdict"] for row in rows)
    table = plain_table()
    table.add_column("measure", overflow="fold")
    table.add_column("best", overflow="fold")
    for name in ("value", "honest", *(["CI"] if wide else [])):
        table.add_column(name, justify="right", no_wrap=True)
    if judged:
        table.add_column("challenger", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for row in rows[:_MOST]:
        best = (row["best"] or MISSING).removeprefix(f"{sweep}/")
        ends = [number(real(row[name])) for name in ("ci_low", "ci_high")]
        cells: list[str | Text] = [
            Text(spoken(row["metric"])),
            Text(visible(best)),
            number(real(row["naive"])),
            number(real(row["honest"])),
        ]
        if wide:
            cells.append(MISSING if MISSING in ends else " to ".join(ends))
        if judged:
            said = row["verdict"] or ""
            shown = "tied" if said == "not distinguishable" else said
            cells += [number(real(row["challenger_value"])), Text(shown, _COLORS.get(said, "dim"))]
        table.add_row(*cells)
    return table


def _notes(rows: list[Row], pairs: list[Row], sweep: str) -> list[str]:
    out = []
    if len(rows) > _MOST:
        out.append(f"{len(rows) - _MOST} more measures are in the table `super_baseline`.")
    if any(not math.isnan(real(row["honest"])) for row in rows):
        out.append("honest: chosen on half of the prompts, reported on the other half.")
    else:
        out.append("No honest values: below sixteen prompts nothing is chosen on halves.")
    told = [p for p in pairs if p["metric"] and not p["stratum"]]
    together = next((p for p in pairs if not p["metric"] and not p["stratum"]), None)
    if told and together is not None:
        differ = sum(p["differ"] for p in told)
        out.append(
            f"Best settings differ beyond noise in {differ} of {len(told)} pairs of measures; "
            f"that one setting is best by all: p = {together['p_value']:.2g}."
        )
    return out
