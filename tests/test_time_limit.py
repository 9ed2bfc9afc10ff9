"""Servers that accept and never answer: an error with a remedy, not a wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pyarrow as pa
import pytest

from dftspark import cli, doctor, location
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.time_limit import within


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    monkeypatch.setattr(location, "_S3_SECONDS", 1.0)
    monkeypatch.setattr(location, "_S3_ATTEMPTS", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def bucket(scheme: str, host: str) -> str:
    return f"{scheme}audits/runs?endpoint_override={host}&scheme=http"


def test_what_work_returns_and_raises() -> None:
    assert within(10, "adding", lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        within(10, "dividing", lambda: 1 // 0)
    never = Event()
    with pytest.raises(EnvironmentProblem, match=r"^waiting: no answer in 0\.01 s\. Look at"):
        within(0.01, "waiting", never.wait)
    never.set()


@pytest.mark.slow
def test_an_s3_server_that_does_not_answer(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is given up by pyarrow's own limits, so that the process can end."""
    assert cli.main(["demo", "--out", bucket("s3://", host)]) == 75
    told = capsys.readouterr().err
    assert "cannot write s3://audits/runs" in told
    assert "HeadBucket" in told
    assert "`dftspark doctor --out` checks the storage." in told
    assert len(told.splitlines()) < 10


def test_a_store_without_limits_of_its_own(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "SECONDS", 1.0)
    monkeypatch.setattr(doctor, "SECONDS", 1.0)
    store = bucket("gs://anonymous@", host)
    with pytest.raises(EnvironmentProblem, match="no answer in 1 s") as told:
        location.check_store(store)
    assert host in str(told.value)
    assert len(str(told.value).splitlines()) < 10
    check = doctor._storage(store)
    assert not check.ok
    assert "no answer in 1 s" in check.found
    assert "GOOGLE_APPLICATION_CREDENTIALS" in check.remedy


def test_a_store_that_does_not_answer_ends_a_command_before_its_corpora_are_looked_at(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A look at corpora on such a server would take as long as pyarrow likes."""
    monkeypatch.setattr(location, "SECONDS", 1.0)
    store = bucket("gs://anonymous@", host)
    sides = ["--human", f"{store}&of=human", "--model", f"{store}&of=model"]
    monkeypatch.setattr("dftspark.corpus.fit.check", lambda _: pytest.fail("looked at corpora"))
    for command in ("audit", "profile", "embed"):
        assert cli.main([command, *sides, "--out", store]) == 75
        told = capsys.readouterr().err
        assert "no answer in 1 s" in told
        assert len(told.splitlines()) < 10


@pytest.mark.parametrize("command", ["compare", "generate", "demo", "doctor", "publish", "tune"])
def test_settings_of_spark_are_taken_wherever_spark_is_started(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--conf" in said
    assert "--packages" in said


def test_what_azure_lacks_is_an_error_of_storage(tmp_path: Path) -> None:
    place = location.Location.parse(str(tmp_path))
    refused = pytest.raises(EnvironmentProblem, match=r"cannot write .*: no credential")
    with refused, location.writing(place):
        raise pa.ArrowException("no credential")
    with pytest.raises(pa.ArrowInvalid), location.writing(place):
        raise pa.ArrowInvalid("a mistake of the program")


def test_doctor_names_what_is_missing_where_an_address_cannot_be() -> None:
    check = doctor._storage("hdfs://nowhere:1/runs")
    assert not check.ok
    assert "HADOOP_HOME" in check.remedy
    azure = doctor._storage("abfss://audits@account/runs?unknown=option")
    assert not azure.ok
    assert "AZURE_CLIENT_ID" in azure.remedy
    refused = doctor._storage("dbfs:/mnt/audits")
    assert "/Volumes" in refused.found
    with pytest.raises(ConfigError):
        location.check_store("dbfs:/mnt/audits")
