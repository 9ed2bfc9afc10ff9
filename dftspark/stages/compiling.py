"""Says before the first stage that kernels are compiled in it, since its progress does not show
it."""

from __future__ import annotations

import logging
from functools import cache

from dftspark import logs
from dftspark.lenses.ngrams import counting
from dftspark.making import Making
from dftspark.progress import Silent
from dftspark.spark.rows import here

_LOG = logging.getLogger(__name__)
_TIME = "for half a minute or, on a busy machine, a few"


def tell(making: Making) -> None:
    """Logs, once in a process, that this run has to compile the kernels on this machine; nothing
    if it has not, if its progress is silent, and of a cluster, whose machines are not looked at."""
    if not isinstance(making.progress, Silent) and here(making.spark):
        _tell_once()


@cache  # an audit that begins again on Spark tells it no second time
def _tell_once() -> None:
    found = counting.uncompiled()
    if found is None:
        return
    folder, why = found
    message = (
        f"compiling kernels, {_TIME}: it is the first run on this machine, and later ones find "
        f"them in {folder}. `dftspark warm` does it beforehand."
        if folder
        else f"compiling kernels, {_TIME}, as each run does: {why}. Name a folder that lasts in "
        f"NUMBA_CACHE_DIR."
    )
    logs.event(_LOG, "compiling", message, folder=folder)
