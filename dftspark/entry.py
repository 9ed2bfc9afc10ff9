"""The frame around the work of every entry point in `jobs/`: arguments, last line and exit code."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from dftspark import logs
from dftspark.checks.readings import demand
from dftspark.errors import DftsparkError, FinishedInPart, NotPublished, without_extra
from dftspark.judge.outcome import unfinished
from dftspark.redaction import redact
from dftspark.report.terminal.failure import log_error
from dftspark.report.words.text import visible_lines
from dftspark.store.run import Run

_LOG = logging.getLogger(__name__)


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with --conf, --date and --log."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    found.add_argument("--date", default="", help="YYYY-MM-DD; {date} in paths becomes it")
    add_log(found)
    return found


def add_log(to: argparse.ArgumentParser) -> None:
    """Adds --log, whose default is that of the environment."""
    kinds = [logs.LogKind.LINES.value, logs.LogKind.JSON.value]
    to.add_argument(
        "--log", choices=kinds, default=logs.asked([]).value, help="what standard error gets"
    )


def exit_code(work: Callable[[], Run], log: str = "lines") -> int:
    """Returns 0 after printing the path of the run that `work` made; else the error's exit code,
    after logging it without a traceback. `log` is the value of --log."""

    def whole() -> None:
        run, late = kept(work)
        print(redact(run.path))
        accept(run, late)

    return outcome(whole, log)


def outcome(work: Callable[[], object], log: str = "lines") -> int:
    """Returns 0 if `work` ends well, else the exit code of its error, which is logged."""
    with logs.configured(logs.LogKind(log)):
        try:
            work()
        except ModuleNotFoundError as error:
            problem = without_extra(error)
            if problem is None:
                raise
            return log_error(problem)
        except DftsparkError as error:
            return log_error(error)
    return 0


def kept(work: Callable[[], Run]) -> tuple[Run, NotPublished | None]:
    """Returns the run that `work` made, and what kept its tables out of the catalog, if anything
    did."""
    try:
        return work(), None
    except NotPublished as error:
        return error.run, error


def accept(run: Run, late: NotPublished | None = None) -> None:
    """Raises CheckFailed or FinishedInPart for a published run that is not as it should be, or
    `late`. What is worst is raised, and `late` is told beside it."""
    if late is not None and run.manifest.get("checks", {}).get("outcome") == "fail":
        _LOG.warning("%s", visible_lines(str(late)))
    demand([run])
    if late is not None:
        raise late
    told = run.manifest.get("generate", {})
    if told.get("in_part"):
        why = "; ".join(told["stopped"]) or "see its tables textless or briefless"
        raise FinishedInPart(
            f"{run.path}: {told['unanswered']:,} of {told['requests']:,} requests have no answer: "
            f"{why}. The same command goes on where this run stopped."
        )
    if missing := unfinished(run):
        raise FinishedInPart(f"{run.path}: {missing}")
