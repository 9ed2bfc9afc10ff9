"""OpenLineage's events, sent by its own client to a real HTTP server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dftspark import lineage
from dftspark.config import Audit
from dftspark.errors import InputError
from tests.loopback import Receiver, receiving
from tests.report.page_runs import metrics, publish


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What the client itself writes into the environment is gone after each test."""
    with mock.patch.dict(os.environ):
        yield


def audit(out: Path) -> Audit:
    corpora = {
        "human": {"role": "human", "path": "s3a://KEY:SECRET@bucket/human/*.parquet"},
        "gpt": {"role": "model", "table": "lake.texts.gpt"},
        "llama": {"role": "model", "path": ["/data/a.jsonl", "/data/b.jsonl"]},
        "asked": {"role": "model", "query": "SELECT text FROM lake.texts.other"},
    }
    return Audit.parse({"name": "essays", "out": str(out), "corpora": corpora}, "the test")


def events(receiver: Receiver) -> list[dict[str, Any]]:
    assert {(method, path) for method, path, _ in receiver.got} == {("POST", "/api/v1/lineage")}
    return [json.loads(body) for *_, body in receiver.got]


def test_inputs_and_outputs_of_an_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = publish(tmp_path, {"metrics": metrics("gpt", 46.0)}, kind="audit")
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        with lineage.told("audit", audit(tmp_path)) as done:
            assert done(run) is run
    begun, ended = events(receiver)
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert begun["run"]["runId"] == ended["run"]["runId"]
    assert (ended["job"]["namespace"], ended["job"]["name"]) == ("dftspark", "audit.essays")
    assert [(one["namespace"], one["name"]) for one in ended["inputs"]] == [
        ("s3://***@bucket", "human/*.parquet"),
        ("spark", "lake.texts.gpt"),
        ("file", "/data/a.jsonl"),
        ("file", "/data/b.jsonl"),
    ]
    assert begun["outputs"] == []
    assert [(one["namespace"], one["name"]) for one in ended["outputs"]] == [("file", run.path)]
    assert "SECRET" not in str(receiver.got)


def test_a_failure_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "texts")
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        with pytest.raises(InputError), lineage.told("nightly", audit(tmp_path)):
            raise InputError("none of s3a://key:secret@b/x")
    ended = events(receiver)[-1]
    assert (ended["eventType"], ended["job"]["namespace"]) == ("FAIL", "texts")
    message = ended["run"]["facets"]["errorMessage"]["message"]
    assert message == "InputError: none of s3a://***@b/x"


def test_a_receiver_that_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = publish(tmp_path, {"metrics": metrics("gpt", 46.0)}, kind="audit")
    with receiving(403) as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        with lineage.told("audit", audit(tmp_path)) as done:
            done(run)
    assert len(receiver.got) == 2
    said = [one.getMessage() for one in caplog.records if one.name == "dftspark.lineage"]
    assert len(said) == 2
    assert all("OpenLineage was not told: HTTPError: 403" in line for line in said)


def test_without_a_setting_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "_emitter", None)  # whoever called it would fail
    run = publish(tmp_path, {"metrics": metrics("gpt", 46.0)}, kind="audit")
    with lineage.told("audit", audit(tmp_path)) as done:
        assert done(run) is run
