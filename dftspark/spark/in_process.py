"""Makes small audits in this process, which is done before Spark would have started."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession

from dftspark.config import Audit, filters
from dftspark.config.corpora import DATAFRAME
from dftspark.lenses.lens import chosen
from dftspark.location import Location
from dftspark.needs_spark import NeedsSpark
from dftspark.spark import join_copies
from dftspark.spark.rows import InProcess
from dftspark.store.run import Run

_LOG = logging.getLogger(__name__)
_FILTERS = (None, filters.OF_NO_MODEL, filters.OF_MODELS)
_ASKING = ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_REMOTE")


def made(
    app: str,
    work: Callable[[Any], Run],
    small: Audit | None,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Run:
    """Returns the run that `work` makes, without Spark if it is the audit `small` and that turns
    out to be small indeed, else in a session of Spark; why it was not is logged unless `quiet`."""
    from dftspark.spark.session import session

    if small is not None and possible(small, master, settings):
        try:
            return work(InProcess())
        except NeedsSpark as reason:
            if not quiet:
                _LOG.info("begins again on Spark: %s", reason)
    with session(app, master, settings) as spark:
        return work(spark)


def possible(config: Audit, master: str | None, settings: Mapping[str, str] | None) -> bool:
    """Returns whether this process may try the audit; how much text there is shows when it is read.

    It is for Spark if a master or a setting of Spark is asked for or Spark runs already, for what
    only Spark has (tables, queries, filters, near copies joined, tables of a catalog to publish
    into), for a GPU, and for object stores. Whether a DataFrame is Spark's the caller knows.
    """
    asked = master is not None or bool(settings) or any(name in os.environ for name in _ASKING)
    if asked or SparkSession.getActiveSession() is not None:
        return False
    corpora = config.corpora.values()
    return (
        all(corpus.paths or corpus.table == DATAFRAME for corpus in corpora)
        and all(corpus.filter in _FILTERS for corpus in corpora)
        and config.prompts == "all"
        and config.publish.tables is None
        and not join_copies.asked(config)
        and all(one.in_process for one in chosen(config))
        and config.embedding.device != "cuda"
        and Location.parse(config.out).local
        and Location.parse(config.embedding_store).local
    )
