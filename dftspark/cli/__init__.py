"""The command line. Commands parse, load, call and print; nothing is computed here."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer

from dftspark import __version__, logs
from dftspark.cli import (  # in the order of --help
    bundled,
    computing,
    generating,
    publishing,
    reading,
    setup,
    trackers,
    tuning,
    writing,
)
from dftspark.cli.shared import app
from dftspark.errors import DftsparkError, without_extra

__all__ = [
    "app",
    "bundled",
    "computing",
    "generating",
    "main",
    "publishing",
    "reading",
    "setup",
    "trackers",
    "tuning",
    "writing",
]

_DEBUG = "DFTSPARK_DEBUG"
_LOG = logging.getLogger(__name__)
# Typer brings its own copy of click, or uses click's, depending on its version.
_UsageError: Any = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns 0, or the exit code of the error that ended it."""
    for library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # before anything loads them
        os.environ.setdefault(library, "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # text may be in any language
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    kind = logs.asked(given)
    with logs.configured(kind):
        try:
            return _logged(given) if kind is logs.LogKind.JSON else _run(given)
        except ModuleNotFoundError as error:
            problem = without_extra(error)
            if problem is None or _debugging():
                raise
            return _ended(problem)
        except DftsparkError as error:
            if _debugging():
                raise
            return _ended(error)


def _run(arguments: list[str], standalone: bool = True) -> int:
    """Returns the exit code of a command; a standalone one says itself what is wrong with its
    arguments."""
    try:
        code = _program()(arguments, prog_name="dftspark", standalone_mode=standalone)
    except SystemExit as ended:
        code = ended.code
    return code if isinstance(code, int) else 0


def _logged(arguments: list[str]) -> int:
    """Does the same where every word on standard error is JSON: wrong arguments and crashes are
    logged too."""
    try:
        return _run(arguments, standalone=False)
    except _UsageError as error:
        told = {"kind": "UsageError", "exit_code": error.exit_code}
        _LOG.error("%s", error.format_message(), extra={"event": "error", "values": told})
        return int(error.exit_code)
    except typer.Abort:
        return 1
    except (DftsparkError, ModuleNotFoundError):
        raise
    except Exception as error:
        told = {"kind": type(error).__name__, "exit_code": 1}
        values = {"event": "crash", "values": told}
        _LOG.critical("%s", error, exc_info=True, extra=values)
        return 1


def _debugging() -> bool:
    return os.environ.get(_DEBUG, "") not in ("", "0")


@cache
def _program() -> Callable[..., object]:
    return typer.main.get_command(app)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", help="Print it.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    if debug:
        os.environ[_DEBUG] = "1"


def _ended(error: DftsparkError) -> int:
    from dftspark.report.terminal.failure import log_error

    return log_error(error)
