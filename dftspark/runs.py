"""What dftspark does, as plain functions: audit, profile and compare.

Each makes one run in the store: stages write into its folder, the manifest makes it visible.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import __version__, schema
from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.location import Location, writing
from dftspark.report.progress import Progress, Silent
from dftspark.report.verdict import headline
from dftspark.store import Run, RunWriter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PACKAGES = ("pyspark", "pyarrow", "numpy", "numba", "tokenizers")


@dataclass
class _Making:
    """A run in the making: where it goes and how long its stages took."""

    spark: SparkSession
    config: Audit
    date: str
    progress: Progress
    writer: RunWriter
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        from dftspark.spark.failures import explained
        from dftspark.spark.progress import watched

        started = time.monotonic()
        with (
            self.progress.stage(name, unit="tasks") as shown,
            watched(self.spark, shown),
            explained(self.config, self.writer.path),
        ):
            yield
        self.seconds[name] = round(time.monotonic() - started, 3)

    def staging(self, name: str) -> str:
        return self.writer.table_path(name).removesuffix(".parquet") + ".staging"

    def write(self, name: str, table: DataFrame, compression: str = "zstd") -> DataFrame:
        from dftspark.spark import tables

        tables.write(table, self.writer.table_path(name), compression)
        return self.spark.read.parquet(self.writer.table_path(name))

    def publish(self, status: str, **found: Any) -> Run:
        for name in ("documents", "compared", "structure_compared"):
            folder = Location.parse(self.writer.path) / f"{name}.staging"
            with writing(folder):
                if folder.kind.name == "Directory":
                    folder.filesystem.delete_dir(folder.path)
        return self.writer.publish(
            {
                "kind": status,
                "status": "complete",
                "name": self.config.name,
                "date": self.date,
                "config": self.config.model_dump(mode="json"),
                "config_sha256": self.config.sha256,
                "code_version": __version__,
                "versions": _versions(),
                "seconds": self.seconds,
                **found,
            }
        )


def audit(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads, profiles, compares and publishes; the run has every table of schema.TABLES.

    Raises InputError for missing, empty or one-sided input and for too many rejects, ConfigError
    for a filter Spark cannot read, EnvironmentProblem where storage refuses.
    """
    making = _begin(spark, config, date, progress)
    profiled = _profile(making)
    compared = _compare(making, **profiled)
    if not config.keep_profile:
        for name in ("profile", "phrases", "structure"):
            location = Location.parse(making.writer.path) / f"{name}.parquet"
            with writing(location):
                location.filesystem.delete_dir(location.path)
    return making.publish("audit", **_described(profiled), **compared)


