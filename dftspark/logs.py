"""What the command line and the jobs write to standard error: lines for people, or JSON lines.

In a program of yours, dftspark logs to loggers called `dftspark...` and installs no handler. The
command line installs one, and only while a command runs. As JSON lines nothing else reaches
standard error: what Java, Spark, other packages and warnings write there becomes one object a line.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

from dftspark.redaction import redact

VARIABLE = "DFTSPARK_LOG"
_PACKAGE = logging.getLogger("dftspark")


class LogKind(StrEnum):
    """How a command logs: auto shows a bar on a terminal and lines elsewhere."""

    AUTO = "auto"
    LINES = "lines"
    JSON = "json"


class JsonHandler(logging.StreamHandler[TextIO]):
    """A handler that writes a record as one JSON object, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        told = getattr(record, "told", None) or _json(record)
        return json.dumps(_without_secrets(told))


def event(logger: logging.Logger, name: str, message: str = "", /, **values: object) -> None:
    """Logs what happened, at the level info: `message` for people, `values` for programs."""
    logger.info("%s", message or name, extra={"event": name, "values": values})


def asked(arguments: Sequence[str]) -> LogKind:
    """Returns the kind that `--log` of a command line asks for, else the environment variable.

    It is looked for before anything is parsed, since wrong arguments are logged as well; whoever
    parses says which values there are.
    """
    text = os.environ.get(VARIABLE, "")
    for at, argument in enumerate(arguments):
        name, sign, value = argument.partition("=")
        if name == "--log":
            text = value if sign else "".join(arguments[at + 1 : at + 2])
    return LogKind(text) if text in list(LogKind) else LogKind.AUTO


def as_json() -> bool:
    """Returns whether a command that logs JSON lines is running."""
    return any(isinstance(handler, JsonHandler) for handler in logging.getLogger().handlers)


@contextmanager
def configured(kind: LogKind) -> Iterator[None]:
    """Installs the handler of a command while the block runs."""
    if kind is LogKind.JSON:
        with _standard_error() as handler, _handling(logging.getLogger(), handler):
            logging.captureWarnings(True)
            try:
                yield
            finally:
                logging.captureWarnings(False)
        return
    lines = logging.StreamHandler()
    lines.setFormatter(_ForPeople())
    with _handling(_PACKAGE, lines):
        yield


@contextmanager
def _handling(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    level = _PACKAGE.level
    logger.addHandler(handler)
    _PACKAGE.setLevel(logging.INFO)
    try:
        yield
    finally:
        _PACKAGE.setLevel(level)
        logger.removeHandler(handler)


class _ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        before = "error: " if record.levelno >= logging.ERROR else ""
        return before + redact(super().format(record))


def _json(record: logging.LogRecord) -> dict[str, object]:
    name = getattr(record, "event", record.levelname.lower())
    told: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": name,
    }
    if record.getMessage() != name:
        told["message"] = record.getMessage()
    told |= getattr(record, "values", {})
    if record.exc_info:
        told["traceback"] = "".join(traceback.format_exception(*record.exc_info))
    return told


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _without_secrets(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such number
    return value if value is None or isinstance(value, int | float) else redact(str(value))


@contextmanager
def _standard_error() -> Iterator[JsonHandler]:
    """Yields a handler of the true standard error. Until the block ends, lines that anybody else
    writes there, Java and C included, go through it."""
    try:
        descriptor = sys.stderr.fileno()
    except (io.UnsupportedOperation, AttributeError):  # a notebook, or a test that listens
        yield JsonHandler(sys.stderr)
        return
    sys.stderr.flush()
    true = os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    handler = JsonHandler(true)
    source, sink = os.pipe()
    os.dup2(sink, descriptor)
    os.close(sink)
    reader = threading.Thread(target=_pass_on, args=[source, handler], daemon=True)
    reader.start()
    try:
        yield handler
    finally:
        sys.stderr.flush()
        os.dup2(true.fileno(), descriptor)
        reader.join(timeout=2)  # a Java that is still ending holds the pipe open


def _pass_on(source: int, handler: JsonHandler) -> None:
    with os.fdopen(source, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if text := line.strip():
                record = logging.LogRecord("stderr", logging.WARNING, "", 0, "%s", (text,), None)
                record.told = _told(text)
                handler.handle(record)


def _told(text: str) -> dict[str, Any] | None:
    """Returns what a line says that is a JSON object already, as Spark's structured logs are."""
    try:
        value = json.loads(text) if text.startswith("{") else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
