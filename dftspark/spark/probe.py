"""A table that tasks write and read as those of a run, to see that they can."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dftspark.errors import DftsparkError
from dftspark.location import Location, below
from dftspark.spark import failures, tables

_ROWS = 3
_COLUMNS = pa.schema([("id", pa.int64())])


def round_trip(spark: SparkSession, out: str) -> str:
    """Writes a table below `out`, reads it and removes it; returns what went wrong, in one line, or
    nothing."""
    folder = Location.parse(below(out, f".probe-{secrets.token_hex(6)}"))
    new = folder.local and not Path(folder.path).parent.exists()
    try:
        tables.write(spark.range(_ROWS), folder.uri)
        rows = tables.read(spark, folder.uri, _COLUMNS).count()
    except (PySparkException, Py4JError, DftsparkError) as error:
        return failures.cause(str(error))
    finally:
        with suppress(OSError):
            folder.filesystem.delete_dir(folder.path)
        if new:
            with suppress(OSError):
                Path(folder.path).parent.rmdir()
    return "" if rows == _ROWS else f"{rows} of {_ROWS} rows came back"
