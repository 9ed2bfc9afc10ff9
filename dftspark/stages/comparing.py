"""The comparing stages: the metrics of every lens, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from dftspark import differences, schema, sweeps
from dftspark.lenses.lens import Lens, Pairing, chosen, lens
from dftspark.making import Making
from dftspark.report.words.verdict import headline
from dftspark.stages import documents_as_wholes
from dftspark.stages.profiling import Profile


def compare(making: Making, profile: Profile) -> dict[str, Any]:
    """Writes metrics and the tables of every lens; returns the manifest's entry."""
    config, ngrams = making.config, profile.ngrams
    withheld = documents_as_wholes.tests_withheld(config.human, ngrams.files)
    pairing = Pairing(profile.shared_clusters, profile.returning, withheld, profile.texts)
    metrics: list[dict[str, Any]] = []
    told: dict[str, Any] = {}
    for one in chosen(config):
        found = one.compare(making, profile.states.get(one.name), pairing)
        metrics += metric_rows(making, one, found.rows)
        told |= found.manifest
    with making.stage("compare documents as wholes"):
        told |= documents_as_wholes.compare(making, ngrams.files)
    metrics.sort(key=lambda row: (row["model"], row["stratum"]))
    if withheld:
        metrics = [{**row, **dict.fromkeys(_TESTS, math.nan)} for row in metrics]
    _name_units(metrics, config.human, ngrams.several_a_cluster)
    return {
        "seed": config.inference.seed,
        "headline": headline(_write_metrics(making, metrics)),
        "corpora": sorted({config.human, *(row["model"] for row in metrics)}),
        **told,
    }


# What takes clusters for independent.
_TESTS = ("p_value", "floor", "ratio_to_floor", "mde", "n_tell", "n_tell_low", "n_tell_high")


def _name_units(rows: list[dict[str, Any]], human: str, several: frozenset[str]) -> None:
    """Adds the unit of n_tell; `several` are the corpora with several documents per cluster."""
    for row in rows:
        both = bool({human, row["model"]} & several)
        prompts = lens(row["lens"]).told_in_prompts(row["metric"], both)
        told = row["n_tell"] is not None and not math.isnan(row["n_tell"])
        row["n_tell_unit"] = ("prompts" if prompts else "documents") if told else ""


def _write_metrics(making: Making, rows: list[dict[str, Any]]) -> pa.Table:
    """Writes and returns the table, and writes those that follow from it: differences, sweeps."""
    config = making.config
    table = pa.Table.from_pylist(
        [row for row in rows if not row["metric"].startswith(sweeps.RATE)], schema=schema.METRICS
    )
    making.writer.write("metrics", table)
    if config.splits:
        making.writer.write("differences", differences.table(rows, config.inference.confidence))
    if config.sweeps:
        with making.stage("compare settings"):
            for name, found in sweeps.tables(rows, config).items():
                making.writer.write(name, found)
    return table


def metric_rows(making: Making, one: Lens, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows of the metrics table from a lens's rows, with the further columns that a sweep
    needs."""
    return [_metric_row(making, one, row, metric) for row in rows for metric in row["metrics"]]


def _metric_row(
    making: Making, one: Lens, row: dict[str, Any], metric: dict[str, Any]
) -> dict[str, Any]:
    floor = metric["floor"]
    known = floor is not None and floor > 0
    return {
        **metric,
        "run_id": making.writer.id,
        "date": making.date,
        "human": making.config.human,
        "model": row["model"],
        "stratum": row["stratum"],
        "lens": one.name,
        "ratio_to_floor": metric["value"] / floor if known else float("nan"),
        "n_human": row["n_human"],
        "n_model": row["n_model"],
        "better": one.better(metric["metric"]),
        "fingerprint": row["fingerprint"],
    }