def profile(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads and profiles only: a run with corpora, rejects, profile and phrases."""
    making = _begin(spark, config, date, progress)
    profiled = _profile(making)
    return making.publish("profile", **_described(profiled))


def compare(
    spark: SparkSession, config: Audit, profiled: Run, progress: Progress | None = None
) -> Run:
    """Compares the stored profiles of a run, without its documents: a run with the tables."""
    if "profile" not in profiled.tables:
        raise ConfigError(
            f"{profiled.path} keeps no profile; run `dftspark profile`, or an audit with "
            f"keep_profile = true"
        )
    making = _begin(spark, config, str(profiled.manifest["date"]), progress)
    stored = {
        "stored": spark.read.parquet(profiled.table_path("profile")),
        "known": spark.read.parquet(profiled.table_path("phrases")),
        "structured": spark.read.parquet(profiled.table_path("structure")),
        "shared": profiled.manifest["shared_clusters"],
        "ranges": profiled.manifest["key_ranges"],
    }
    compared = _compare(making, **stored)
    return making.publish("compare", profiled=profiled.id, **_described(stored), **compared)


def _begin(spark: SparkSession, config: Audit, date: str, progress: Progress | None) -> _Making:
    from dftspark.spark.session import relied_on

    writer = RunWriter.create(config.out, config.name)
    return _Making(relied_on(spark), config, date, progress or Silent(), writer)


def _described(found: dict[str, Any]) -> dict[str, Any]:
    return {"shared_clusters": found["shared"], "key_ranges": found["ranges"]}


def _profile(making: _Making) -> dict[str, Any]:
    from dftspark.spark import documents, ngrams, structure, tables
    from dftspark.spark.compare import shared_clusters
    from dftspark.spark.session import shuffle_partitions

    spark, config = making.spark, making.config
    with making.stage("read"):
        read = documents.read(spark, config, making.staging("documents"))
        rejects = tables.rejects(read.issues, making.writer.id, making.date)
        issues = making.write("rejects", rejects)
        counted = documents.counts(read, issues, config)
    documents.check(counted, config, making.writer.table_path("rejects"))
    with making.stage("count n-grams"):
        sizes = {row["corpus"]: row["bytes"] for row in counted if row["documents"]}
        layout = ngrams.Layout.of(sizes, shuffle_partitions(spark), config.ngrams.sketch_width)
        # States are packed already.
        stored = making.write("profile", ngrams.count(read.kept, config, layout), "none")
    with making.stage("read back phrases"):
        found = ngrams.phrases(read.kept, stored, config, layout)
        known = making.write("phrases", found)
        shared = shared_clusters(read.kept, config.human)
    with making.stage("measure structure"):
        structured = making.write("structure", structure.profile(read.kept, config), "none")
    states = ngrams.state_sizes(stored)
    rows = [
        {"run_id": making.writer.id, "date": making.date, **row, **states.get(row["corpus"], _NONE)}
        for row in counted
    ]
    making.writer.write("corpora", pa.Table.from_pylist(rows, schema=schema.CORPORA))
    return {
        "stored": stored,
        "known": known,
        "structured": structured,
        "shared": shared,
        "ranges": layout.ranges,
    }


_NONE = {"tokens": 0, "state_bytes": 0, "keyed_bytes": 0}


def _compare(
    making: _Making,
    stored: DataFrame,
    known: DataFrame,
    structured: DataFrame,
    shared: dict[str, int],
    ranges: int,
) -> dict[str, Any]:
    from dftspark.spark import ngrams, tables
    from dftspark.spark.compare import pairs

    spark, config, run_id = making.spark, making.config, making.writer.id
    with making.stage("compare"):
        totals = ngrams.totals_of(stored)
        path = making.staging("compared")
        tables.write(pairs(stored, totals, shared, config, ranges), path)
        compared = spark.read.parquet(path)
        text = (known, config.human, run_id, making.date)
        making.write("ngrams", tables.ngrams(compared, *text))
        making.write("document_ratios", tables.document_ratios(compared, *text))
        rows = compared.drop("ngrams", "ratios").toArrow().to_pylist()
    with making.stage("compare structure"):
        shapes = _compare_structure(making, structured, shared)
    metrics = pa.concat_tables([_metrics(making, rows), shapes])
    making.writer.write("metrics", metrics)
    return {
        "fingerprint": ngrams.fingerprint(config),
        "seed": config.inference.seed,
        "headline": headline(metrics),
        "corpora": sorted({config.human, *(row["model"] for row in rows)}),
    }


def _metrics(making: _Making, rows: list[dict[str, Any]]) -> pa.Table:
    from dftspark.spark.ngrams import fingerprint

    text = fingerprint(making.config)
    order = {n: i for i, n in enumerate(making.config.ngrams.orders)}
    out = []
    for row in sorted(rows, key=lambda r: (r["model"], r["stratum"], order[r["n"]])):
        made_by = f"ngram_counts-v1(n={row['n']}, text={text!r})"
        out += [_metric_row(making, row, metric, "ngrams", made_by) for metric in row["metrics"]]
    return pa.Table.from_pylist(out, schema=schema.METRICS)


def _metric_row(
    making: _Making, row: dict[str, Any], metric: dict[str, Any], lens: str, made_by: str
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
        "better": "lower",
        "fingerprint": made_by,
    }


def _compare_structure(making: _Making, structured: DataFrame, shared: dict[str, int]) -> pa.Table:
    """Writes the patterns table; returns the lens's rows of the metrics table."""
    from dftspark.spark import structure, tables

    path = making.staging("structure_compared")
    tables.write(structure.compare(structured, shared, making.config), path)
    compared = making.spark.read.parquet(path)
    run = (making.config.human, making.writer.id, making.date)
    making.write("patterns", structure.patterns_table(compared, *run))
    made_by = structure.statistic(making.config).fingerprint
    rows = compared.select("model", "stratum", "n_human", "n_model", "metrics").toArrow()
    out = [
        _metric_row(making, row, metric, "structure", made_by)
        for row in sorted(rows.to_pylist(), key=lambda r: (r["model"], r["stratum"]))
        for metric in row["metrics"]
    ]
    return pa.Table.from_pylist(out, schema=schema.METRICS)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def demo_config(out: str) -> Audit:
    """The audit of the bundled sample, which is written below `out`."""
    from dftspark import sample

    return sample.audit(out)
