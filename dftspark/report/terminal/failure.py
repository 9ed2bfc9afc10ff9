"""The record of an error that ends a program."""

from __future__ import annotations

import logging

from dftspark.errors import DftsparkError
from dftspark.report.words.text import visible_lines

_LOG = logging.getLogger(__name__)


def log_error(error: DftsparkError) -> int:
    """Logs an error in one record, without control characters; returns its exit code."""
    told = {"kind": type(error).__name__, "exit_code": error.exit_code}
    extra = {"event": "error", "values": told}
    _LOG.error("%s", visible_lines(str(error)), extra=extra)
    return error.exit_code
