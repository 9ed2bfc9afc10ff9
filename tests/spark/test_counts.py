"""What an audit asks of Spark, counted from Spark's own log: jobs, and scans of the texts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dftspark import runs
from dftspark.config import Audit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.program]

# Counting, which leaves the texts that are embedded, and reading back phrases.
SCANS = 2
JOBS = 11
_TEXTS = re.compile(
    r"Location: InMemoryFileIndex \[[^]]*/documents\.staging\][^<]*<[^>]*text:string"
)


@pytest.fixture(scope="module")
def events(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of an audit of two corpora with the default lenses, whose vectors the store has already."""
    folder = tmp_path_factory.mktemp("counts")
    for number, corpus in enumerate(("human", "model")):
        lines = [
            {"id": f"{i}", "prompt": f"p{i % 40}", "text": f"Number {i * (number + 2)}. " * 9}
            for i in range(120)
        ]
        (folder / f"{corpus}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "a.toml").write_text(
        'embedding = {embedder = "static"}\n'
        + "".join(
            f'[corpora.{name}]\nrole = "{name}"\npath = "{name}.jsonl"\n'
            'columns = {doc_id = "id", prompt_id = "prompt"}\n'
            for name in ("human", "model")
        )
    )
    logged = f"--conf spark.eventLog.enabled=true --conf spark.eventLog.dir={folder.as_uri()}"
    plain = "--conf spark.eventLog.compress=false --conf spark.eventLog.rolling.enabled=false"
    with contextlib.chdir(folder):
        runs.embed(spark, Audit.load(folder / "a.toml"))
    done = subprocess.run(
        [sys.executable, "-m", "dftspark", "audit", "a.toml"],
        cwd=folder,
        env={**os.environ, "PYSPARK_SUBMIT_ARGS": f"{logged} {plain} pyspark-shell"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (log,) = folder.glob("local-*")
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_jobs_are_few(events: list[dict[str, Any]]) -> None:
    started = [event for event in events if event["Event"] == "SparkListenerJobStart"]
    assert 0 < len(started) <= JOBS


def test_texts_are_scanned_for_what_needs_them(events: list[dict[str, Any]]) -> None:
    plans = [
        event["physicalPlanDescription"]
        for event in events
        if event["Event"].endswith("SparkListenerSQLExecutionStart")
    ]
    assert sum(len(_TEXTS.findall(plan)) for plan in plans) == SCANS
