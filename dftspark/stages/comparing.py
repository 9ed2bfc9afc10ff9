"""The stages that compare: one range of measures a lens, and the tables that show where from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import differences, schema, sweeps
from dftspark.lenses.judge import VERSION, OfModel
from dftspark.lenses.metric import measured
from dftspark.report.verdict import headline
from dftspark.stages import documents_as_wholes, judging
from dftspark.stages.judging import Asking
from dftspark.stages.making import Making
from dftspark.stages.profiling import Clouds, Profile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def compare(making: Making, profile: Profile, asking: Asking | None = None) -> dict[str, Any]:
    """Writes metrics and the tables of every lens; what the manifest says of it.

    Judges are asked where the profile has its documents.
    """
    from dftspark.spark import ngrams

    config, shared = making.config, profile.shared_clusters
    withheld = documents_as_wholes.tests_withheld(config.human, profile)
    metrics = _compare_ngrams(making, profile, withheld)
    with making.stage("compare documents as wholes"):
        wholes = documents_as_wholes.compare(making, profile)
    models = {row["model"] for row in metrics}
    if profile.structure is not None:
        with making.stage("compare structure"):
            metrics += _compare_structure(making, profile.structure, shared, withheld)
    if profile.clouds:
        metrics += _compare_clouds(making, profile.clouds, shared)
    if "variety" in config.lenses and profile.documents is not None:
        _measure_variety(making, profile.documents)
    told: dict[str, Any] = {}
    if "judge" in config.lenses and not config.judge.endpoints:
        told["judge"] = judging.NO_JUDGE
    elif "judge" in config.lenses and profile.documents is not None:
        judged, told["judge"] = judging.judge(making, profile.documents, asking or Asking())
        metrics += judge_metrics(making, judged)
    metrics.sort(key=lambda row: (row["model"], row["stratum"]))
    if withheld:
        metrics = [{**row, **dict.fromkeys(_TESTS, math.nan)} for row in metrics]
    _name_units(metrics, config.human, profile.several_a_cluster)
    return {
        "fingerprint": ngrams.fingerprint(config),
        "seed": config.inference.seed,
        "headline": headline(_write_metrics(making, metrics)),
        "corpora": sorted({config.human, *models}),
        **wholes,
        **told,
    }


# What takes clusters for independent.
_TESTS = ("p_value", "floor", "ratio_to_floor", "mde", "n_tell", "n_tell_low", "n_tell_high")


def _write_rows(making: Making, name: str, rows: DataFrame, withheld: bool) -> None:
    """Of a lens, without the columns of its tests where those are withheld."""
    from dftspark.spark import tables

    making.write(name, tables.untested(rows) if withheld else rows)


def _name_units(rows: list[dict[str, Any]], human: str, several: frozenset[str]) -> None:
    """What n_tell counts: prompts where clusters of either side hold several documents."""
    for row in rows:
        prompts = row["lens"] == "judge" or bool({human, row["model"]} & several)
        prompts = prompts and not row["metric"].startswith("c2st")
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


def _compare_ngrams(making: Making, profile: Profile, withheld: bool) -> list[dict[str, Any]]:
    """Rows of the metrics table; writes those of n-grams."""
    from dftspark.spark import tables
    from dftspark.spark.compare import pairs

    spark, config = making.spark, making.config
    with making.stage("compare"):
        path = making.staging("compared")
        found = pairs(
            spark, profile.files, profile.shared_clusters, config, profile.key_ranges,
            profile.returning,
        )  # fmt: skip
        tables.write(found, path)
        compared = tables.read(spark, path, schema.COMPARED)
        path = making.staging("examples")
        tables.write(tables.examples(profile.phrases, compared), path)
        phrases = tables.read(spark, path, schema.PHRASES)
        text = (phrases, config.human, making.writer.id, making.date)
        _write_rows(making, "ngrams", tables.ngrams(compared, *text), withheld)
        _write_rows(making, "document_ratios", tables.document_ratios(compared, *text), withheld)
        rows = compared.drop("ngrams", "ratios").toArrow().to_pylist()
    return _ngram_metrics(making, rows, profile.fingerprints)


def _measure_variety(making: Making, documents: DataFrame) -> None:
    from dftspark.spark import variety

    with making.stage("measure variety"):
        found = variety.measure(documents, making.config, making.writer.id, making.date)
        making.write("variety", found)


def judge_metrics(making: Making, found: Iterable[OfModel]) -> list[dict[str, Any]]:
    """Rows of the metrics table."""
    rows = [measured(of.model, of.stratum, (of.pairs, of.pairs), of.metrics) for of in found]
    return metric_rows(making, rows, "judge", VERSION)


def _compare_clouds(making: Making, clouds: Clouds, shared: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of the metrics table; writes the tables of the lens where there are documents."""
    from dftspark.spark import cloud_lens, compare_clouds

    config, of = making.config, clouds.statistic
    with making.stage("compare embeddings"):
        rows = compare_clouds.pairs(clouds.sums, of, shared, config).toArrow().to_pylist()
        if clouds.documents is not None:
            beside = cloud_lens.beside(
                clouds.documents, clouds.sums, of, shared, config, making.writer.id, making.date
            )
            rows += beside.rows
            clouds.manifest.update(beside.manifest)
            for name, table in beside.tables.items():
                making.writer.write(name, table)
    return metric_rows(making, rows, "embeddings", of.fingerprint)


def _ngram_metrics(
    making: Making, rows: list[dict[str, Any]], fingerprints: dict[int, str]
) -> list[dict[str, Any]]:
    order = {n: i for i, n in enumerate(making.config.ngrams.orders)}
    return [
        found
        for row in sorted(rows, key=lambda r: order[r["n"]])
        for found in metric_rows(making, [row], "ngrams", fingerprints[row["n"]])
    ]


def _compare_structure(
    making: Making, structured: DataFrame, shared: dict[str, int], withheld: bool
) -> list[dict[str, Any]]:
    """Writes the patterns table; returns the lens's rows of the metrics table."""
    from dftspark.spark import structure, tables

    path = making.staging("structure_compared")
    tables.write(structure.compare(structured, shared, making.config), path)
    compared = making.spark.read.parquet(path)
    run = (making.config.human, making.writer.id, making.date)
    _write_rows(making, "patterns", structure.patterns_table(compared, *run), withheld)
    made_by = structure.statistic(making.config).fingerprint
    rows = compared.select(*schema.MEASURED.names).toArrow().to_pylist()
    return metric_rows(making, rows, "structure", made_by)


# Of the others lower.
_BETTER = {"frontier": "higher", "frontier_at_equality": "higher"}
_JUDGED = {"jmq": "parity", "bradley": "parity", "judge": "higher"}


def metric_rows(
    making: Making, rows: Iterable[dict[str, Any]], lens: str, fingerprint: str
) -> list[dict[str, Any]]:
    """Rows of the metrics table from rows of schema.MEASURED, with what a sweep needs beside."""
    return [
        _metric_row(making, row, metric, lens, fingerprint)
        for row in rows
        for metric in row["metrics"]
    ]


def _metric_row(
    making: Making, row: dict[str, Any], metric: dict[str, Any], lens: str, fingerprint: str
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
        "lens": lens,
        "ratio_to_floor": metric["value"] / floor if known else float("nan"),
        "n_human": row["n_human"],
        "n_model": row["n_model"],
        "better": _better(metric["metric"], lens),
        "fingerprint": fingerprint,
    }


def _better(metric: str, lens: str) -> str:
    if lens == "judge":
        return _JUDGED[metric.split("_")[0]]
    return _BETTER.get(metric, "lower")
