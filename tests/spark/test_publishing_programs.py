"""Tables of a catalog that outlives a session, written by commands: exit codes, nights, Connect."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dftspark.store.listing import open_run
from tests.spark import processes

pytestmark = [pytest.mark.spark, pytest.mark.program, pytest.mark.slow]

SQL = """
from pyspark.sql import SparkSession
import json, sys
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
statement, *settings = sys.argv[1:]
for pair in settings:
    builder = builder.config(*pair.split("=", 1))
print(json.dumps([list(row) for row in builder.getOrCreate().sql(statement).collect()]))
"""
ON_CONNECT = """
import sys
import dftspark
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
spark.sql("CREATE DATABASE audits")
for _ in range(2):
    run = dftspark.audit(
        spark, human="human-2026-11-21.jsonl", models={"gpt": "gpt-2026-11-21.jsonl"}, out="runs",
        name="connected", date="2026-11-21", lenses=["ngrams"], report={"page": False},
        publish={"tables": "audits"},
    )
rows = spark.sql("SELECT run_id, night, count(*) FROM audits.metrics GROUP BY ALL").collect()
assert [tuple(row) for row in rows] == [(run.id, "2026-11-21", run.table("metrics").num_rows)], rows
"""


def derby(folder: Path) -> tuple[str, ...]:
    """The settings of a catalog that lies in a folder."""
    metastore = f"jdbc:derby:;databaseName={folder}/metastore;create=true"
    return (
        "spark.sql.catalogImplementation=hive",
        f"spark.sql.warehouse.dir={folder}/warehouse",
        f"spark.hadoop.javax.jdo.option.ConnectionURL={metastore}",
    )


def asked(folder: Path, statement: str) -> list[list[object]]:
    """The rows of a statement, in a process that knows of dftspark only the tables."""
    done = processes.finished([sys.executable, "-c", SQL, statement, *derby(folder)], folder)
    assert done.returncode == 0, done.stderr[-4000:]
    rows: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def command(
    folder: Path, *words: str, settings: Sequence[str] | None = None
) -> subprocess.CompletedProcess[str]:
    given = derby(folder) if settings is None else settings
    conf = [part for setting in given for part in ("--conf", setting)]
    return processes.finished(processes.dftspark(*words, "--quiet", *conf), folder)


def texts(folder: Path) -> None:
    """Two days of texts, and a configuration for nights that publish."""
    for day in (21, 22):
        for name in ("human", "gpt"):
            rows = [
                json.dumps({"text": f"{name} went to river {i} on day {day}", "prompt_id": f"{i}"})
                for i in range(30 + day)
            ]
            (folder / f"{name}-2026-11-{day}.jsonl").write_text("\n".join(rows))
    (folder / "nightly.toml").write_text(
        'name = "nights"\nout = "runs"\nlenses = ["ngrams"]\n[report]\npage = false\n'
        '[publish]\ntables = "audits"\n[nightly]\nwindow = 1\n'
        '[corpora.human]\nrole = "human"\npath = "human-2026-11-21.jsonl"\n'
        '[corpora.gpt]\nrole = "model"\npath = "gpt-{date}.jsonl"\n'
    )


def failed(done: subprocess.CompletedProcess[str], code: int, said: str) -> None:
    assert done.returncode == code, done.stderr[-4000:]
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) < 10
    assert "\tat " not in done.stderr


def test_nights_in_derby(tmp_path: Path) -> None:
    texts(tmp_path)
    failed(
        command(tmp_path, "nightly", "nightly.toml", "--date", "2026-11-21"),
        2,
        "'audits' cannot be listed",
    )
    assert not list((tmp_path / "runs").glob("*-nights-*"))  # it was said before anything was done
    asked(tmp_path, "CREATE DATABASE audits")
    runs = {}
    for date in ("2026-11-21", "2026-11-22"):
        done = command(tmp_path, "nightly", "nightly.toml", "--date", date)
        assert done.returncode == 0, done.stderr[-4000:]
        runs[date] = open_run(done.stdout.splitlines()[-1])
    counted = "SELECT night, run_kind, run_id, count(*) FROM audits.metrics GROUP BY ALL ORDER BY 1"
    expected = [
        [date, "nightly", run.id, run.table("metrics").num_rows]
        for date, run in sorted(runs.items())
    ]
    assert asked(tmp_path, counted) == expected
    # The same run again, by hand: the same rows.
    done = command(tmp_path, "publish", runs["2026-11-22"].path, "--tables", "audits")
    assert done.returncode == 0, done.stderr[-4000:]
    assert asked(tmp_path, counted) == expected
    # A table that can no longer be written: the run is kept, and the exit code says so.
    table = tmp_path / "warehouse" / "audits.db" / "ngrams"
    shutil.move(table, tmp_path / "aside")
    table.write_text("in the way")
    done = command(tmp_path, "nightly", "nightly.toml", "--date", "2026-11-22")
    failed(done, 5, "its tables are not all in audits")
    kept = open_run(done.stdout.splitlines()[-1])
    assert f"dftspark publish {kept.path} --tables audits" in done.stderr
    table.unlink()
    shutil.move(tmp_path / "aside", table)
    done = command(tmp_path, "publish", kept.path, "--tables", "audits")
    assert done.returncode == 0, done.stderr[-4000:]
    assert asked(tmp_path, counted) == [
        expected[0],
        ["2026-11-22", "nightly", kept.id, kept.table("metrics").num_rows],
    ]


def test_audits_that_cannot_be_published(tmp_path: Path) -> None:
    texts(tmp_path)
    sides = ("--human", "human-2026-11-21.jsonl", "--model", "gpt-2026-11-21.jsonl")
    made = command(tmp_path, "audit", *sides, settings=())
    assert made.returncode == 0, made.stderr[-4000:]
    publishing = ("publish", made.stdout.splitlines()[-1], "--tables")
    asked(tmp_path, "CREATE DATABASE foreign")
    asked(tmp_path, "CREATE TABLE foreign.checks (n INT)")
    failed(command(tmp_path, *publishing, "foreign"), 2, "`checks` is no table of dftspark's")
    failed(command(tmp_path, *publishing, "absent.audits"), 2, "'absent.audits' cannot be listed")
    failed(command(tmp_path, *publishing, "audits; x"), 2, "is named like main.audits")
    assert asked(tmp_path, "SHOW TABLES IN foreign") == [["foreign", "checks", False]]


def test_audits_on_connect(tmp_path: Path) -> None:
    texts(tmp_path)
    place = f"spark.sql.warehouse.dir={tmp_path}/warehouse"
    with processes.connect(tmp_path, place) as server:
        done = processes.finished([sys.executable, "-c", ON_CONNECT, server], tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
