"""The embedding lens: texts to vectors, their feature sums, and the measures of a pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.making import Making
from dftspark.store.run import Run
from dftspark.store.state_table import StateTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.embedding.candidates import Candidates
    from dftspark.embedding.spark_files import EmbeddingPlan
    from dftspark.lenses.embeddings.cloud_files import Vectors
    from dftspark.lenses.embeddings.spark_beside import Beside
    from dftspark.lenses.embeddings.spark_clouds import Pilot
    from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums
    from dftspark.spark.fold import Folded
    from dftspark.spark.pairs import Work
    from dftspark.spark.rows import Rows, Session

# Keys of `embedding` in a manifest that hold for all profiles that merge.
_COMMON = ("fingerprint", "model", "revision", "features")


@dataclass(frozen=True)
class Clouds:
    """Feature sums of all corpora, and with `seen` the run's documents themselves."""

    statistic: FeatureSums
    sums: StateTable
    manifest: dict[str, Any]
    seen: Seen | None = None


@dataclass(frozen=True)
class Seen:
    """Documents with their vectors, the pilot of them, and the moments of all corpora."""

    vectors: Vectors
    pilot: Pilot
    moments: StateTable


class EmbeddingLens(Lens):
    name = "embeddings"
    in_process = True
    tables = ("regions", "witness", "copies", "cloud_map")
    states = ("feature_sums",)
    settings: ClassVar = {
        "embedding": ("device", "batch_tokens", "threads", "store", "download"),
        "mmd": ("weights", "exact"),
    }

    def fold(self, config: Audit, ranges: int, documents: Mapping[str, int]) -> Candidates | None:
        from dftspark.embedding.candidates import Candidates

        sample = config.embedding.sample
        return Candidates.of(sample, documents, ranges) if isinstance(sample, int) else None

    def check(self, spark: Session, config: Audit, order: Any = None) -> None:
        self.fingerprints(spark, config)

    def fingerprints(self, spark: Session, config: Audit) -> dict[str, str]:
        from dftspark.embedding import recipe as models
        from dftspark.embedding import spark_devices as devices

        device = devices.device_for(spark, config.embedding)
        return {"embedder": models.recipe(config.embedding, device).fingerprint}

    def frozen(self, state: Clouds) -> dict[str, str]:
        return {"features": json.dumps(state.statistic.frequencies.manifest())}

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> Clouds:
        from dftspark.lenses.embeddings import spark_clouds as clouds
        from dftspark.lenses.embeddings.statistic_moments import Moments

        config = making.config
        plan, manifest = embedded(making, texts, folded)
        with making.stage("random features"):
            vectors = _staged(making, plan)
            documents = clouds.documents(making.spark, vectors)
            like = night.like if night else None
            if night and like and _same_features(like, config, manifest["fingerprint"]):
                of, sample = _features(like), None
            else:
                sample = clouds.pilot(documents, config.mmd, len(vectors.counts))
                of = clouds.statistic(sample, config.mmd, manifest["fingerprint"])
            wanted: dict[str, Any] = {"feature_sums": of}
            if not night:  # a night compares states only
                wanted["moments"] = Moments(dim=of.frequencies.dim)
            found = clouds.summed(documents, vectors.groups, wanted, making.staging("summed"))
            making.take(found["feature_sums"])
            sums = StateTable.of([making.writer.table_path("feature_sums")])
        manifest |= {"features": of.frequencies.manifest()}
        seen = None
        if sample is not None and not night:
            seen = Seen(vectors, sample, StateTable(tuple(found["moments"].paths)))
        return Clouds(of, sums, manifest, seen)

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> Clouds:
        manifest = runs[0].manifest["embedding"]
        if len(runs) > 1:
            manifest = {key: manifest[key] for key in _COMMON}
        stored = StateTable.of(run.table_path("feature_sums") for run in runs)
        return Clouds(_features(runs[0]), stored, manifest)

    def manifest(self, state: Clouds) -> dict[str, Any]:
        return {"embedding": state.manifest}

    def compare(self, making: Making, state: Clouds, pairing: Pairing) -> Compared:
        from dftspark.lenses.embeddings.cloud_files import check_comparable
        from dftspark.lenses.embeddings.cloud_pairs import CloudPairs
        from dftspark.spark import pairs

        config, of = making.config, state.statistic
        manifest = dict(state.manifest)
        with making.stage("compare embeddings"):
            check_comparable(state.sums, of)
            models = [name for (name,) in state.sums.distinct("corpus") if name != config.human]
            work: dict[str, Work] = {"clouds": CloudPairs(state.sums, of, pairing.shared, config)}
            rows: list[dict[str, Any]] = []
            if state.seen is not None:
                found = _beside(making, state, state.seen, pairing)
                work |= _of_vectors(config, state, state.seen, pairing, found.clusters)
                rows, told = found.rows, found.manifest
                for name, table in found.tables.items():
                    making.write_table(name, table)
                manifest |= told
            done = pairs.work(making.spark, models, work)
            rows = done.pop("clouds") + rows + [row for kind in done.values() for row in kind]
        rows = [{**row, "fingerprint": of.fingerprint} for row in rows]
        return Compared(rows, {"embedding": manifest})

    def better(self, metric: str) -> str:
        return "higher" if metric in ("frontier", "frontier_at_equality") else "lower"

    def told_in_prompts(self, metric: str, several: bool) -> bool:
        return several and not metric.startswith("c2st")


