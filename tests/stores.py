"""Runs in a store, made without Spark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.store import publish
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


def vouch(run: Run) -> None:
    """Makes the manifest say of the tables what they are now, as another writer would have."""
    tables = {}
    for name in run.tables:
        files = publish.files_of(run._location / f"{name}.parquet")
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        tables[name] = {"parts": len(files), "rows": rows, "bytes": sum(files.values())}
    document = json.dumps({**run.manifest, "tables": tables})
    (Path(run.path) / "manifest.json").write_text(document)


def garble(run: Run) -> None:
    """Cuts the run's manifest in the middle."""
    path = Path(run.path) / "manifest.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def states(out: Path) -> list[str]:
    return [info.state for info in runs(str(out))]
