"""A result table for the eye, and as JSON lines for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dftspark.errors import ConfigError
from dftspark.report.text import MISSING, number, visible

# What fits beside each other; the rest is in the JSON lines.
_COLUMNS = {
    "corpora": ("corpus", "role", "read", "documents", "rejected", "duplicates", "filtered",
                "clusters", "tokens"),
    "metrics": ("model", "stratum", "metric", "value", "ci_low", "ci_high", "p_value", "floor",
                "ratio_to_floor"),
    "ngrams": ("model", "n", "text", "per_million_human", "per_million_model", "log_odds",
               "q_value", "share"),
    "document_ratios": ("model", "token", "share_human", "share_model", "ratio", "ratio_floor"),
    "rejects": ("corpus", "file", "position", "action", "reason", "detail"),
}  # fmt: skip
_WIDE_ENOUGH = 10_000  # nothing is cut where no terminal shows it


def sort(table: pa.Table, column: str) -> pa.Table:
    """By a column, smallest first; `-column` for largest first. Missing values come last."""
    name = column.removeprefix("-")
    if name not in table.column_names:
        raise ConfigError(f"--sort: there is no column {name!r}; there are {table.column_names}")
    if pa.types.is_nested(table.schema.field(name).type):
        raise ConfigError(f"--sort: column {name!r} holds lists, which have no order")
    return table.sort_by([(name, "descending" if column.startswith("-") else "ascending")])


def print_table(table: pa.Table, name: str, console: Console, rows: int) -> None:
    """The first rows and the columns that fit, and a line on what is not shown."""
    chosen = [c for c in _COLUMNS.get(name, table.column_names) if c in table.column_names]
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in chosen:
        numeric = _is_number(table.schema.field(column).type)
        drawn.add_column(
            column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold"
        )
    for row in table.slice(0, rows).select(chosen).to_pylist():
        drawn.add_row(*(Text(_cell(value)) for value in row.values()))
    if console.is_terminal:
        console.print(drawn)
    else:
        console.print(drawn, width=_WIDE_ENOUGH, no_wrap=True, crop=False)
    hidden = [c for c in table.column_names if c not in chosen]
    said = f"{min(rows, len(table)):,} of {len(table):,} rows"
    said += f"; not shown: {', '.join(hidden)} (--json shows all)" if hidden else ""
    console.print(Text(said, "dim"), soft_wrap=True)


def json_lines(table: pa.Table) -> Iterator[str]:
    """One JSON object per row; nan is null, and everything outside ASCII is escaped."""
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
    return value


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
