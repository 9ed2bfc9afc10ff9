"""The frame around the work of every entry point in `jobs/`: arguments, last line and exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from dftspark.checks.readings import demand
from dftspark.errors import DftsparkError, FinishedInPart, without_extra
from dftspark.judge.outcome import unfinished
from dftspark.redaction import redact
from dftspark.report.words.text import visible_lines
from dftspark.store.run import Run


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with --conf and --date."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--conf", type=Path, required=True, help="TOML file of the audit")
    found.add_argument("--date", default="", help="YYYY-MM-DD; {date} in paths becomes it")
    return found


def exit_code(work: Callable[[], Run]) -> int:
    """Returns 0 after printing the path of the run that `work` made; else the error's exit code,
    after reporting it on standard error without a traceback."""
    try:
        run = work()
        print(redact(run.path))
        accept(run)
    except ModuleNotFoundError as error:
        problem = without_extra(error)
        if problem is None:
            raise
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    except DftsparkError as error:
        print(f"error: {visible_lines(str(error))}", file=sys.stderr)
        return error.exit_code
    return 0


def accept(run: Run) -> None:
    """Raises CheckFailed or FinishedInPart for a published run that is not as it should be."""
    demand([run])
    told = run.manifest.get("generate", {})
    if told.get("in_part"):
        why = "; ".join(told["stopped"]) or "see its tables textless or briefless"
        raise FinishedInPart(
            f"{run.path}: {told['unanswered']:,} of {told['requests']:,} requests have no answer: "
            f"{why}. The same command goes on where this run stopped."
        )
    if missing := unfinished(run):
        raise FinishedInPart(f"{run.path}: {missing}")
