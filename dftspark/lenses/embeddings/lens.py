"""The embedding lens: texts to vectors, their feature sums, and what these say of a pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.making import PACKED, Making
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.embedding.spark_files import Plan
    from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums

# What of `embedding` in a manifest is true of all profiles that merge.
_COMMON = ("fingerprint", "model", "revision", "features")


@dataclass(frozen=True)
class Clouds:
    """Feature sums of all corpora; documents with their vectors where the run has read them.

    `days` says that a corpus has a row of sums for each of several days.
    """

    statistic: FeatureSums
    sums: DataFrame
    documents: DataFrame | None
    manifest: dict[str, Any]
    days: bool = False


class EmbeddingLens(Lens):
    name = "embeddings"
    tables = ("regions", "witness", "copies", "cloud_map")
    states = ("feature_sums",)
    settings: ClassVar = {
        "embedding": ("device", "batch_tokens", "threads", "store", "download"),
        "mmd": ("weights", "exact"),
    }

    def check(self, spark: SparkSession, config: Audit, order: Any = None) -> None:
        self.fingerprints(spark, config)

    def fingerprints(self, spark: SparkSession, config: Audit) -> dict[str, str]:
        from dftspark.embedding import recipe as models
        from dftspark.embedding import spark_devices as devices

        device = devices.device_for(spark, config.embedding)
        return {"embedder": models.recipe(config.embedding, device).fingerprint}

    def frozen(self, state: Clouds) -> dict[str, str]:
        return {"features": json.dumps(state.statistic.frequencies.manifest())}

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: None = None
    ) -> Clouds:
        from dftspark.embedding import spark_files as embed
        from dftspark.lenses.embeddings import spark_clouds as clouds
        from dftspark.spark import tables

        config, spark = making.config, making.spark
        plan, manifest = embedded(making, texts.documents)
        with making.stage("random features"):
            columns = texts.documents.select("corpus", "doc_id", "text")
            path = making.staging("vectors")
            tables.write(embed.vectors(plan).join(columns, ["corpus", "doc_id"]), path)
            documents = spark.read.parquet(path)
            like = night.like if night else None
            of = (
                _features(like)
                if like and _same_features(like, config, manifest["fingerprint"])
                else clouds.statistic(documents, config.mmd, manifest["fingerprint"])
            )
            sums = making.write("feature_sums", clouds.fold(documents, of), PACKED)
        manifest |= {"features": of.frequencies.manifest()}
        return Clouds(of, sums, documents, manifest)

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> Clouds:
        from dftspark.spark import tables

        of, manifest = _features(runs[0]), runs[0].manifest["embedding"]
        days = len(runs) > 1
        if days:
            manifest = {key: manifest[key] for key in _COMMON}
        return Clouds(of, tables.stored(spark, "feature_sums", runs), None, manifest, days)

    def manifest(self, state: Clouds) -> dict[str, Any]:
        return {"embedding": state.manifest}

    def compare(self, making: Making, state: Clouds, pairing: Pairing) -> Compared:
        from dftspark.lenses.embeddings import spark_beside as cloud_lens
        from dftspark.lenses.embeddings import spark_compare as compare_clouds

        config, of = making.config, state.statistic
        sums = _added_up(making, state) if state.days else state.sums
        manifest = dict(state.manifest)
        with making.stage("compare embeddings"):
            rows = compare_clouds.pairs(sums, of, pairing.shared, config).toArrow().to_pylist()
            if state.documents is not None:
                run = (making.writer.id, making.date)
                beside = cloud_lens.beside(state.documents, sums, of, pairing.shared, config, *run)
                rows += beside.rows
                manifest |= beside.manifest
                for name, table in beside.tables.items():
                    making.writer.write(name, table)
        rows = [{**row, "fingerprint": of.fingerprint} for row in rows]
        return Compared(rows, {"embedding": manifest})

    def better(self, metric: str) -> str:
        return "higher" if metric in ("frontier", "frontier_at_equality") else "lower"

    def told_in_prompts(self, metric: str, several: bool) -> bool:
        return several and not metric.startswith("c2st")


def _added_up(making: Making, state: Clouds) -> DataFrame:
    from dftspark.lenses.embeddings import spark_clouds as clouds

    with making.stage("merge feature sums"):
        path = making.staging("feature_sums")
        clouds.added_up(state.sums, state.statistic).write.parquet(path)
        return making.spark.read.parquet(path)


def _features(profiled: Run) -> FeatureSums:
    """The random features that a run with embeddings has frozen."""
    from dftspark.lenses.embeddings.fourier import Frequencies
    from dftspark.lenses.embeddings.statistic_feature_sums import FeatureSums

    manifest = profiled.manifest["embedding"]
    kept = {name: value for name, value in manifest["features"].items() if name != "count"}
    return FeatureSums(frequencies=Frequencies(**kept), vectors=manifest["fingerprint"])


def _same_features(profiled: Run, config: Audit, fingerprint: str) -> bool:
    """Whether a run has frozen the random features that this configuration makes."""
    kept = profiled.manifest
    settings = kept.get("config", {}).get("mmd")
    return bool(
        kept.get("embedding", {}).get("fingerprint") == fingerprint
        and settings == config.mmd.model_dump(mode="json")
    )


def embedded(making: Making, documents: DataFrame) -> tuple[Plan, dict[str, Any]]:
    """The plan, all of whose vectors are in the store now, and what the manifest says of it."""
    from dftspark.embedding import spark_files as embed

    config = making.config
    with making.stage("find new texts"):
        plan = embed.plan(making.spark, documents, config, making.staging("embedded"))
    with making.stage("embed", plan.store, plan.missing):
        done = embed.fill(plan, documents)
        without = embed.without_vector(plan)
        if without:
            making.reject(embed.problems(plan, documents))
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


def stand_in(
    making: Making, documents: DataFrame, counts: Mapping[str, int]
) -> list[dict[str, Any]]:
    """What can be told without a judge, as rows of the embedding lens: how well a classifier tells
    the sides apart by their embeddings. Its metrics are c2st_*, and nothing of it is JMQ.

    `counts` are the documents of each corpus.
    """
    from dftspark.embedding import spark_files as embed
    from dftspark.lenses.embeddings import spark_both_sides as both_sides

    plan, _ = embedded(making, documents)
    with making.stage("tell apart"):
        found = both_sides.told_apart(embed.vectors(plan), counts, making.config)
        rows = found.toArrow().to_pylist()
    return [{**row, "fingerprint": "c2st-v1"} for row in rows]
