"""What dftspark does, as plain functions: audit, profile, embed and compare.

Each makes one run in the store: stages write into its folder, the manifest makes it visible.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import __version__, schema
from dftspark.config import Audit
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.location import Location, writing
from dftspark.report.progress import Progress, Silent
from dftspark.report.verdict import headline
from dftspark.store import Run, RunWriter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.documents import Documents
    from dftspark.spark.embed import Plan
    from dftspark.stats.feature_sums import FeatureSums
    from dftspark.vectors import VectorStore

_PACKAGES = (
    "pyspark", "pyarrow", "numpy", "numba", "tokenizers", "torch", "sentence-transformers",
    "transformers",
)  # fmt: skip


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
    def stage(self, name: str, store: VectorStore | None = None, texts: int = 0) -> Iterator[None]:
        """Shows the tasks that end, or the `texts` that come into an embedding store."""
        from dftspark.spark.failures import explained
        from dftspark.spark.progress import watched

        started = time.monotonic()
        shown = (
            self.progress.stage(name, unit="tasks")
            if store is None
            else self.progress.stage(name, texts, "texts")
        )
        try:
            with (
                shown as stage,
                watched(self.spark, stage) if store is None else store.watched(stage),
                explained(self.config, self.writer.path),
            ):
                yield
        except BaseException:
            with suppress(EnvironmentProblem):
                self.writer.discard_if_empty()
            raise
        self.seconds[name] = round(time.monotonic() - started, 3)

    def staging(self, name: str) -> str:
        return self.writer.table_path(name).removesuffix(".parquet") + ".staging"

    def write(self, name: str, table: DataFrame, compression: str = "zstd") -> DataFrame:
        from dftspark.spark import tables

        tables.write(table, self.writer.table_path(name), compression)
        return self.spark.read.schema(table.schema).parquet(self.writer.table_path(name))

    def reject(self, issues: DataFrame) -> None:
        """More rows for the table of rejects, which is there already."""
        from dftspark.spark import tables

        more = tables.rejects(issues, self.writer.id, self.date)
        more.write.mode("append").parquet(self.writer.table_path("rejects"), compression="zstd")

    def publish(self, status: str, **found: Any) -> Run:
        for name in ("documents", "compared", "embedded", "vectors", "structure_compared"):
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
    _check_embedder(spark, config)
    making = _begin(spark, config, date, progress)
    profiled = _profile(making)
    compared = _compare(making, **profiled)
    if not config.keep_profile:
        lenses = {"embeddings": ["feature_sums"], "structure": ["structure"]}
        own = [name for lens in config.lenses for name in lenses.get(lens, [])]
        for name in ("profile", "phrases", *own):
            location = Location.parse(making.writer.path) / f"{name}.parquet"
            with writing(location):
                location.filesystem.delete_dir(location.path)
    return making.publish("audit", **_described(profiled), **compared)


def profile(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads and profiles only: a run with corpora, rejects, profile, phrases and feature sums."""
    _check_embedder(spark, config)
    making = _begin(spark, config, date, progress)
    profiled = _profile(making)
    return making.publish("profile", **_described(profiled))


