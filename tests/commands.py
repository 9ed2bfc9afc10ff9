"""Runs and files for tests of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from dftspark import schema
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

NAN = float("nan")


def row(**values: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"run_id": "r", "date": "", "human": "human", "stratum": ""}
    return {**empty, **values}


def publish(out: str, name: str = "audit", **manifest: Any) -> Run:
    writer = RunWriter.create(out, name)
    metrics = [
        row(
            model=model,
            metric="js_1gram",
            value=value,
            p_value=p,
            n_tell=n,
            n_tell_low=0.8 * n,
            n_tell_high=1.2 * n,
            n_tell_unit="documents",
            blocks=64,
        )
        for model, value, n, p in (
            ("gpt", 0.3, 40.0, 0.001),
            ("claude", 0.2, 90.0, 0.001),
            ("unknown", NAN, NAN, NAN),
        )
    ]
    rejects = [{"run_id": "r", "file": "a\x1b[31m.txt", "detail": "[red]bad"}]
    for table, rows in (("metrics", metrics), ("rejects", rejects)):
        writer.write(table, pa.Table.from_pylist(rows, schema=schema.TABLES[table]))
    return writer.publish({"headline": "gpt 3.0x", **manifest})


def place(*paths: str) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
