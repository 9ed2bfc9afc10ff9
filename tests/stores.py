"""Runs in a store, made without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from dftspark import schema
from dftspark.store.listing import runs
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter


def table(name: str, rows: int) -> pa.Table:
    columns = [
        pa.array([None] * rows, column.type)
        if pa.types.is_nested(column.type)
        else pa.array([str(row) for row in range(rows)]).cast(column.type)
        for column in schema.TABLES[name]
    ]
    return pa.Table.from_arrays(columns, schema=schema.TABLES[name])


def published(out: Path, name: str = "audit", rows: int = 3, **manifest: Any) -> Run:
    writer = RunWriter.create(str(out), name)
    writer.write("metrics", table("metrics", rows))
    writer.write("rejects", table("rejects", 0))
    return writer.publish(manifest)


def states(out: Path) -> list[str]:
    return [info.state for info in runs(str(out))]
