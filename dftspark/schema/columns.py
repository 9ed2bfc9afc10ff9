"""The declaration of result tables, and the columns that they begin with."""

from __future__ import annotations

import pyarrow as pa

Column = tuple[str, pa.DataType, str]

RUN: tuple[Column, ...] = (
    ("run_id", pa.string(), "the run that made the row"),
    ("date", pa.string(), "date of the audit, YYYY-MM-DD, or empty"),
)
PAIR: tuple[Column, ...] = (
    *RUN,
    ("human", pa.string(), "human corpus"),
    ("model", pa.string(), "model corpus"),
    ("stratum", pa.string(), "stratum compared within, or empty for all documents"),
)


def table(*columns: Column) -> pa.Schema:
    """Declares a table by (name, type, meaning with its unit). Meanings end up in
    docs/tables.md."""
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])
