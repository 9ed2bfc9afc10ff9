"""jobs/nightly.py under spark-submit: late data, and the nights that it makes stale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dftspark import runs
from dftspark.config import request
from dftspark.nights.calendar import Nights
from dftspark.store.run import Run
from tests.spark import processes
from tests.spark.nights import DATES, corpora, said

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = """
name = "night"
out = "{out}"
lenses = ["ngrams"]
[corpora.human]
role = "human"
path = "human.jsonl"
columns = {{ doc_id = "id", prompt_id = "prompt" }}
[corpora.gpt]
role = "model"
path = "{{date}}/gpt.jsonl"
columns = {{ doc_id = "id", prompt_id = "prompt" }}
[ngrams]
orders = [1]
sketch_width = 256
[inference]
permutations = 99
splits = 20
[nightly]
window = 2
key_ranges = 2
"""


def night(store: Path, date: str) -> Run:
    found = Nights.of(str(store), "night").night(date)
    assert found is not None
    return found


@pytest.mark.slow
def test_late_data_with_refresh_equals_a_store_that_had_it_at_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    corpora(tmp_path, DATES[:3])
    for out in ("late", "once"):
        (tmp_path / f"{out}.toml").write_text(CONF.format(out=out))

    def submitted(*arguments: str) -> list[str]:
        command = processes.spark_submit("nightly.py", "--conf", "late.toml", *arguments)
        done = processes.finished(command, tmp_path)
        assert done.returncode == 0, done.stderr
        # Under spark-submit both streams of the job come out as one.
        return [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]

    late = tmp_path / DATES[1] / "gpt.jsonl"
    whole = late.read_text()
    late.write_text("".join(whole.splitlines(keepends=True)[::2]))
    for date in DATES[:3]:
        submitted("--date", date)
    before = said(night(tmp_path / "late", DATES[2]))
    late.write_text(whole)
    made = submitted("--date", DATES[1], "--refresh")
    assert len(made) == 2
    for date, path in zip(DATES[1:3], made, strict=True):
        assert Path(path).name == night(tmp_path / "late", date).id
    for date in DATES[:3]:
        runs.nightly(spark, request.night(tmp_path / "once.toml", None, date)[0], date)
    for date in DATES[1:3]:
        assert said(night(tmp_path / "late", date)) == said(night(tmp_path / "once", date))
    assert said(night(tmp_path / "late", DATES[2])) != before
