"""A run's verdict as Prometheus reads it: a file, a Pushgateway over HTTP, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dftspark import cli
from dftspark import runs as making_runs
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.nights import shift
from dftspark.progress import Events
from dftspark.store.run import Run
from dftspark.trackers import prometheus
from tests.loopback import receiving
from tests.report.page_runs import metrics, publish, row
from tests.test_nights import nightly_audit

DATE = "2024-02-28"
LABELS = ("audit", "rule", "corpus", "model", "role", "metric", "outcome")


def night(out: Path, outcome: str = "fail") -> Run:
    tables = {
        "metrics": metrics("gpt", 46.0),
        "corpora": [row("corpora", corpus="gpt", role="model", documents=1234, rejected=5)],
        "checks": [row("checks", rule="far", model="gpt", outcome=outcome)],
    }
    checks = {"outcome": outcome, "counts": {outcome: 1}, "said": []}
    return publish(
        out, tables, name="night", kind="nightly", checks=checks, seconds={"read": 1.5, "count": 2}
    )


def read(text: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, *(sample.labels[one] for one in LABELS if one in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def hold(samples: dict[tuple[str, ...], float], run: Run) -> None:
    assert samples["dftspark_measure", "night", "gpt", "js_1gram"] == pytest.approx(0.7 / 46)
    assert samples["dftspark_tell_size", "night", "gpt", "js_1gram"] == 46
    assert samples["dftspark_documents", "night", "gpt", "model"] == 1234
    assert samples["dftspark_rejected", "night", "gpt", "model"] == 5
    assert samples["dftspark_check", "night", "far", "gpt", "fail"] == 1
    assert samples["dftspark_exit_code", "night"] == 3
    assert samples["dftspark_duration_seconds", "night"] == 3.5
    assert samples["dftspark_published_timestamp_seconds", "night"] > 1.6e9


def test_a_file_for_the_node_exporter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = night(tmp_path), tmp_path / "night.prom"
    assert cli.main(["log", run.path, "--prometheus", str(file)]) == 0
    assert capsys.readouterr().out == f"prometheus: {file}\n"
    hold(read(file.read_text()), run)
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["night.prom"]


def test_a_pushgateway(tmp_path: Path) -> None:
    run = night(tmp_path)
    with receiving() as gateway:
        prometheus.send(run, gateway.url)
    ((method, path, body),) = gateway.got
    assert (method, path) == ("PUT", "/metrics/job/dftspark/audit/night")
    hold(read(body.decode()), run)


def test_a_pass_ends_with_0(tmp_path: Path) -> None:
    file = tmp_path / "night.prom"
    prometheus.send(night(tmp_path, "pass"), str(file))
    assert read(file.read_text())["dftspark_exit_code", "night"] == 0


@pytest.mark.parametrize("place", ["night.txt", "ftp://host/x", ""])
def test_another_place_is_refused_before_the_night(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"NAME\.prom"):
        prometheus.check_place(place)


def test_a_night_goes_on_when_prometheus_does_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = night(tmp_path, "pass")
    monkeypatch.setattr(making_runs, "nightly", lambda *_, **__: run)
    told: list[Any] = []
    with caplog.at_level("INFO", "dftspark.progress"), receiving(500) as gateway:
        for place in (gateway.url, str(tmp_path / "none" / "x.prom")):
            with pytest.raises(EnvironmentProblem, match="did not take the metrics"):
                prometheus.send(run, place)
            order = shift.Order(DATE, prometheus=place)
            shift._one(None, nightly_audit(tmp_path), order, DATE, True, Events(), [])
            told.append(vars(caplog.records[-1])["values"]["prometheus"])
    assert ["500" in told[0], "FileNotFoundError" in told[1]] == [True, True]
