"""Outcome of a run of judges: its result in one line, and what is missing from it."""

from __future__ import annotations

import pyarrow as pa

from dftspark.endpoints.answers import LOST, NOT_ASKED
from dftspark.report.words.text import number, real, visible
from dftspark.store.run import Run

_MANY = 0.05  # share of all requests; with more unanswered, a run is finished in part


def headline(metrics: pa.Table) -> str:
    """States the first JMQ of the model farthest from parity, or the stand-in for JMQ."""
    rows = metrics.to_pylist()
    jmq = [r for r in rows if r["metric"].startswith("jmq_") and not r["stratum"]]
    if jmq:
        name = jmq[0]["metric"]
        own = [row for row in jmq if row["metric"] == name]
        row = max(own, key=lambda r: abs(real(r["value"]) - 1))
        return f"{visible(row['model'])}: {spoken(name)} {number(real(row['value']))}"
    auc = [row for row in rows if row["metric"] == "c2st_auc"]
    return (
        f"no judge; {visible(auc[0]['model'])}: c2st_auc {number(real(auc[0]['value']))}"
        if (auc)
        else "no judge"
    )


def spoken(metric: str) -> str:
    """Spells `jmq_overall:mini` as `JMQ (overall, mini)`."""
    kind, _, judge = metric.partition(":")
    return f"JMQ ({visible(kind.removeprefix('jmq_'))}, {visible(judge)})"


def unanswered(run: Run) -> str:
    """Describes the missing verdicts of a run and the reasons; empty if there are none."""
    told = run.manifest.get("judge", {})
    missing = int(told.get("unanswered", 0))
    if not missing:
        return ""
    why = "; ".join(told["stopped"]) or ", ".join(
        f"{error} {count:,}" for error, count in told["errors"].items()
    )
    lost = int(told["errors"].get(LOST, 0))
    left = "" if lost == missing else " The same command goes on where this run stopped."
    again = (
        f" {lost:,} were sent by a run that was killed, and may have been paid for; the same "
        f"command with --again sends them once more."
        if lost
        else ""
    )
    return f"{missing:,} of {told['requests']:,} requests have no answer: {why}.{left}{again}"


def unfinished(run: Run) -> str:
    """Returns `unanswered` if so much is missing that the run is finished in part; else empty."""
    told = run.manifest.get("judge", {})
    early = told.get("stopped") or told.get("errors", {}).get(NOT_ASKED)
    many = told.get("unanswered", 0) > _MANY * told.get("requests", 0)
    return unanswered(run) if early or many else ""
