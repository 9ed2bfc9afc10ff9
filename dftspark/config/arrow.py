"""Rows that a Python program has, as one Arrow table: of pyarrow, pandas, Polars or lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from dftspark.errors import ConfigError

DOC_ID = "doc_id"


class SupportsArrow(Protocol):
    """A table of any library that gives its rows to Arrow."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def has_rows(one: Any) -> bool:
    """Returns whether it is a table in memory, or a mapping of columns."""
    return isinstance(one, Mapping) or hasattr(one, "__arrow_c_stream__")


def table_of(name: str, one: Any, doc_id: str | None) -> pa.Table:
    """Returns the rows of corpus `name` as a table with an id for each document.

    Without a column `doc_id`, or one that is called so, the id is the number of the row. Raises
    ConfigError for what makes no table.
    """
    try:
        found = pa.table(one)
        plain = pa.table([_plain(column) for column in found.columns], names=found.column_names)
    except (pa.ArrowException, TypeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise ConfigError(f"{name}: these rows make no Arrow table: {said}") from error
    if doc_id or DOC_ID in plain.column_names:
        return plain
    ids = [f"{name}#{number}" for number in range(1, len(plain) + 1)]
    return plain.append_column(DOC_ID, pa.array(ids, pa.string()))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns texts as strings, which Spark takes; other libraries keep them in other types."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = pa.string()
    return column if kind == column.type else column.cast(kind)
