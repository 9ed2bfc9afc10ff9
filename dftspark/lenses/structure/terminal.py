"""The structure lens on a terminal: the patterns and measures that differ most, beyond chance."""

from __future__ import annotations

import math

from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import line, table
from dftspark.report.words.rows import most_apart, of_pair, told_apart
from dftspark.report.words.text import MISSING, number, ratio, real, visible
from dftspark.store.run import Run

_COLUMNS = "model stratum pattern unit rate_human rate_model ratio q_value precision"


def show(run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
    """Prints what differs most: half of the lines for what the model does more, half for less."""
    found = of_pair(run, "patterns", model, stratum, _COLUMNS.split())
    differ = [row for row in found if told_apart(row) and real(row["ratio"]) > 0]
    if not differ:
        return
    judged = sum(not math.isnan(real(row["q_value"])) for row in found)
    drawn = table("structure", "human", "model", "ratio", "precision")
    drawn.add_column("unit", overflow="fold")
    for row in most_apart(differ, rows):
        precise = real(row["precision"])
        drawn.add_row(
            Text(visible(row["pattern"]), "red" if row["ratio"] > 1 else "blue"),
            number(real(row["rate_human"])),
            number(real(row["rate_model"])),
            ratio(real(row["ratio"])),
            MISSING if math.isnan(precise) else f"{precise:.0%}",
            Text(visible(row["unit"])),
        )
    console.print(drawn)
    said = (
        f"{len(differ)} of the {judged} measures judged differ beyond chance (q < 0.05): `patterns`"
    )
    line(console, said, "dim")
    console.print()
