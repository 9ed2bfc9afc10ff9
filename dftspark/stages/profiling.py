"""The stages that make a profile: read, count, measure, embed, sum features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dftspark.config import Audit
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.stages.making import Making
from dftspark.store import document_states
from dftspark.store.profile_files import GROUP_ROWS, ProfileFiles
from dftspark.store.run import Run

_PACKED = "none"  # compression of states, which are packed by themselves
_NO_STATES: dict[str, float] = {
    "tokens": 0, "state_bytes": 0, "keyed_bytes": 0,
    "copies_effect": float("nan"), "copies_share": float("nan"),
}  # fmt: skip

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.documents import Documents
    from dftspark.spark.embed import Plan
    from dftspark.stats.feature_sums import FeatureSums


@dataclass(frozen=True)
class Clouds:
    """Feature sums of all corpora; documents with their vectors where the run has read them."""

    statistic: FeatureSums
    sums: DataFrame
    documents: DataFrame | None
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Fixed:
    """What the profiles of a nightly audit have in common, so that they merge.

    key_ranges  of every n-gram profile
    features    the frozen random features; None where this profile is to freeze them
    """

    key_ranges: int
    features: FeatureSums | None


@dataclass(frozen=True)
class Profile:
    """The states of all corpora, from which every comparison follows."""

    stored: list[str]  # paths of the n-gram profile, of each day where several are one
    phrases: DataFrame
    structure: DataFrame | None
    clouds: Clouds | None
    shared_clusters: dict[str, int]
    key_ranges: int
    documents: DataFrame | None = None  # where the run has read them
    returning: frozenset[str] = frozenset()  # corpora whose clusters come on several days

    @cached_property
    def files(self) -> ProfileFiles:
        """Of `stored`, opened once for all that look into them."""
        return ProfileFiles(self.stored)

    @cached_property
    def several_a_cluster(self) -> frozenset[str]:
        """Corpora with several documents of one prompt, where prompts are what is counted."""
        return frozenset(
            corpus
            for (corpus, _, _), totals in self.files.totals.items()
            if totals["documents"].sum() > totals["groups"].sum()
        )

    @cached_property
    def fingerprints(self) -> dict[int, str]:
        """What the rows of each order say that they were made by."""
        rows = self.files.every(["n", "fingerprint"])
        return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))

    @property
    def tables(self) -> tuple[str, ...]:
        """The run's tables of states."""
        structure = ("structure",) if self.structure is not None else ()
        clouds = ("feature_sums",) if self.clouds else ()
        return ("profile", "phrases", *structure, *clouds)

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "shared_clusters": self.shared_clusters,
            "key_ranges": self.key_ranges,
            **({"returning": sorted(self.returning)} if self.returning else {}),
            **({"embedding": self.clouds.manifest} if self.clouds else {}),
        }


def check_extras(spark: SparkSession, config: Audit) -> None:
    """Raises before any work is done what would be raised after the n-grams are counted."""
    for lens, checked in (("embeddings", _check_embedder), ("variety", _check_variety)):
        if lens not in config.lenses:
            continue
        try:
            checked(spark, config)
        except EnvironmentProblem as error:
            rest = [name for name in config.lenses if name != lens]
            raise EnvironmentProblem(f"{error}; or do without: lenses = {rest}") from error


def _check_embedder(spark: SparkSession, config: Audit) -> None:
    from dftspark.features import models
    from dftspark.spark import devices

    models.recipe(config.embedding, devices.device_for(spark, config.embedding))


def _check_variety(spark: SparkSession, config: Audit) -> None:
    from dftspark.lenses.variety import needs_sacrebleu

    needs_sacrebleu()


def read(making: Making, nightly: bool = False) -> tuple[Documents, list[dict[str, Any]]]:
    """The documents, and a row of counts for each corpus."""
    from dftspark.spark import acceptance, documents, join_copies, tables

    config = making.config
    with making.stage("read"):
        found = documents.read(making.spark, config, making.staging("documents"))
        if join_copies.asked(config):
            found = join_copies.joined(found, config, making.staging("joined"))
        rejects = tables.rejects(found.issues, making.writer.id, making.date)
        rejects = making.write("rejects", rejects)
        counted = documents.counts(found, config)
    making.stages["read"] |= {
        "rows_in": sum(row["read"] for row in counted),
        "bytes_in": sum(row["bytes"] for row in counted),
    }
    try:
        acceptance.check(counted, config, rejects, making.writer.path, nightly=nightly)
    except InputError:
        write_corpora(making, counted, {})  # for who looks at the run that did not finish
        raise
    return found, counted


