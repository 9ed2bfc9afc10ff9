"""A result table for reading, and as JSON lines for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from dftspark.errors import ConfigError
from dftspark.report.terminal.drawing import plain_table
from dftspark.report.words.lenses import tables
from dftspark.report.words.text import MISSING, number, visible

# Tables over all lenses. The most telling columns come first: those that do not fit beside each
# other are in the JSON lines.
_COLUMNS = {
    "corpora": "corpus role read documents rejected duplicates filtered clusters tokens",
    "metrics": (
        "model stratum metric n_tell value p_value n_tell_low n_tell_high ci_low ci_high floor"
    ),
    "differences": "metric nearer model other stratum difference ci_low ci_high q_value unit",
    "samplers": "model stratum metric value rank ci_low ci_high floor chosen p_best front",
    "super_baseline": (
        "sweep stratum metric best naive honest ci_low ci_high optimism challenger_value "
        "verdict q_value difference"
    ),
    "tradeoffs": (
        "metric other differ best best_other stratum q_value regret regret_other sweep front"
    ),
    "checks": "rule model stratum outcome value low high unit nights detail",
    "rejects": "corpus action reason file position detail",
}
_GAP = 2
_LEAST = 20  # what a long text needs to be worth its place
_WIDE_ENOUGH = 10_000  # nothing is cut if no terminal shows it


def sort(table: pa.Table, column: str) -> pa.Table:
    """Sorts by a column, smallest first; `-column` for largest first. Missing values come last."""
    name = column.removeprefix("-")
    if name not in table.column_names:
        raise ConfigError(
            f"--sort: there is no column {name!r}; there are {', '.join(table.column_names)}"
        )
    if pa.types.is_nested(table.schema.field(name).type):
        raise ConfigError(f"--sort: column {name!r} holds lists, which have no order")
    return table.sort_by([(name, "descending" if column.startswith("-") else "ascending")])


def print_table(table: pa.Table, name: str, console: Console, rows: int) -> None:
    """Prints the first rows, the columns that fit, and a line on what is not shown."""
    if not console.is_terminal:
        console = Console(file=console.file, width=_WIDE_ENOUGH)
    readable = [field.name for field in table.schema if not pa.types.is_binary(field.type)]
    first = (tables()[name].columns if name in tables() else _COLUMNS.get(name, "")).split()
    told = [column for column in first or readable if column in readable]
    records = table.slice(0, rows).select(told).to_pylist()
    cells = {column: [_cell(record[column]) for record in records] for column in told}
    widths = _fitting({c: v for c, v in cells.items() if any(v) or c != "stratum"}, console.width)
    drawn = plain_table(_GAP)
    for column, width in widths.items():
        numeric = _is_number(table.schema.field(column).type)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        drawn.add_column(column, justify=justify, width=width, overflow="fold")
    for record in zip(*(cells[column] for column in widths), strict=True):
        drawn.add_row(*map(Text, record))
    console.print(drawn)
    hidden = [column for column in table.column_names if column not in widths]
    said = f"{len(records):,} of {len(table):,} rows"
    said += f"; not shown: {', '.join(hidden)} (--json shows all)" if hidden else ""
    console.print(Text(said, "dim"), soft_wrap=True)


def _fitting(cells: dict[str, list[str]], room: int) -> dict[str, int]:
    """Returns widths of the columns that fit, from the first on; the last may be cut short and
    folded."""
    widths: dict[str, int] = {}
    for column, values in cells.items():
        natural = max(cell_len(text) for text in (column, *values))
        width = min(natural, room)
        if width < natural and (width < _LEAST or width < cell_len(column)) and widths:
            break
        widths[column] = width
        room -= width + _GAP
    return widths


def json_lines(table: pa.Table) -> Iterator[str]:
    """Yields one JSON object per row; nan is null, and everything outside ASCII is escaped."""
    for batch in table.to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            yield json.dumps({key: _plain(value) for key, value in row.items()}, allow_nan=False)


def _cell(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
