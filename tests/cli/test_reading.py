"""Commands that read runs, which other commands have made."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dftspark import cli, schema
from dftspark.errors import ConfigError
from dftspark.store.writer import RunWriter
from tests.commands import publish, row

ROOT = Path(__file__).resolve().parents[2]


def test_runs_lists_newest_first(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    publish("runs", "old", date="2026-11-21", corpora={"human": 1, "gpt": 2})
    RunWriter.create("runs", "stopped")
    assert cli.main(["runs", "runs", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"]: line["state"] for line in lines} == {
        "stopped": "unfinished",
        "old": "finished",
    }
    assert cli.main(["runs"]) == 0
    told = capsys.readouterr().out
    for part in ("-old-", "finished", "2026-11-21", "gpt, human; gpt 3.0x", "unfinished"):
        assert part in told
    assert cli.main(["runs", "nowhere"]) == 4


def test_show_sorts_cuts_and_says_what_it_left_out(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = publish("runs")
    assert cli.main(["show", run.path, "metrics", "--sort", "-value", "--rows", "2"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(\w+)  ", told, re.MULTILINE)[1:] == ["gpt", "claude"]
    assert "2 of 3 rows; not shown: run_id" in told
    assert cli.main(["show", f"runs/{run.id[:16]}", "metrics", "--sort", "value"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(\w+)  ", told, re.MULTILINE)[1:] == ["claude", "gpt", "unknown"]
    assert "\x1b" not in told


def test_export_prints_a_ban_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = RunWriter.create(str(tmp_path), "audit")
    counts = {"count_human": 1, "docs_human": 1, "docs_model": 60, "q_value": 1e-9, "n": 1}
    rates = {"per_million_human": 1.0, "per_million_model": 90.0}
    grams = [
        row(
            model=model,
            text=text,
            tokens=[text],
            count_model=90,
            **counts,
            **{**rates, "per_million_model": 95.0 if model == "formulas" else 90.0},
        )
        for model, text in (
            ("gpt", "delve"),
            ("gpt", "tapestry"),
            ("claude", "honestly"),
            ("formulas", "delve"),  # more often than gpt
            ("formulas", "=cmd"),
            ("formulas", "+1 said"),
            ("formulas", "=\u202ecmd"),
        )
    ]
    writer.write("ngrams", pa.Table.from_pylist(grams, schema=schema.NGRAMS))
    run = writer.publish({})
    assert cli.main(["export", run.path, "--model", "gpt", "--as", "strings"]) == 0
    assert json.loads(capsys.readouterr().out) == ["delve", "tapestry"]
    assert cli.main(["export", run.path, "--model", "gpt", "--as", "lines", "--limit", "1"]) == 0
    assert capsys.readouterr().out == "delve\n"
    assert cli.main(["export", run.path, "--model", "formulas", "--as", "lines"]) == 0
    both = capsys.readouterr()
    assert sorted(both.out.splitlines()) == ["+1 said", "=cmd", "delve"]
    assert both.err.startswith("note: 2 lines begin with = + - or @, which a spreadsheet takes")
    assert cli.main(["export", run.path, "--limit", "9"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert {(e["phrase"], e["model"]) for e in every} == {
        ("delve", "formulas"),
        ("tapestry", "gpt"),
        ("honestly", "claude"),
        ("=cmd", "formulas"),
        ("+1 said", "formulas"),
    }
    two = ["export", run.path, "--model", "gpt", "--model", "claude", "--as", "strings"]
    assert cli.main(two) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["delve", "honestly", "tapestry"]
    for wrong in (["--as", "yaml"], ["--model", "other"]):
        assert cli.main(["export", run.path, *wrong]) == ConfigError.exit_code
        assert "claude" in (told := capsys.readouterr().err) or "antislop" in told


def test_a_narrow_terminal_shows_the_columns_that_fit(tmp_path: Path) -> None:

    from rich.console import Console

    from dftspark.report.terminal.table import print_table

    metrics = publish(str(tmp_path / "runs")).table("metrics")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=54)
    print_table(metrics, "metrics", console, 20)
    lines = file.getvalue().splitlines()
    assert lines[0].split() == ["model", "metric", "n_tell", "value", "p_value", "n_tell_low"]
    assert max(map(len, lines[:-1])) <= 54
    assert "ci_low" in lines[-1]


def test_json_lines_are_whole_and_plain(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish("runs")
    assert cli.main(["show", "runs", "metrics", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["model"] for line in lines] == ["gpt", "claude", "unknown"]
    assert list(lines[0]) == schema.METRICS.names
    assert lines[2]["value"] is None
    assert cli.main(["show", "runs", "rejects", "--json"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert json.loads(told)["file"] == "a\x1b[31m.txt"
    assert cli.main(["show", "runs", "rejects"]) == 0
    told = capsys.readouterr().out
    assert "a\\x1b[31m.txt" in told
    assert "[red]bad" in told


@pytest.mark.program
def test_as_a_module_and_without_spark(tmp_path: Path) -> None:
    run = publish(str(tmp_path / "runs"))
    program = (
        "import runpy, sys; sys.modules['pyspark'] = None\n"
        "from dftspark.cli import main\n"
        "for command in (['runs', sys.argv[2]], ['--version']):\n"
        "    assert main(command) == 0, command\n"
        "sys.argv = ['dftspark', 'show', sys.argv[1]]\n"
        "runpy.run_module('dftspark', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, run.path, str(tmp_path / "runs")]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, env=ascii_only)
    assert shown.returncode == 0, shown.stderr
    assert b"about 40 (32 to 48) give gpt away by words" in shown.stdout
