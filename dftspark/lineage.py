"""What an audit reads and writes, told to OpenLineage through its own client: START, then COMPLETE
or FAIL, or ABORT of what begins again on Spark.

Events are sent only where the environment has OPENLINEAGE_URL, OPENLINEAGE_CONFIG or a setting that
begins with OPENLINEAGE__; what they say else is up to the client. A receiver that does not answer
is logged and changes no result.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dftspark import __version__
from dftspark.config import Audit
from dftspark.config.corpora import DATAFRAME
from dftspark.errors import EnvironmentProblem
from dftspark.needs_spark import NeedsSpark
from dftspark.redaction import redact
from dftspark.store.run import Run

_LOG = logging.getLogger(__name__)
_PRODUCER = f"pkg:pypi/dftspark@{__version__}"


@contextmanager
def told(kind: str, config: Audit) -> Iterator[Callable[[Run], Run]]:
    """Tells that work of this kind begins, and how it ends. The block calls what it is given with
    the run that it made, which returns it."""
    if not _wanted():
        yield lambda run: run
        return
    emit = _emitter(kind, config)
    made: list[Run] = []

    def done(run: Run) -> Run:
        made.append(run)
        return run

    emit("START", None, "")
    try:
        yield done
    except NeedsSpark:
        emit("ABORT", None, "")
        raise
    except BaseException as error:
        emit("FAIL", None, redact(f"{type(error).__name__}: {error}"))
        raise
    emit("COMPLETE", made[0] if made else None, "")


def _wanted() -> bool:
    names = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
    return any(name in names or name.startswith("OPENLINEAGE__") for name in os.environ)


def _emitter(kind: str, config: Audit) -> Callable[[str, Run | None, str], None]:
    try:
        from openlineage.client import OpenLineageClient, event_v2
        from openlineage.client.facet_v2 import error_message_run
        from openlineage.client.uuid import generate_new_uuid
    except ImportError as error:
        raise EnvironmentProblem(
            "the environment configures OpenLineage, and its client is not installed: "
            "pip install 'dftspark[openlineage]'"
        ) from error
    client = OpenLineageClient()
    number = str(generate_new_uuid())
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE", "dftspark")
    job = event_v2.Job(namespace=namespace, name=f"{kind}.{config.name}")
    inputs = [event_v2.InputDataset(*source) for source in _sources(config)]

    def emit(state: str, run: Run | None, problem: str) -> None:
        facets: dict[str, Any] = {}
        if problem:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(problem, "PYTHON")
        event = event_v2.RunEvent(
            eventType=event_v2.RunState[state],
            eventTime=datetime.now(UTC).isoformat(),
            run=event_v2.Run(number, facets=facets),
            job=job,
            producer=_PRODUCER,
            inputs=inputs,
            outputs=[event_v2.OutputDataset(*_dataset(run.path))] if run else [],
        )
        try:
            client.emit(event)
        except Exception as error:
            _LOG.warning("OpenLineage was not told: %s: %s", type(error).__name__, error)

    return emit


def _sources(config: Audit) -> list[tuple[str, str]]:
    """Returns namespace and name of the files and tables of all corpora; what a query or a
    DataFrame reads is not known."""
    sources = []
    for corpus in config.corpora.values():
        sources += [_dataset(path) for path in corpus.paths]
        if corpus.table and corpus.table != DATAFRAME:
            sources.append(("spark", corpus.table))
    return sources


def _dataset(place: str) -> tuple[str, str]:
    """Returns namespace and name of a path, as OpenLineage's naming has them."""
    place = redact(place)
    address = urlsplit(place)
    if address.scheme:
        scheme = "s3" if address.scheme in ("s3a", "s3n") else address.scheme
        return f"{scheme}://{address.netloc}", address.path.lstrip("/") or "/"
    return "file", str(Path(place).absolute())
