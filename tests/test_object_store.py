"""A run store in an object store, without Spark: a real S3 server on the loopback interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftspark import cli, doctor, history, open_run
from dftspark.location import Location, below
from dftspark.store.run import Run
from tests.object_stores import CREDENTIALS, served
from tests.report.page_runs import metrics, publish


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, served() as uri:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield uri


@pytest.fixture(scope="module")
def run(store: str) -> Run:
    return publish(store, {"metrics": metrics("gpt", 40.0)}, name="essays")


def test_a_run_is_published_and_opened(store: str, run: Run) -> None:
    assert open_run(store).id == run.id
    again = open_run(store, run.id[:16]).table("metrics")
    assert str(again.to_pylist()) == str(run.table("metrics").to_pylist())  # nan is no equal
    assert open_run(run.path).manifest == run.manifest
    below_it = [info.base_name for info in Location.parse(run.path).children()]
    assert sorted(below_it) == ["manifest.json", "metrics.parquet"]


def test_every_command_that_reads(store: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == run.id
    for path in (store, run.path):
        assert cli.main(["show", path]) == 0
        assert "give gpt away by" in capsys.readouterr().out
    assert cli.main(["history", "js_1gram", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == history(store)["run_id"][0].as_py()
    assert cli.main(["diff", run.path, store]) == 0
    assert "B is told from A by no lens." in capsys.readouterr().out


@pytest.mark.parametrize("of_the_run", [True, False])
def test_a_page_is_written_there(
    store: str, run: Run, of_the_run: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", run.path if of_the_run else store]) == 0
    place = Location.parse(capsys.readouterr().out.strip())
    with place.filesystem.open_input_stream(place.path) as page:
        assert b"<!doctype html>" in page.read()[:100].lower()


def test_a_run_that_is_not_there(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", below(store, "nothing")]) == 4
    told = capsys.readouterr().err
    assert "there is no such folder" in told
    assert len(told.splitlines()) < 10


def test_doctor_writes_and_reads_a_probe(store: str) -> None:
    check = doctor._storage(below(store, "probed"))
    assert check.ok, check
    assert "a probe was written and read, through pyarrow" in check.found
    assert Location.parse(below(store, "probed")).children() == []


def test_doctor_names_a_bucket_that_is_not_there(store: str) -> None:
    check = doctor._storage(store.replace("audits", "no-such-bucket"))
    assert not check.ok
    assert "no-such-bucket" in check.found
    assert "AWS_ACCESS_KEY_ID" in check.remedy


def test_an_audit_into_no_bucket_ends_before_spark_starts(
    store: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dftspark.cli.computing.compute", pytest.fail)
    for side in ("human", "model"):
        (tmp_path / f"{side}.jsonl").write_text('{"text": "one"}\n')
    texts = ["--human", f"{tmp_path}/human.jsonl", "--model", f"{tmp_path}/model.jsonl"]
    nowhere = store.replace("audits", "no-such-bucket")
    for out, code, said in (
        (nowhere, 75, "cannot write s3a://no-such-bucket/our runs"),
        ("dbfs:/audits", 2, "a volume below /Volumes"),
        ("strange://audits", 2, "Use a local path or an s3a:, gs:, abfs: or hdfs: URI."),
    ):
        assert cli.main(["audit", *texts, "--out", out]) == code
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) < 10