def _staged(making: Making, plan: EmbeddingPlan) -> Vectors:
    from dftspark.embedding import spark_files as embed
    from dftspark.lenses.embeddings import spark_clouds as clouds

    path = making.staging("vectors")
    if plan.few is not None:
        return clouds.staged_few(plan.few.vectors(), path)
    return clouds.staged(embed.vectors(plan), path)


def _beside(making: Making, state: Clouds, seen: Seen, pairing: Pairing) -> Beside:
    from dftspark.lenses.embeddings.spark_beside import beside

    return beside(seen.vectors, seen.pilot, state.sums, state.statistic, pairing.shared, making)


def _of_vectors(
    config: Audit, state: Clouds, seen: Seen, pairing: Pairing, clusters: dict[str, float]
) -> dict[str, Work]:
    """Returns the kinds of work that need more than feature sums."""
    from dftspark.lenses.embeddings.both_sides import Exact, ToldApart
    from dftspark.lenses.embeddings.frechet_pairs import FrechetPairs
    from dftspark.lenses.embeddings.statistic_moments import Moments

    of, counts, vectors = state.statistic, seen.vectors.counts, seen.vectors
    moments = Moments(dim=of.frequencies.dim)
    return {
        "told apart": ToldApart(vectors, config.human, counts, config.inference.confidence),
        "frechet": FrechetPairs(
            seen.moments, moments, config.human, counts, clusters, config.inference
        ),
        "exact": Exact.asked(vectors, of, counts, pairing.shared, config),
    }


def _features(profiled: Run) -> FeatureSums:
    """Returns the random features that a run with embeddings has frozen."""
    from dftspark.lenses.embeddings.fourier import Frequencies
    from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums

    manifest = profiled.manifest["embedding"]
    kept = {name: value for name, value in manifest["features"].items() if name != "count"}
    return FeatureSums(frequencies=Frequencies(**kept), vectors=manifest["fingerprint"])


def _same_features(profiled: Run, config: Audit, fingerprint: str) -> bool:
    """Returns whether a run has frozen the random features that this configuration makes."""
    kept = profiled.manifest
    settings = kept.get("config", {}).get("mmd")
    return bool(
        kept.get("embedding", {}).get("fingerprint") == fingerprint
        and settings == config.mmd.model_dump(mode="json")
    )


