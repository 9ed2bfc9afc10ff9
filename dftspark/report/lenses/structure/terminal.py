"""The structure lens on a terminal: the patterns and measures that differ most, beyond chance."""

from __future__ import annotations

import math

import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import plain_table
from dftspark.report.words.rows import most_apart, told_apart
from dftspark.report.words.text import MISSING, number, ratio, real, visible
from dftspark.store.run import Run

_COLUMNS = "model stratum pattern unit rate_human rate_model ratio q_value precision"


def show(run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
    """Prints what differs most: half of the lines for what the model does more, half for less."""
    table = run.table("patterns", _COLUMNS.split())
    chosen = (pc.field("model") == model) & (pc.field("stratum") == stratum)
    found = table.filter(chosen).to_pylist()
    differ = [row for row in found if told_apart(row) and real(row["ratio"]) > 0]
    if not differ:
        return
    judged = sum(not math.isnan(real(row["q_value"])) for row in found)
    drawn = plain_table()
    drawn.add_column("structure", overflow="fold")
    for name in ("human", "model", "ratio", "precision"):
        drawn.add_column(name, justify="right", no_wrap=True)
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
    console.print(Text(said, "dim"), soft_wrap=True)
    console.print()
