"""The work of a scheduled night: the night itself, the nights it makes stale, and notification.

Results are published first and notified after, so a webhook that does not answer changes no result
and no exit code.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dftspark import runs
from dftspark.checks.junit import junit
from dftspark.checks.readings import JUNIT, demand
from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem, NotPublished
from dftspark.location import check_store
from dftspark.nights import calendar
from dftspark.nights.alerts import notify, tell
from dftspark.progress import Events, Progress, Silent
from dftspark.redaction import redact
from dftspark.report.terminal.program import program
from dftspark.report.words.text import visible_lines
from dftspark.store.run import Run
from dftspark.trackers import prometheus

_DAYS = {
    "missing": "days of the window without a profile",
    "removed": "days of the window that were taken out",
    "damaged": "days of the window whose profile is damaged",
}


@dataclass(frozen=True)
class Order:
    """The order for a night, as on the command line."""

    date: str
    read: bool = True
    remove: bool = False
    refresh: bool = False
    reference: bool = False
    reason: str = ""
    junit: Path | None = None
    prometheus: str | None = None


def work(
    config: Audit,
    order: Order,
    shown: Progress,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> list[Run]:
    """Does what is ordered and prints the path of every run that it made, one per line.

    Raises CheckFailed, after everything is published, if a check of any of these nights failed.
    """
    from dftspark.spark.session import session

    check_store(config.out)
    if order.prometheus:
        prometheus.check_place(order.prometheus)
    made: list[Run] = []
    late: list[NotPublished] = []
    if order.remove:
        made.append(calendar.remove(config.out, config.name, order.date, order.reason))
        print(redact(made[-1].path), flush=True)
    if order.remove and not order.refresh:
        _say_stale(config, order, shown)
        return made
    with session(f"nightly {config.name}", master, settings) as spark:
        if not order.remove:
            made.append(_one(spark, config, order, order.date, order.read, shown, late))
        if order.refresh:
            stale = _index(config).stale(order.date, config.nightly.window)
            made += [_one(spark, config, order, date, False, shown, late) for date in stale]
    if not order.refresh:
        _say_stale(config, order, shown)
    demand(made)
    if late:
        raise late[0]
    return made


def _one(
    spark: Any,
    config: Audit,
    order: Order,
    date: str,
    read: bool,
    shown: Progress,
    late: list[NotPublished],
) -> Run:
    """Makes one night; what kept its tables out of the catalog goes into `late`."""
    reference = order.reference and date == order.date
    try:
        run = runs.nightly(spark, config, date, shown, read=read, reference=reference)
    except NotPublished as error:
        run = error.run
        late.append(error)
    problem = tell(run, config.nightly.webhook_variable)
    untold = notify(run, config.nightly.alerts_variable)
    unpublished = next((str(error) for error in late if error.run is run), "")
    unsent = _send(run, order.prometheus) if date == order.date else ""
    problems = {
        "webhook": problem,
        "alerts": untold,
        "prometheus": unsent,
        "publish": unpublished,
    }
    told = {key: said for key, said in problems.items() if said}
    if isinstance(shown, Events):
        days = {key: run.manifest.get(key, []) for key in _DAYS}
        said = dict(run.manifest["checks"], run=run.id, path=redact(run.path), date=date, **days)
        shown.say("published", **said, **told)
    elif not isinstance(shown, Silent):
        for line in _in_words(run, told):
            print(visible_lines(line), file=sys.stderr, flush=True)
    print(redact(run.path), flush=True)
    if order.junit and date == order.date:
        _copy_junit(run, config, order.junit)
    return run


def _send(run: Run, place: str | None) -> str:
    """Sends the verdict to Prometheus; returns what went wrong, which changes no result."""
    try:
        if place:
            prometheus.send(run, place)
    except EnvironmentProblem as error:
        return str(error)
    return ""


def _in_words(run: Run, told: dict[str, str]) -> Iterator[str]:
    """Yields what a person wants to know of a night: verdict, rules, days and where to look."""
    checks = run.manifest["checks"]
    title = f"{run.manifest.get('name', '')} {run.manifest.get('date', '')}".strip()
    yield f"{title}: {run.manifest.get('headline') or 'nothing was compared'}"
    if any(checks.get("counts", {}).values()):
        yield f"rules: {'; '.join([checks['outcome'], *checks.get('said', [])])}"
    for key, meaning in _DAYS.items():
        if days := run.manifest.get(key, []):
            yield f"{meaning}: {', '.join(map(str, days))}"
    yield from (f"{key}: {said}" for key, said in told.items())
    yield f"to look at it: {program()} show {shlex.quote(redact(run.path))}"


def _copy_junit(run: Run, config: Audit, target: Path) -> None:
    """Copies the JUnit file; without rules it is a suite of no tests, so that readers find a
    file."""
    suite = run.file(JUNIT) if config.checks else junit([], config.name, run.manifest["date"])
    try:
        target.write_bytes(suite)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {target}: {error.strerror}") from error


def _say_stale(config: Audit, order: Order, shown: Progress) -> None:
    stale = _index(config).stale(order.date, config.nightly.window)
    if stale:
        _note(
            shown,
            "stale",
            nights=stale,
            remedy=f"dftspark nightly CONF --date {order.date} --stored --refresh",
        )


def _index(config: Audit) -> calendar.Nights:
    return calendar.Nights.of(config.out, config.name)


def _note(shown: Progress, event: str, **values: Any) -> None:
    if isinstance(shown, Events):
        shown.say(event, **values)
    elif not isinstance(shown, Silent):
        told = "; ".join(f"{key} {value}" for key, value in values.items() if value not in ([], ""))
        print(f"{event}: {told}", file=sys.stderr, flush=True)
