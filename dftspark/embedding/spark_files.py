"""Documents to vectors on Spark, through a store that remembers every text.

The driver samples documents by the hash of their cluster, finds the texts that the store lacks, and
cuts those into chunks by the hash of the text; a task embeds a chunk and adds it to the store as
one file, the first chunk as a short file and the rest, so that a count is there within seconds.
What a killed job had finished stays, and each text is embedded once.

On a CPU a vector depends on its text alone, so on the same kind of processor no bit changes with
what else the store held, how the work was cut and what was killed. On a GPU the last bits depend on
the batch.

Cost    besides the model: two passes over the texts of which the sample is drawn, one over the
        store's keys
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.config import Audit, Embedding
from dftspark.embedding import embedders, few, spark_sampling
from dftspark.embedding import recipe as models
from dftspark.embedding.embedders import NOT_FINITE, ZERO
from dftspark.embedding.few import Few
from dftspark.embedding.recipe import Recipe
from dftspark.embedding.spark_devices import device_for, local_cores, task_device, threads
from dftspark.embedding.spark_sampling import sampled
from dftspark.embedding.spark_vectors import of_members, stored
from dftspark.embedding.store import VectorStore
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.location import Location
from dftspark.needs_spark import NeedsSpark
from dftspark.spark import tables
from dftspark.spark.placement import placed
from dftspark.spark.rows import InProcess, Rows, Session, collected, mapped, on_spark
from dftspark.text.xxhash64 import xxhash64

_LEAST_CHUNK, _MOST_CHUNK = 256, 16_384  # texts
_FIRST_FILE = 64  # texts; the first count of a fill comes with the first file
_CHUNK_BYTES = 256 << 20  # text that a task holds at once

_WHY = {
    ZERO: "the embedder gives this text a zero vector, which has no direction",
    NOT_FINITE: "the embedder gives this text a vector with nan or infinity; where there are many, "
    "set embedding.precision = 'float32'",
}


@dataclass(frozen=True)
class EmbeddingPlan:
    """Texts to be embedded, and texts that are in the store already.

    members    schema.MEMBERS, one row a sampled document
    documents  number of members
    texts      number of their distinct texts
    missing    number of texts that the store lacks
    few        the members, where the driver has them
    """

    spark: Session
    settings: Embedding
    recipe: Recipe
    root: str
    device: str
    members: Rows
    documents: int
    texts: int
    missing: int
    few: Few | None = None

    @property
    def store(self) -> VectorStore:
        return VectorStore.of(self.root, self.recipe)

    @property
    def chunks(self) -> int:
        """The number of chunks, by all texts, so that a resumed job has the same chunks."""
        size = min(max(self.texts // 64, _LEAST_CHUNK), _MOST_CHUNK)
        return max(1, round(self.texts / size))


def plan(
    spark: Session, documents: Rows, config: Audit, staging: str, size: int | None = None
) -> EmbeddingPlan:
    """Samples the documents into Parquet at `staging`, and looks into the store.

    `size` is their number of bytes; where they are few, they come to the driver.

    Raises ConfigError and EnvironmentProblem for an embedder that is not there.
    """
    settings = config.embedding
    device = device_for(spark, settings)
    recipe = models.recipe(settings, device)
    store = VectorStore.of(config.embedding_store, recipe)
    store.describe(recipe)
    # Workers may have another working folder.
    root = Location.parse(config.embedding_store).name
    own = models.pinned(settings, recipe)
    if size is not None and size <= few.MOST_BYTES and sum(store.files().values()) <= few.MOST_HELD:
        found = Few.sampled(spark_sampling.few(documents), settings.sample, store)
        members = found.rows.select(schema.MEMBERS.names)
        if not isinstance(spark, InProcess):
            members = spark.createDataFrame(members)
        return EmbeddingPlan(spark, own, recipe, root, device, members, **found.counts, few=found)
    if isinstance(spark, InProcess):
        raise NeedsSpark("there is too much text, or the store of vectors is too large")
    if isinstance(documents, pa.Table):
        documents = spark.createDataFrame(documents)
    tables.write(sampled(documents, settings), staging)
    members = tables.read(spark, staging, schema.MEMBERS)
    held = stored(spark, store).select("key").distinct().withColumn("held", F.lit(True))
    (counts,) = (
        members.groupBy("key")
        .agg(F.count("*").alias("copies"))
        .join(held, "key", "left")
        .agg(
            F.coalesce(F.sum("copies"), F.lit(0)).alias("documents"),
            F.count("*").alias("texts"),
            F.count_if(F.col("held").isNull()).alias("missing"),
        )
        .toArrow()
        .to_pylist()
    )
    return EmbeddingPlan(spark, own, recipe, root, device, members, **counts)


def fill(plan: EmbeddingPlan) -> list[dict[str, Any]]:
    """Embeds what is missing; returns rows of schema.EMBEDDED, one a file.

    Raises EnvironmentProblem for an absent device, models that differ, a store that others cannot
    see.
    """
    if not plan.missing:
        return []
    # A plan of few chunks would leave cores of a local run idle; this process takes one at a time.
    at_once = 1 if isinstance(plan.spark, InProcess) else plan.chunks
    least = max(1, local_cores(plan.spark) // at_once)
    filling = _filling(plan.settings, plan.recipe, plan.root, plan.device, least)
    done: list[dict[str, Any]]
    done = collected(mapped(_cut(plan), filling, schema.EMBEDDED)).to_pylist()
    absent = 0 if _all_seen(plan, done) else _missing(plan).count()
    if absent:
        raise EnvironmentProblem(
            f"{absent} of {plan.missing} vectors are not in {plan.store.folder} after they were "
            f"made. embedding.store must be storage that the driver and every executor see."
        )
    return done


def _cut(plan: EmbeddingPlan) -> Rows:
    """Returns (key, text, chunk) of the missing texts in order, each as often as it occurs."""
    if isinstance(plan.spark, InProcess):
        assert plan.few is not None
        missing = plan.few.missing()
        chunks = xxhash64([], missing["key"].to_pylist()) % plan.chunks
        cut = missing.append_column("chunk", pa.array(chunks.astype(np.int32)))
        return cut.sort_by([("chunk", "ascending"), ("key", "ascending")])
    chunk = F.pmod(F.xxhash64("key"), F.lit(plan.chunks)).cast("int")
    if plan.few is not None:
        wanted = plan.spark.createDataFrame(plan.few.missing())
    else:
        texts = plan.members.select("key", "text")
        wanted = texts.join(_missing(plan), "key", "left_semi")
    chunked = placed(wanted.withColumn("chunk", chunk), plan.chunks, "chunk")
    return chunked.sortWithinPartitions("chunk", "key")


def _all_seen(plan: EmbeddingPlan, done: list[dict[str, Any]]) -> bool:
    """Returns whether the driver sees every file that tasks report, and these hold all texts."""
    seen = {row["file"] for row in done} <= set(plan.store.files())
    return seen and sum(row["texts"] for row in done) == plan.missing


def vectors(plan: EmbeddingPlan) -> DataFrame:
    """Returns schema.TEXTED_CLOUDS: a unit vector for each member except those in `problems`."""
    return of_members(plan.members, plan.root, plan.recipe)


def problems(plan: EmbeddingPlan, documents: Rows) -> DataFrame:
    """Returns issues, as spark.documents does, for the members that have no vector.

    Their action is 'noted': the documents stay, and only the embeddings lack them.
    """
    if isinstance(plan.members, pa.Table):
        raise NeedsSpark("a text has no usable vector")
    troubled = plan.members.join(_troubled(plan), "key").select("corpus", "doc_id", "problem")
    why = F.create_map(*[F.lit(item) for pair in _WHY.items() for item in pair])
    return documents.join(troubled, ["corpus", "doc_id"]).select(
        "corpus",
        "file",
        "position",
        F.lit("noted").alias("action"),
        F.col("problem").alias("reason"),
        F.concat(F.lit("doc_id "), F.col("doc_id"), F.lit(": "), why[F.col("problem")]).alias(
            "detail"
        ),
        F.substring("text", 1, 80).alias("excerpt"),
    )


def without_vector(plan: EmbeddingPlan) -> dict[str, int]:
    """Counts the members without a vector in each corpus that has such."""
    if plan.few is not None:
        return plan.few.without_vector()
    return _counts(plan.members.join(_troubled(plan), "key"))


def check(plan: EmbeddingPlan, found: dict[str, int], config: Audit) -> None:
    """Raises InputError where too many documents of a corpus, or all, are in `found`."""
    sizes = _counts(plan.members) if found else {}
    for corpus, bad in found.items():
        if bad == sizes[corpus]:
            raise InputError(
                f"corpora.{corpus}: none of its {bad} documents has a usable vector from "
                f"{plan.settings.embedder}, so the embedding lens has nothing to compare. Look at "
                f"the rejects, take another embedder, or do without the lens 'embeddings'"
            )
        if bad > config.cleaning.max_reject_share * sizes[corpus]:
            raise InputError(
                f"corpora.{corpus}: {bad} of {sizes[corpus]} documents have no usable vector from "
                f"{plan.settings.embedder} at {plan.recipe.precision}, more than "
                f"cleaning.max_reject_share = {config.cleaning.max_reject_share:.1%}. Set "
                f"embedding.precision = 'float32', or another embedder"
            )


def _counts(table: DataFrame) -> dict[str, int]:
    rows = table.groupBy("corpus").count().toArrow().to_pylist()
    return {row["corpus"]: row["count"] for row in rows}


# --- the store ----------------------------------------------------------------------------------


def _missing(plan: EmbeddingPlan) -> DataFrame:
    held = stored(on_spark(plan.spark), plan.store).select("key").distinct()
    return plan.members.select("key").distinct().join(held, "key", "left_anti")


def _troubled(plan: EmbeddingPlan) -> DataFrame:
    """Returns (key, problem) of the texts without a vector."""
    without = stored(on_spark(plan.spark), plan.store).where("problem IS NOT NULL")
    return without.groupBy("key").agg(F.min("problem").alias("problem"))


# --- in the task --------------------------------------------------------------------------------


def _filling(
    settings: Embedding, recipe: Recipe, root: str, device: str, least: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = VectorStore.of(root, recipe)
        for keys, texts in _pieces(_chunks(batches)):
            started = time.monotonic()
            embedder = embedders.load(
                settings, recipe, task_device(device), threads(settings, least)
            )
            found = embedder.encode(texts)
            row = {
                "file": store.add(keys, found.vectors, found.problems),
                "texts": len(keys),
                "problems": sum(problem is not None for problem in found.problems),
                "dimension": found.vectors.shape[1],
                "batch_tokens": embedder.batch_tokens,
                "seconds": time.monotonic() - started,
                "device": embedder.device,
            }
            yield pa.RecordBatch.from_pylist([row], schema=schema.EMBEDDED)

    return run


def _chunks(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[int, Iterator[tuple[bytes, str]]]]:
    """Yields each chunk's number and distinct texts in the order of their keys; rows come
    sorted."""
    rows = (
        row
        for batch in batches
        for row in zip(*(batch[c].to_pylist() for c in ("chunk", "key", "text")), strict=True)
    )
    for number, chunk in groupby(rows, key=lambda row: row[0]):
        texts = ((key, next(same)[2]) for key, same in groupby(chunk, key=lambda row: row[1]))
        yield number, texts


def _pieces(
    chunks: Iterable[tuple[int, Iterator[tuple[bytes, str]]]],
) -> Iterator[tuple[list[bytes], list[str]]]:
    """Yields chunks, cut where they hold too much at once; chunk 0 begins with a short piece."""
    for number, chunk in chunks:
        most = _FIRST_FILE if number == 0 else _MOST_CHUNK
        keys: list[bytes] = []
        texts: list[str] = []
        size = 0
        for key, text in chunk:
            if texts and (size + len(text) > _CHUNK_BYTES or len(texts) == most):
                yield keys, texts
                keys, texts, size, most = [], [], 0, _MOST_CHUNK
            keys.append(key)
            texts.append(text)
            size += len(text)
        if texts:
            yield keys, texts
