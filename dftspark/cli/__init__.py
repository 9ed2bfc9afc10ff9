"""The command line. Commands parse, load, call and print; nothing is computed here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated

import typer

from dftspark import __version__
from dftspark.cli import (  # in the order of --help
    computing,
    generating,
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
    "computing",
    "generating",
    "main",
    "reading",
    "setup",
    "trackers",
    "tuning",
    "writing",
]

_DEBUG = "DFTSPARK_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns 0, or the exit code of the error that ended it."""
    for library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # before anything loads them
        os.environ.setdefault(library, "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # text may be in any language
            stream.reconfigure(errors="backslashreplace")
    try:
        _program()(list(sys.argv[1:] if arguments is None else arguments), prog_name="dftspark")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except ModuleNotFoundError as error:
        problem = without_extra(error)
        if problem is None or _debugging():
            raise
        _say_error(problem)
        return problem.exit_code
    except DftsparkError as error:
        if _debugging():
            raise
        _say_error(error)
        return error.exit_code
    return 0


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


def _say_error(error: DftsparkError) -> None:
    from dftspark.report.words.text import visible_lines

    print(f"error: {visible_lines(str(error))}", file=sys.stderr)