def embedded(
    making: Making, texts: Texts, folded: Folded | None = None
) -> tuple[EmbeddingPlan, dict[str, Any]]:
    """Returns the plan, all of whose vectors are in the store now, and its part of the manifest.

    With the fold of the lens the texts are not read again, unless it has too few.
    """
    from dftspark.embedding import spark_files as embed

    config = making.config
    documents, size = _to_sample(making, texts, folded)
    error = config.embedding.sample_error
    if error is not None:
        config = _of_sample(config, _sample_for(error, making, texts, size))
    with making.stage("find new texts"):
        plan = embed.plan(making.spark, documents, config, making.staging("embedded"), size)
    with making.stage("embed", plan.store, plan.missing):
        done = embed.fill(plan)
        without = embed.without_vector(plan)
        if without:
            making.reject(embed.problems(plan, texts.documents))
        embed.check(plan, without, config)
    return plan, {
        "fingerprint": plan.recipe.fingerprint,
        "model": plan.recipe.model,
        "revision": plan.recipe.revision,
        "store": plan.store.folder.name,
        "documents": plan.documents,
        "sample": config.embedding.sample,
        "texts": plan.texts,
        "embedded": sum(row["texts"] for row in done),
        "without_vector": sum(without.values()),
        "devices": sorted({row["device"] for row in done}),
        "batch_tokens": min((row["batch_tokens"] for row in done), default=None),
        "task_seconds": round(sum(row["seconds"] for row in done), 3),
    }


def _to_sample(making: Making, texts: Texts, folded: Folded | None) -> tuple[Rows, int]:
    """Returns the documents of which the sample is drawn, and the bytes of their texts."""
    from dftspark.embedding import few
    from dftspark.embedding.candidates import Candidates, sizes
    from dftspark.spark import tables

    if folded is not None:
        assert isinstance(folded.of, Candidates)
        documents, size = sizes(folded.told)
        if folded.of.enough(documents):
            if size <= few.MOST_BYTES:
                return folded.collected(), size
            return tables.files(making.spark, folded.paths, schema.SAMPLABLE), size
    return texts.documents, sum(row["bytes"] for row in texts.corpora)


def _sample_for(error: float, making: Making, texts: Texts, size: int) -> int:
    """Embeds a pilot; returns how many documents of each corpus the error takes."""
    from dftspark.embedding import spark_files as embed
    from dftspark.embedding.spark_vectors import matrix
    from dftspark.lenses.embeddings import sample_size
    from dftspark.spark.rows import collected

    config = _of_sample(making.config, sample_size.PILOT)
    with making.stage("find new texts of the pilot"):
        staging = making.staging("pilot")
        plan = embed.plan(making.spark, texts.documents, config, staging, size)
    with making.stage("embed the pilot", plan.store, plan.missing):
        embed.fill(plan)
        found = plan.few.vectors() if plan.few is not None else collected(embed.vectors(plan))
        ordered = found.sort_by([("corpus", "ascending"), ("doc_id", "ascending")])
        names = ordered["corpus"].to_numpy(zero_copy_only=False)
        vectors = matrix(ordered["vector"])
        models = [vectors[names == name] for name in sorted(set(names) - {config.human})]
        return sample_size.documents_for(error, vectors[names == config.human], models)


def _of_sample(config: Audit, sample: int) -> Audit:
    embedding = config.embedding.model_copy(update={"sample": sample})
    return config.model_copy(update={"embedding": embedding})


def stand_in(making: Making, texts: Texts) -> list[dict[str, Any]]:
    """Measures without a judge how well a classifier tells the sides apart by their embeddings, as
    rows of the embedding lens. Its metrics are c2st_*, and none of them is JMQ.
    """
    from dftspark.lenses.embeddings.both_sides import ToldApart
    from dftspark.spark import pairs

    config = making.config
    counts = {row["corpus"]: row["documents"] for row in texts.corpora}
    plan, _ = embedded(making, texts)
    with making.stage("tell apart"):
        vectors = _staged(making, plan)
        models = sorted(vectors.counts.keys() - {config.human})
        work = ToldApart(vectors, config.human, counts, config.inference.confidence)
        rows = pairs.work(making.spark, models, {"told apart": work})["told apart"]
    return [{**row, "fingerprint": "c2st-v1"} for row in rows]
