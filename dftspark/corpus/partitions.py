"""Columns that folders give, as Hive and Spark write them: `checkpoint=ckpt1/part-0.parquet`."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

from dftspark.location import Location

_NULL = "__HIVE_DEFAULT_PARTITION__"


@lru_cache(maxsize=4096)
def columns_of(path: str) -> dict[str, str | None]:
    """Returns column to value, from the folders `name=value` on the way to the file at `path`.

    Names and values are percent-decoded; Hive's name for null becomes None. If a name occurs twice,
    the folder nearest to the file counts.
    """
    found: dict[str, str | None] = {}
    for folder in Location.locate(path).path.split("/")[:-1]:
        name, sign, value = folder.partition("=")
        if sign and name:
            found[unquote(name)] = None if value == _NULL else unquote(value)
    return found