def profile(making: Making, fixed: Fixed | None = None) -> Profile:
    """Reads all documents and folds them; writes corpora, rejects and the tables of states.

    With `fixed` the profile is one side's, for a nightly audit to merge: which clusters the sides
    share is then told by the table clusters.
    """
    from dftspark.spark import ngrams, nights, structure
    from dftspark.spark.compare import shared_clusters
    from dftspark.spark.session import shuffle_partitions

    spark, config = making.spark, making.config
    documents, counted = read(making, nightly=bool(fixed))
    with making.stage("count n-grams"):
        sizes = {row["corpus"]: row["bytes"] for row in counted if row["documents"]}
        layout = ngrams.Layout.of(sizes, shuffle_partitions(spark), config.ngrams.sketch_width)
        if fixed:
            layout = replace(layout, ranges=fixed.key_ranges)
        states = ngrams.count(documents.kept, config, layout)
        stored = making.write("profile", states, _PACKED, GROUP_ROWS)
    with making.stage("read back phrases"):
        found = ngrams.phrases(documents.kept, stored, config, layout)
        known = making.write("phrases", found)
        shared = {} if fixed else shared_clusters(documents.kept, config.human)
        if fixed:
            making.write("clusters", nights.clusters(documents.kept))
    structured = None
    if "structure" in config.lenses:
        with making.stage("measure structure"):
            found = structure.profile(documents.kept, config)
            structured = making.write("structure", found, _PACKED)
    sizes, paths = ngrams.state_sizes(stored), [making.writer.table_path("profile")]
    copies = document_states.copies_columns(ProfileFiles(paths))
    write_corpora(making, counted, {name: {**sizes[name], **copies[name]} for name in sizes})
    frozen = fixed.features if fixed else None
    clouds = _clouds(making, documents, frozen) if "embeddings" in config.lenses else None
    return Profile(paths, known, structured, clouds, shared, layout.ranges, documents.kept)


def embed(making: Making) -> dict[str, Any]:
    """Reads and embeds only; writes corpora and rejects. What the manifest says of it."""
    documents, counted = read(making)
    _, found = embedded(making, documents)
    write_corpora(making, counted, {})
    return found


def write_corpora(
    making: Making, counted: list[dict[str, Any]], states: dict[str, dict[str, float]]
) -> None:
    """The table corpora; `states` are tokens, sizes of states and copies by corpus, where it has
    any."""
    of_run = {"run_id": making.writer.id, "date": making.date}
    rows = [{**of_run, **row, **states.get(row["corpus"], _NO_STATES)} for row in counted]
    making.write_corpora(rows)


def _clouds(making: Making, read: Documents, frozen: FeatureSums | None) -> Clouds:
    from dftspark.spark import clouds, embed, tables

    config, spark = making.config, making.spark
    plan, manifest = embedded(making, read)
    with making.stage("random features"):
        texts = read.kept.select("corpus", "doc_id", "text")
        path = making.staging("vectors")
        tables.write(embed.vectors(plan).join(texts, ["corpus", "doc_id"]), path)
        documents = spark.read.parquet(path)
        of = frozen or clouds.statistic(documents, config.mmd, manifest["fingerprint"])
        sums = making.write("feature_sums", clouds.fold(documents, of), _PACKED)
    manifest |= {"features": of.frequencies.manifest()}
    return Clouds(of, sums, documents, manifest)


def embedded(making: Making, read: Documents) -> tuple[Plan, dict[str, Any]]:
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


def frozen(profiled: Run) -> FeatureSums:
    """The random features that a run with embeddings has frozen."""
    from dftspark.features.fourier import Frequencies
    from dftspark.stats.feature_sums import FeatureSums

    manifest = profiled.manifest["embedding"]
    kept = {name: value for name, value in manifest["features"].items() if name != "count"}
    return FeatureSums(frequencies=Frequencies(**kept), vectors=manifest["fingerprint"])
