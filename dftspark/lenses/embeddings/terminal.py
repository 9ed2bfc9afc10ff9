"""The embedding lens on a terminal: its measures, and the regions where the clouds differ."""

from __future__ import annotations

import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import bar, block, plain_table
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.store.run import Run

_COLUMNS = "model stratum label share_human share_model mass within q_value"
_BAR = 7


def show_regions(run: Run, console: Console, model: str, rows: int) -> None:
    """Prints the regions with the largest parts of MMD squared."""
    table = run.table("regions", _COLUMNS.split())
    found = table.filter(pc.field("model") == model).to_pylist()
    parts = [row["mass"] + row["within"] for row in found]
    total = sum(parts)
    if not found or not total > 0:
        return
    largest = sorted(zip(parts, found, strict=True), key=lambda pair: -pair[0])[:rows]
    drawn = plain_table()
    drawn.add_column("regions, by their words", overflow="fold", ratio=1)
    for name in ("human", "model", "of MMD^2"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    drawn.add_column("q", justify="right", no_wrap=True)
    for part, row in largest:
        drawn.add_row(
            Text(visible(", ".join(row["label"]))),
            f"{row['share_human']:.1%}",
            f"{row['share_model']:.1%}",
            f"{part / total:.0%}",
            Text(bar(part / largest[0][0], _BAR, block(console)), "red"),
            _q(real(row["q_value"])),
        )
    console.print(drawn)
    console.print()


def _q(value: float) -> str:
    if value != value:
        return MISSING
    return "<.001" if value < 0.001 else number(value, 2)
