"""Lines, bars and tables without borders: what every section of a terminal page is made of."""

from __future__ import annotations

import math
from collections.abc import Collection

from rich.console import Console
from rich.table import Table
from rich.text import Text


def line(console: Console, text: str, style: str = "") -> None:
    """Prints text as it is: no markup, and broken where the terminal ends."""
    console.print(Text(text, style), soft_wrap=True)


def plain_table(gap: int = 1) -> Table:
    """A table without borders whose columns stand `gap` apart."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")


def table(first: str, *others: str, left: Collection[str] = ()) -> Table:
    """A plain table whose first column folds. The others stand to the right, but for those in
    `left`. Names of columns are no markup."""
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
    """What bars are made of on this console."""
    return "\u2588" if console.encoding.lower().startswith("utf") else "#"
