"""A sweep on the terminal: the numbers of its tables, and hostile names tamed."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from dftspark import schema, sweeps
from dftspark.report.terminal.table import json_lines, print_table
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from tests.report.test_terminal import metric, shown
from tests.test_sweeps import audit, rows


def run_of(out: Path, challenger: str | None = "dft", **manifest: Any) -> Run:
    config = audit(challenger=challenger)
    writer = RunWriter.create(str(out), "sweep")
    models = ["dft", *(f"m/{t}" for t in ("0.2", "0.9", "1", "1.5", "10"))]
    found = [metric(model=model) for model in models]
    writer.write("metrics", pa.Table.from_pylist(found, schema=schema.METRICS))
    for name, table in sweeps.tables(rows(), config).items():
        writer.write(name, table)
    return writer.publish({"name": "sweep", "config": config.model_dump(mode="json"), **manifest})


def test_the_terminal_says_which_is_best_and_what_the_challenger_is_worth(tmp_path: Path) -> None:
    said = shown(run_of(tmp_path), width=110)
    assert "m: the best of 5 settings by each measure" in said
    (line,) = (line for line in said.splitlines() if line.startswith("mmd_squared"))
    assert line.split()[:4] == ["mmd_squared", "1", "1.00", "1.00"]
    assert line.split()[-1] == "better"
    assert "token L2" in said
    assert "differ beyond noise in 1 of 1 pairs" in said
    assert "chosen on half of the prompts" in said


def test_eighty_columns_leave_the_interval_out_and_fold_no_measure(tmp_path: Path) -> None:
    lines = shown(run_of(tmp_path), width=80).splitlines()
    (head,) = (line for line in lines if line.startswith("measure"))
    assert "CI" not in head.split()
    (line,) = (line for line in lines if line.startswith("mmd_squared"))
    assert line.split()[-1] == "better"
    assert max(map(len, lines[lines.index(head) : lines.index(line) + 2])) <= 80


def test_a_challenger_that_is_not_there_is_said(tmp_path: Path) -> None:
    run = run_of(tmp_path, None)
    run.manifest["config"]["sweep"]["challenger"] = "dft/9\x1b[31m"
    assert "The challenger dft/9\\x1b[31m is not among the corpora compared." in shown(run)


@pytest.mark.parametrize("name", schema.SWEEP_TABLES)
def test_tables_are_shown_and_told_as_json(tmp_path: Path, name: str) -> None:
    found = run_of(tmp_path).table(name)
    if name == "samplers":
        row = found.to_pylist()[0] | {"first_half": [math.nan, 0.5]}
        found = pa.Table.from_pylist([row, *found.to_pylist()], schema=found.schema)
    lines = [json.loads(line) for line in json_lines(found)]
    assert len(lines) == found.num_rows > 0
    if name == "samplers":
        assert lines[0]["first_half"] == [None, 0.5]
    file = io.StringIO()
    print_table(found, name, Console(file=file), 20)
    assert file.getvalue().split()[:3] in (
        ["model", "metric", "value"],
        ["sweep", "metric", "best"],
        ["metric", "other", "differ"],
    )
