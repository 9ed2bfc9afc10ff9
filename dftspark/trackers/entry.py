"""What of a run goes into a tracker, whichever it is.

Cost    reads the tables that are sent
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dftspark.errors import ConfigError
from dftspark.redaction import redact
from dftspark.report.words.lenses import leads
from dftspark.report.words.text import real
from dftspark.store.run import Run

TABLES = ("metrics", "differences", "checks", "corpora")  # that have no text of a document
_AT = re.compile(r"(.*?)[-_ =.:@]*(\d+)")
_STRANGE = re.compile(r"[^\w\-. :/]", re.ASCII)  # MLflow takes no other sign in a name


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker takes it.

    metrics   by training step, numbers by name; of step None where there is none
    settings  of the configuration, flat
    tables    by name
    page      the report as HTML, or None
    """

    name: str
    metrics: dict[int | None, dict[str, float]]
    settings: dict[str, str]
    tables: dict[str, pa.Table]
    page: bytes | None


def tracked(
    run: Run,
    *,
    step: int | None = None,
    by_name: bool = False,
    more: Sequence[str] = (),
    page: bool = True,
) -> TrackedRun:
    """Collects what is sent: every measure of every model over all strata, `TABLES` and `more`.

    With `by_name` a model whose name ends in a number, such as ckpt-100, is a point at that step of
    the curve of ckpt. Raises ConfigError for a run without measures, a table that it lacks, and a
    name without a number.
    """
    if "metrics" not in run.tables:
        raise ConfigError(
            f"run {run.id} is of the kind {run.manifest.get('kind', 'unknown')!r} and has no table "
            f"metrics, so there is nothing to log"
        )
    lacking = [name for name in more if name not in run.tables]
    if lacking:
        raise ConfigError(
            f"--table: run {run.id} has no table {lacking[0]!r}; it has {', '.join(run.tables)}"
        )
    names = [name for name in dict.fromkeys([*TABLES, *more]) if name in run.tables]
    file = run.manifest.get("page", {}).get("file", "")
    return TrackedRun(
        run.id,
        _metrics(run, step, by_name),
        _settings(run),
        {name: run.table(name) for name in names},
        run.file(file) if page and file else None,
    )


def _metrics(run: Run, step: int | None, by_name: bool) -> dict[int | None, dict[str, float]]:
    found: dict[int | None, dict[str, float]] = defaultdict(dict)
    for row in run.table("metrics").to_pylist():
        if row["stratum"]:
            continue
        model, at = _point(row["model"]) if by_name else (row["model"], step)
        values = {row["metric"]: real(row["value"])}
        if row["metric"] in leads():
            values[f"n_tell {leads()[row['metric']]}"] = real(row.get("n_tell"))
        for name, value in values.items():
            if math.isfinite(value):
                found[at][_STRANGE.sub("_", f"{model}/{name}")] = value
    return dict(sorted(found.items(), key=lambda item: -1 if item[0] is None else item[0]))


def _point(model: str) -> tuple[str, int]:
    matched = _AT.fullmatch(model)
    if matched is None or not matched[1]:
        raise ConfigError(
            f"--by-name: the name of the model {model!r} does not end in a step, as ckpt-100 does; "
            f"give --step for the whole run"
        )
    return matched[1], int(matched[2])


def _settings(run: Run) -> dict[str, str]:
    """Returns the configuration as `section.name`, without what is not set."""
    found = {"dftspark.version": str(run.manifest.get("code_version", "")), "dftspark.run": run.id}

    def add(part: object, before: str) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                add(value, f"{before}.{key}" if before else key)
        elif part not in (None, [], ""):
            found[before] = redact(part if isinstance(part, str) else json.dumps(part))

    add(run.manifest.get("config", {}), "")
    return {_STRANGE.sub("_", name): value for name, value in found.items()}