def embed(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Fills the embedding store with what it lacks of this audit's texts: a run with corpora and
    rejects, whose manifest says under `embedding` what was embedded. An audit of the same
    configuration then embeds nothing.

    Raises what `audit` raises, and EnvironmentProblem for an embedder or a device that is absent.
    """
    making = _begin(spark, config, date, progress)
    read, counted = _read(making)
    _, found = _embed(making, read)
    rows = [{"run_id": making.writer.id, "date": making.date, **row, **_NONE} for row in counted]
    making.writer.write("corpora", pa.Table.from_pylist(rows, schema=schema.CORPORA))
    return making.publish("embed", embedding=found)


def compare(
    spark: SparkSession, config: Audit, profiled: Run, progress: Progress | None = None
) -> Run:
    """Compares the stored profiles of a run, without its documents: a run with the tables.

    Of the embedding lens it has what follows from the feature sums: MMD by all kernels and the
    energy distance. Regions, witnesses and copies are an audit's.
    """
    if "profile" not in profiled.tables:
        raise ConfigError(
            f"{profiled.path} keeps no profile; run `dftspark profile`, or an audit with "
            f"keep_profile = true"
        )
    making = _begin(spark, config, str(profiled.manifest["date"]), progress)
    stored = {
        "stored": spark.read.parquet(profiled.table_path("profile")),
        "known": spark.read.parquet(profiled.table_path("phrases")),
        "structured": _stored_structure(spark, config, profiled),
        "shared": profiled.manifest["shared_clusters"],
        "ranges": profiled.manifest["key_ranges"],
        "clouds": _stored_clouds(spark, config, profiled),
    }
    compared = _compare(making, **stored)
    return making.publish("compare", profiled=profiled.id, **_described(stored), **compared)


def _begin(spark: SparkSession, config: Audit, date: str, progress: Progress | None) -> _Making:
    from dftspark.spark.session import relied_on

    writer = RunWriter.create(config.out, config.name)
    return _Making(relied_on(spark), config, date, progress or Silent(), writer)


def _described(found: dict[str, Any]) -> dict[str, Any]:
    clouds = found["clouds"]
    return {
        "shared_clusters": found["shared"],
        "key_ranges": found["ranges"],
        **({"embedding": clouds.manifest} if clouds else {}),
    }


def _read(making: _Making) -> tuple[Documents, list[dict[str, Any]]]:
    """The documents, and a row of counts for each corpus."""
    from dftspark.spark import documents, tables

    config = making.config
    with making.stage("read"):
        read = documents.read(making.spark, config, making.staging("documents"))
        rejects = tables.rejects(read.issues, making.writer.id, making.date)
        making.write("rejects", rejects)
        counted = documents.counts(read, config)
    documents.check(counted, config, making.writer.table_path("rejects"))
    return read, counted


@dataclass(frozen=True)
class _Clouds:
    """Feature sums of all corpora; documents with their vectors where the run has read them."""

    statistic: FeatureSums
    sums: DataFrame
    documents: DataFrame | None
    manifest: dict[str, Any]


def _clouds(making: _Making, read: Documents) -> _Clouds:
    from dftspark.spark import clouds, embed, tables

    config, spark = making.config, making.spark
    plan, manifest = _embed(making, read)
    with making.stage("random features"):
        texts = read.kept.select("corpus", "doc_id", "text")
        path = making.staging("vectors")
        tables.write(embed.vectors(plan).join(texts, ["corpus", "doc_id"]), path)
        documents = spark.read.parquet(path)
        of = clouds.statistic(documents, config.mmd, manifest["fingerprint"])
        layout = clouds.Layout.of(clouds.counts(documents))
        sums = making.write("feature_sums", clouds.fold(documents, of, layout), "none")
    manifest |= {"features": of.frequencies.manifest()}
    return _Clouds(of, sums, documents, manifest)


def _stored_structure(spark: SparkSession, config: Audit, profiled: Run) -> DataFrame | None:
    if "structure" not in profiled.tables or "structure" not in config.lenses:
        return None
    return spark.read.parquet(profiled.table_path("structure"))


def _stored_clouds(spark: SparkSession, config: Audit, profiled: Run) -> _Clouds | None:
    from dftspark.features.fourier import Frequencies
    from dftspark.stats.feature_sums import FeatureSums

    if "feature_sums" not in profiled.tables or "embeddings" not in config.lenses:
        return None
    manifest = profiled.manifest["embedding"]
    kept = {name: value for name, value in manifest["features"].items() if name != "count"}
    of = FeatureSums(frequencies=Frequencies(**kept), vectors=manifest["fingerprint"])
    return _Clouds(of, spark.read.parquet(profiled.table_path("feature_sums")), None, manifest)


def _embed(making: _Making, read: Documents) -> tuple[Plan, dict[str, Any]]:
    """The plan, all of whose vectors are in the store now, and what the manifest says of it."""
    from dftspark.spark import embed

    config = making.config
    with making.stage("find new texts"):
        plan = embed.plan(making.spark, read.kept, config, making.staging("embedded"))
    with making.stage("embed", plan.store, plan.missing):
        done = embed.fill(plan, read.kept)
        without = embed.without_vector(plan)
        if without:
            making.reject(embed.problems(plan, read.kept))
        embed.check(plan, without, config)
    return plan, {
        "fingerprint": plan.recipe.fingerprint,
        "model": plan.recipe.model,
        "revision": plan.recipe.revision,
        "store": plan.store.folder.name,
        "documents": plan.documents,
        "texts": plan.texts,
        "embedded": sum(row["texts"] for row in done),
        "without_vector": sum(without.values()),
        "devices": sorted({row["device"] for row in done}),
        "batch_tokens": min((row["batch_tokens"] for row in done), default=None),
        "task_seconds": round(sum(row["seconds"] for row in done), 3),
    }


def _profile(making: _Making) -> dict[str, Any]:
    from dftspark.spark import ngrams, structure
    from dftspark.spark.compare import shared_clusters
    from dftspark.spark.session import shuffle_partitions

    spark, config = making.spark, making.config
    read, counted = _read(making)
    with making.stage("count n-grams"):
        sizes = {row["corpus"]: row["bytes"] for row in counted if row["documents"]}
        layout = ngrams.Layout.of(sizes, shuffle_partitions(spark), config.ngrams.sketch_width)
        # States are packed already.
        stored = making.write("profile", ngrams.count(read.kept, config, layout), "none")
    with making.stage("read back phrases"):
        found = ngrams.phrases(read.kept, stored, config, layout)
        known = making.write("phrases", found)
        shared = shared_clusters(read.kept, config.human)
    structured = None
    if "structure" in config.lenses:
        with making.stage("measure structure"):
            structured = making.write("structure", structure.profile(read.kept, config), "none")
    states = ngrams.state_sizes(stored)
    rows = [
        {"run_id": making.writer.id, "date": making.date, **row, **states.get(row["corpus"], _NONE)}
        for row in counted
    ]
    making.writer.write("corpora", pa.Table.from_pylist(rows, schema=schema.CORPORA))
    clouds = _clouds(making, read) if "embeddings" in config.lenses else None
    return {
        "stored": stored, "known": known, "structured": structured, "shared": shared,
        "ranges": layout.ranges, "clouds": clouds,
    }  # fmt: skip


def _check_embedder(spark: SparkSession, config: Audit) -> None:
    """Raises before any work is done what would be raised after the n-grams are counted."""
    if "embeddings" not in config.lenses:
        return
    from dftspark.features import models
    from dftspark.spark import embed

    try:
        models.recipe(config.embedding, embed.device_for(spark, config.embedding))
    except EnvironmentProblem as error:
        rest = [lens for lens in config.lenses if lens != "embeddings"]
        raise EnvironmentProblem(f"{error}; or do without: lenses = {rest}") from error


_NONE = {"tokens": 0, "state_bytes": 0, "keyed_bytes": 0}


def _compare(
    making: _Making, stored: DataFrame, known: DataFrame, structured: DataFrame | None,
    shared: dict[str, int], ranges: int, clouds: _Clouds | None,
) -> dict[str, Any]:  # fmt: skip
    from dftspark.spark import ngrams, tables
    from dftspark.spark.compare import pairs

    spark, config, run_id = making.spark, making.config, making.writer.id
    with making.stage("compare"):
        totals = ngrams.totals_of(stored)
        path = making.staging("compared")
        tables.write(pairs(stored, totals, shared, config, ranges), path)
        compared = tables.read(spark, path, schema.COMPARED)
        text = (known, config.human, run_id, making.date)
        making.write("ngrams", tables.ngrams(compared, *text))
        making.write("document_ratios", tables.document_ratios(compared, *text))
        rows = compared.drop("ngrams", "ratios").toArrow().to_pylist()
    metrics = _ngram_metrics(making, rows)
    if structured is not None:
        with making.stage("compare structure"):
            metrics += _compare_structure(making, structured, shared)
    if clouds:
        metrics += _compare_clouds(making, clouds, shared)
    metrics.sort(key=lambda row: (row["model"], row["stratum"]))
    table = pa.Table.from_pylist(metrics, schema=schema.METRICS)
    making.writer.write("metrics", table)
    return {
        "fingerprint": ngrams.fingerprint(config),
        "seed": config.inference.seed,
        "headline": headline(table),
        "corpora": sorted({config.human, *(row["model"] for row in rows)}),
    }


def _compare_clouds(
    making: _Making, clouds: _Clouds, shared: dict[str, int]
) -> list[dict[str, Any]]:
    """Rows of the metrics table; writes regions, witness and copies where there are documents."""
    from dftspark.spark import cloud_lens, compare_clouds

    config, of = making.config, clouds.statistic
    with making.stage("compare embeddings"):
        rows = compare_clouds.pairs(clouds.sums, of, shared, config).toArrow().to_pylist()
        if clouds.documents is not None:
            beside = cloud_lens.beside(
                clouds.documents, clouds.sums, of, shared, config, making.writer.id, making.date
            )
            rows += beside.rows
            clouds.manifest["regions"] = beside.regions
            for name, table in beside.tables.items():
                making.writer.write(name, table)
    return [
        _metric(making, row, metric, "embeddings", of.fingerprint)
        for row in rows
        for metric in row["metrics"]
    ]


def _ngram_metrics(making: _Making, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from dftspark.spark.ngrams import fingerprint

    text = fingerprint(making.config)
    order = {n: i for i, n in enumerate(making.config.ngrams.orders)}
    return [
        _metric(making, row, metric, "ngrams", f"ngram_counts-v1(n={row['n']}, text={text!r})")
        for row in sorted(rows, key=lambda r: order[r["n"]])
        for metric in row["metrics"]
    ]


def _compare_structure(
    making: _Making, structured: DataFrame, shared: dict[str, int]
) -> list[dict[str, Any]]:
    """Writes the patterns table; returns the lens's rows of the metrics table."""
    from dftspark.spark import structure, tables

    path = making.staging("structure_compared")
    tables.write(structure.compare(structured, shared, making.config), path)
    compared = making.spark.read.parquet(path)
    run = (making.config.human, making.writer.id, making.date)
    making.write("patterns", structure.patterns_table(compared, *run))
    made_by = structure.statistic(making.config).fingerprint
    rows = compared.select("model", "stratum", "n_human", "n_model", "metrics").toArrow()
    return [
        _metric(making, row, metric, "structure", made_by)
        for row in rows.to_pylist()
        for metric in row["metrics"]
    ]


_BETTER = {"frontier": "higher", "frontier_at_equality": "higher"}  # of the others lower


def _metric(
    making: _Making, row: dict[str, Any], metric: dict[str, Any], lens: str, fingerprint: str
) -> dict[str, Any]:
    """A row of the metrics table."""
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
        "better": _BETTER.get(metric["metric"], "lower"),
        "fingerprint": fingerprint,
    }


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
