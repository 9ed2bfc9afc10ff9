"""A run's verdict as Prometheus's metrics: in a file for the node exporter's textfile collector, or
pushed to a Pushgateway, through prometheus_client.

A night that crashed sends nothing, so alert on the age of dftspark_published_timestamp_seconds as
well.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.redaction import redact
from dftspark.report.words.text import real
from dftspark.store.run import Run

_SECONDS = 10  # for a Pushgateway to answer
_MEASURES = {  # by column of the table metrics
    "value": ("dftspark_measure", "The estimate, in the measure's unit."),
    "p_value": ("dftspark_measure_p_value", "That both corpora come from one source."),
    "floor": ("dftspark_measure_floor", "95% quantile under one source at these sizes."),
    "n_tell": ("dftspark_tell_size", "Documents or prompts a side that give the model away."),
}
_COUNTS = {  # by column of the table corpora
    "documents": ("dftspark_documents", "Rows kept."),
    "rejected": ("dftspark_rejected", "Rows that could not be used."),
}


def check_place(place: str) -> None:
    """Raises ConfigError for a place that is neither a file NAME.prom nor a URL, and
    EnvironmentProblem without prometheus_client."""
    _package()
    if not _is_url(place) and not place.endswith(".prom"):
        raise ConfigError(
            f"--prometheus takes a file NAME.prom, since the node exporter reads no other, or the "
            f"http URL of a Pushgateway, got {redact(place)!r}"
        )


def send(run: Run, place: str) -> None:
    """Writes the file in one step, or replaces what the Pushgateway has of the run's audit.

    Raises EnvironmentProblem if the place does not take it.
    """
    prometheus = _package()
    registry = _registry(run)
    try:
        if _is_url(place):
            grouping = {"audit": _name(run)}
            prometheus.push_to_gateway(
                place, job="dftspark", registry=registry, grouping_key=grouping, timeout=_SECONDS
            )
        else:
            prometheus.write_to_textfile(place, registry)
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"Prometheus: {redact(place)} did not take the metrics: {type(error).__name__}: {error}"
        ) from error


def _registry(run: Run) -> Any:
    prometheus = _package()
    registry = prometheus.CollectorRegistry()
    audit = _name(run)

    def gauge(name: str, text: str, *labels: str) -> Any:
        return prometheus.Gauge(name, text, ["audit", *labels], registry=registry)

    rows = [row for row in _rows(run, "metrics") if not row["stratum"]]
    for column, (name, text) in _MEASURES.items():
        shown = gauge(name, text, "model", "metric")
        for row in rows:
            if math.isfinite(value := real(row.get(column))):
                shown.labels(audit, row["model"], row["metric"]).set(value)
    for column, (name, text) in _COUNTS.items():
        shown = gauge(name, text, "corpus", "role")
        for row in _rows(run, "corpora"):
            shown.labels(audit, row["corpus"], row["role"]).set(row[column] or 0)
    checks = gauge("dftspark_check", "1 for the outcome of a rule.", "rule", "model", "outcome")
    for row in _rows(run, "checks"):
        checks.labels(audit, row["rule"], row["model"], row["outcome"]).set(1)
    failed = run.manifest.get("checks", {}).get("outcome") == "fail"
    gauge("dftspark_exit_code", "3 if a check failed, else 0.").labels(audit).set(3 * failed)
    seconds = sum(run.manifest.get("seconds", {}).values())
    gauge("dftspark_duration_seconds", "Of all stages.").labels(audit).set(seconds)
    published = datetime.fromisoformat(run.manifest["created_at"]).timestamp()
    gauge("dftspark_published_timestamp_seconds", "When the run was published.").labels(audit).set(
        published
    )
    return registry


def _name(run: Run) -> str:
    return str(run.manifest.get("name", ""))


def _rows(run: Run, table: str) -> list[dict[str, Any]]:
    return run.table(table).to_pylist() if table in run.tables else []


def _is_url(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _package() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        raise EnvironmentProblem(
            "prometheus_client is not installed: pip install 'dftspark[prometheus]'"
        ) from error
    return prometheus_client
