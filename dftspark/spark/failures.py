"""Turns errors of failed Spark work into errors of dftspark that the user can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger

from dftspark import errors
from dftspark.config import Audit
from dftspark.errors import ConfigError, DftsparkError, EnvironmentProblem, InputError
from dftspark.location import NO_INODES, Location, space, without_inodes

# Raised in a Python worker; the text goes on to the end, or to what the JVM adds.
_IN_A_TASK = re.compile(
    r"^dftspark\.errors\.(\w{1,40}): (.{1,4000}?)(?=\n*\Z|\n\s*SQLSTATE: |\n\tat )", re.M | re.S
)
# A value of a row does not convert, although the expression is fine.
_DATA_EXCEPTION = re.compile(r"\[[A-Z0-9_.]{1,80}\] [^\n]{1,2000}? SQLSTATE: 22\w{3}")
# A table is written anew while tasks read it.
_NO_FILE = re.compile(
    r"\[FAILED_READ_FILE\.FILE_NOT_EXIST\][^\n]{0,2000}?(?:file|path):? (\S{1,2000})", re.I
)

_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_STORAGE = {
    "No space left on device": "Free some space, or choose another `out` or spark.local.dir.",
    "Disk quota exceeded": "Raise the quota, or choose another `out` or spark.local.dir.",
    "File too large": "The file-size limit (ulimit -f) or the file system is too small.",
    "Permission denied": "Choose an `out` that this user and all executors may write.",
    "Read-only file system": "Choose another `out`.",
    "Mkdirs failed": "Choose an `out` that every executor can make folders in.",
}
_FULL = ("No space left on device", "Disk quota exceeded")
_MEMORY = {
    "java.lang.OutOfMemoryError": "Give Java more: spark.driver.memory, spark.executor.memory.",
    "MemoryError": "Give workers more, run fewer at once, or lower ngrams.buffer_mb.",
    "Python worker exited unexpectedly": "Workers that end like this mostly ran out of memory: "
    "run fewer at once (a smaller --master 'local[N]'), or lower ngrams.buffer_mb. --master "
    "'local[*,3]' tries a task three times.",
}


@contextmanager
def explained(config: Audit, run: str) -> Iterator[None]:
    """Raises the cause of a Spark error, with the run's folder, the value and the remedy.

    Raises ConfigError for a filter or a query that fails on a row, EnvironmentProblem for storage
    and memory, and an error of dftspark.errors from a task as itself. Other errors pass, because
    they are crashes.
    """
    try:
        with unlogged():
            yield
    except (PySparkException, Py4JError, MemoryError) as error:
        said = "MemoryError" if isinstance(error, MemoryError) else str(error)
        meant = explain(said, config, run)
        if meant is None:
            raise
        raise meant from error


@contextmanager
def unlogged() -> Iterator[None]:
    """Suppresses what PySpark logs of an exception when it raises it, two stacks long."""
    loggers = [PySparkLogger.getLogger(name) for name in _LOGGERS]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def cause(said: str) -> str:
    """Returns the line of a Spark error that names its cause: what a task raised, else the first
    that is not empty."""
    raised = _IN_A_TASK.search(said)
    lines = (raised[2] if raised else said).splitlines()
    return next((line.strip() for line in lines if line.strip()), "it failed without a word")


def remade(kind: str, text: str) -> DftsparkError | None:
    """Returns the error of dftspark.errors of that name with that text; None if there is none."""
    found = getattr(errors, kind, None)
    if not (isinstance(found, type) and issubclass(found, DftsparkError)):
        return None
    meant = found.__new__(found)  # an error may need other arguments than its text
    Exception.__init__(meant, text)
    return meant


def explain(said: str, config: Audit, run: str) -> DftsparkError | None:
    """Returns the error behind the text of a Spark error, which wraps its cause many levels
    deep."""
    raised = _IN_A_TASK.search(said)
    if raised and (meant := remade(raised[1], raised[2])) is not None:
        return meant
    value = _DATA_EXCEPTION.search(said)
    for name, corpus in config.corpora.items():
        if value and corpus.filter is not None and corpus.filter in said:
            return ConfigError(
                f"corpora.{name}.filter: {corpus.filter!r} fails on a row: {value[0]}\n  fields "
                f"and sampler are text: try_cast(fields['x'] AS DOUBLE) is null where it fails"
            )
    tables = [name for name, corpus in config.corpora.items() if not corpus.paths]
    if value and tables:
        return ConfigError(
            f"a row of {' or '.join(f'corpora.{name}' for name in tables)} cannot be computed: "
            f"{value[0]}\n  in its query, view or DataFrame; try_cast and try_divide are null "
            f"where they fail"
        )
    gone = _NO_FILE.search(said)
    stores = (Location.parse(place).path for place in (config.out, config.embedding_store))
    if gone and tables and not any(store in gone[1] for store in stores):
        return InputError(
            f"a file of {' or '.join(f'corpora.{name}' for name in tables)} was removed while it "
            f"was read: {gone[1]}\n  run again when nothing writes into its tables"
        )
    place = Location.parse(run)
    for sign, remedy in _STORAGE.items():
        if sign in said:
            if sign in _FULL and without_inodes(place):
                remedy = NO_INODES
            return EnvironmentProblem(
                f"cannot finish {place}: storage refused: {sign}{space(place)}. {remedy}"
            )
    for sign, remedy in _MEMORY.items():
        if sign in said:
            return EnvironmentProblem(f"cannot finish {place}: memory ran out: {sign}. {remedy}")
    return None
