"""Lines, bars and tables without borders, from which every section in the terminal is made."""

from __future__ import annotations

import math
from collections.abc import Collection

from rich.console import Console
from rich.table import Table
from rich.text import Text


def line(console: Console, text: str, style: str = "") -> None:
    """Prints text as it is: no markup, and broken at the end of the terminal."""
    console.print(Text(text, style), soft_wrap=True)


def plain_table(gap: int = 1) -> Table:
    """Returns a table without borders whose columns stand `gap` apart."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")


def table(first: str, *others: str, left: Collection[str] = ()) -> Table:
    """Returns a plain table whose first column folds. The others are right-aligned, except those in
    `left`. Names of columns are not markup."""
    made = plain_table()
    made.add_column(Text(first), overflow="fold")
    for name in others:
        made.add_column(Text(name), justify="left" if name in left else "right", no_wrap=True)
    return made


def bar(share: float, width: int, block: str = "\u2588") -> str:
    """Draws `width` cells at share 1, and at least one cell above zero."""
    cells = round(min(max(share, 0.0), 1.0) * width) if math.isfinite(share) else 0
    return block * (max(cells, 1) if math.isfinite(share) and share > 0 else 0)


def block(console: Console) -> str:
    """Returns the character of which bars are made on this console."""
    return "\u2588" if console.encoding.lower().startswith("utf") else "#"
