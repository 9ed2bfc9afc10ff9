"""Documents to vectors on Spark, through a store that remembers every text.

The driver samples documents by the hash of their cluster, finds which of their texts the store
lacks, and cuts those into chunks by the hash of the text; a task embeds a chunk and adds it to the
store as one file. What a killed job had finished stays; the same text is embedded once.

A chunk depends on its texts alone, so a job that starts again makes the batches that the killed
one would have made, and its vectors are the same to the last bit on the same kind of machine.

Cost    besides the model: two passes over the documents' text, one over the store's keys
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.window import Window
from pyspark.taskcontext import TaskContext

from dftspark import schema
from dftspark.config import Audit, Embedding
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.features import embedders, models
from dftspark.features.embedders import NOT_FINITE, ZERO
from dftspark.features.models import Recipe
from dftspark.location import Location
from dftspark.spark import tables
from dftspark.store.vectors import KEY_BYTES, VectorStore

# Another hash than that of the blocks: a sample must not favor some of them.
_SAMPLING = "dftspark sample v1"
_BUCKETS_BITS = 12
_LEAST_CHUNK, _MOST_CHUNK = 256, 16_384  # texts
_CHUNK_BYTES = 256 << 20  # of text that a task holds at once
_GPUS = "spark.task.resource.gpu.amount"

_WHY = {
    ZERO: "the embedder gives this text a zero vector, which has no direction",
    NOT_FINITE: "the embedder gives this text a vector with nan or infinity; where there are many, "
    "set embedding.precision = 'float32'",
}


@dataclass(frozen=True)
class Plan:
    """What is to be embedded, and what is in the store already.

    members    (corpus, stratum, cluster, doc_id, key), one row a sampled document
    documents  how many they are
    texts      how many distinct texts they have
    missing    how many of these the store lacks
    """

    spark: SparkSession
    settings: Embedding
    recipe: Recipe
    root: str
    device: str
    members: DataFrame
    documents: int
    texts: int
    missing: int

    @property
    def store(self) -> VectorStore:
        return VectorStore.of(self.root, self.recipe)

    @property
    def chunks(self) -> int:
        """By the texts and not by what is missing, so that a resumed job has the same ones."""
        size = min(max(self.texts // 64, _LEAST_CHUNK), _MOST_CHUNK)
        return max(1, round(self.texts / size))


def plan(spark: SparkSession, documents: DataFrame, config: Audit, staging: str) -> Plan:
    """Samples the documents, into Parquet at `staging`, and looks into the store.

    Raises ConfigError and EnvironmentProblem for an embedder that is not there.
    """
    settings = config.embedding
    device = device_for(spark, settings)
    recipe = models.recipe(settings, device)
    store = VectorStore.of(config.embedding_store, recipe)
    store.describe(recipe)
    tables.write(sampled(documents, settings), staging)
    members = spark.read.parquet(staging)
    held = _held(spark, store).withColumn("held", F.lit(True))
    (counts,) = (
        members.groupBy("key").agg(F.count("*").alias("copies"))
        .join(held, "key", "left")
        .agg(
            F.coalesce(F.sum("copies"), F.lit(0)).alias("documents"),
            F.count("*").alias("texts"),
            F.count_if(F.col("held").isNull()).alias("missing"),
        )
        .toArrow().to_pylist()
    )  # fmt: skip
    # Workers may have another working folder.
    root = Location.parse(config.embedding_store).name
    own = models.pinned(settings, recipe)
    return Plan(spark, own, recipe, root, device, members, **counts)


def _local_cores(spark: SparkSession) -> int:
    """Cores of a local run, all of them this run's; 1 on a cluster."""
    found = re.fullmatch(r"local\[(\d+|\*)(,\d+)?\]", spark.conf.get("spark.master", None) or "")
    if found is None:
        return 1
    return (os.cpu_count() or 1) if found[1] == "*" else int(found[1])


def fill(plan: Plan, documents: DataFrame) -> list[dict[str, Any]]:
    """Embeds what is missing; returns rows of schema.EMBEDDED, one a file.

    Raises EnvironmentProblem for an absent device, unlike models, a store that others cannot see.
    """
    if not plan.missing:
        return []
    missing = _missing(plan.spark, plan.members, plan.store)
    # A plan of few chunks would leave cores of a local run idle.
    threads = max(1, _local_cores(plan.spark) // plan.chunks)
    chunk = F.pmod(F.xxhash64("key"), F.lit(plan.chunks)).cast("int")
    table = (
        documents.select(_key().alias("key"), "text")
        .join(missing, "key", "left_semi")
        .withColumn("chunk", chunk)
        .repartitionById(plan.chunks, F.col("chunk"))
        .sortWithinPartitions("chunk", "key")
        .mapInArrow(
            _filling(plan.settings, plan.recipe, plan.root, plan.device, threads),
            from_arrow_schema(schema.EMBEDDED),
        )
        .toArrow()
    )
    done: list[dict[str, Any]] = table.to_pylist()
    absent = 0 if _all_seen(plan, done) else _missing(plan.spark, plan.members, plan.store).count()
    if absent:
        raise EnvironmentProblem(
            f"{absent} of {plan.missing} vectors are not in {plan.store.folder} after they were "
            f"made. embedding.store must be storage that the driver and every executor see."
        )
    return done


def _all_seen(plan: Plan, done: list[dict[str, Any]]) -> bool:
    """Whether the driver sees every file that tasks say they wrote, and they hold all texts."""
    seen = {row["file"] for row in done} <= set(plan.store.files())
    return seen and sum(row["texts"] for row in done) == plan.missing


def vectors(plan: Plan) -> DataFrame:
    """(corpus, stratum, cluster, doc_id, vector): a unit vector, array<float>, for each member.

    Members without a vector are left out; `problems` has them.
    """
    found = _of_members(plan).where("problem IS NULL")
    return found.select("corpus", "stratum", "cluster", "doc_id", "vector")


def problems(plan: Plan, documents: DataFrame) -> DataFrame:
    """Issues, as of spark.documents, for the members that have no vector.

    Their action is 'noted': the documents stay, and only the embeddings lack them.
    """
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


def without_vector(plan: Plan) -> dict[str, int]:
    """How many members of a corpus have no vector, for each that has such."""
    return _counts(plan.members.join(_troubled(plan), "key"))


def check(plan: Plan, found: dict[str, int], config: Audit) -> None:
    """Raises InputError where too many documents of a corpus are `without_vector`."""
    sizes = _counts(plan.members) if found else {}
    for corpus, bad in found.items():
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


def device_for(spark: SparkSession, settings: Embedding) -> str:
    """'cpu' or 'cuda', the same for all tasks."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if float(spark.conf.get(_GPUS, None) or 0) > 0 else "cpu"


# --- sampling -----------------------------------------------------------------------------------


def sampled(documents: DataFrame, settings: Embedding) -> DataFrame:
    """`settings.sample` documents of each corpus, or fewer where there are fewer.

    Clusters come in the order of a hash of their name, whole but for the last: the same prompts in
    every corpus that has them, whatever the partitioning.
    """
    named = documents.select("corpus", "stratum", "cluster", "doc_id", _key().alias("key"))
    if settings.sample == "all":
        return named
    place = named.withColumns(
        {
            "order": F.xxhash64(F.lit(_SAMPLING), "cluster"),
            "within": F.xxhash64(F.lit(_SAMPLING), "doc_id"),
        }
    )
    place = place.withColumn("bucket", F.shiftright("order", 64 - _BUCKETS_BITS))
    counts = place.groupBy("corpus", "bucket").count().toArrow().to_pylist()
    last = _last_buckets(counts, settings.sample)
    if not last:
        return named
    # A window over a whole corpus would sort it in one task; what can be in the sample is small.
    lasts = F.create_map(*[F.lit(item) for pair in last.items() for item in pair])
    turn = Window.partitionBy("corpus").orderBy("order", "cluster", "within", "doc_id")
    return (
        place.where(F.col("bucket") <= lasts[F.col("corpus")])
        .withColumn("turn", F.row_number().over(turn))
        .where(F.col("turn") <= settings.sample)
        .select(*named.columns)
    )


def _last_buckets(counts: list[dict[str, Any]], sample: int) -> dict[str, int]:
    """For each corpus the bucket in which its sample is full, or its last."""
    last: dict[str, int] = {}
    taken: dict[str, int] = {}
    for row in sorted(counts, key=lambda row: (row["corpus"], row["bucket"])):
        corpus = row["corpus"]
        if taken.get(corpus, 0) < sample:
            last[corpus] = row["bucket"]
            taken[corpus] = taken.get(corpus, 0) + row["count"]
    return last


def _key() -> Column:
    """vectors.key_of in the Java machine."""
    return F.unhex(F.substring(F.sha2(F.col("text"), 256), 1, 2 * KEY_BYTES))


# --- the store ----------------------------------------------------------------------------------


def _stored(spark: SparkSession, store: VectorStore, files: Iterable[str]) -> DataFrame:
    reader = spark.read.schema(from_arrow_schema(schema.VECTORS))
    paths = [(store.folder / name).for_spark for name in files]
    if not paths:
        empty = spark.createDataFrame([], from_arrow_schema(schema.VECTORS))
        return empty.withColumn("file", F.lit(""))
    return reader.parquet(*paths).select("*", F.col("_metadata.file_name").alias("file"))


def _missing(spark: SparkSession, members: DataFrame, store: VectorStore) -> DataFrame:
    return members.select("key").distinct().join(_held(spark, store), "key", "left_anti")


def _held(spark: SparkSession, store: VectorStore) -> DataFrame:
    return _stored(spark, store, store.files()).select("key").distinct()


def _troubled(plan: Plan) -> DataFrame:
    """(key, problem) of the texts without a vector."""
    stored = _stored(plan.spark, plan.store, plan.store.files()).where("problem IS NOT NULL")
    return stored.groupBy("key").agg(F.min("problem").alias("problem"))


def _of_members(plan: Plan) -> DataFrame:
    """Members with vector and problem. Vectors are read from the files that hold some of theirs."""
    store = plan.store
    held = _stored(plan.spark, store, store.files()).select("key", "file")
    # Two jobs at once may both have embedded a text; their vectors differ in the last bits.
    located = (
        plan.members.select("key").distinct().join(held, "key")
        .groupBy("key").agg(F.min("file").alias("file"))
    )  # fmt: skip
    files = [row["file"] for row in located.select("file").distinct().toArrow().to_pylist()]
    found = _stored(plan.spark, store, files).join(located, ["key", "file"])
    return plan.members.join(found.select("key", "vector", "problem"), "key")


# --- in the task --------------------------------------------------------------------------------


def _filling(
    settings: Embedding, recipe: Recipe, root: str, device: str, threads: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = VectorStore.of(root, recipe)
        for keys, texts in _pieces(_chunks(batches)):
            started = time.monotonic()
            embedder = embedders.load(
                settings, recipe, task_device(device), _threads(settings, threads)
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


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[tuple[bytes, str]]]:
    """Each chunk's distinct texts in the order of their keys; rows come sorted."""
    rows = (
        row
        for batch in batches
        for row in zip(*(batch[c].to_pylist() for c in ("chunk", "key", "text")), strict=True)
    )
    for _, chunk in groupby(rows, key=lambda row: row[0]):
        yield (
            (key, next(same)[2]) for key, same in groupby(chunk, key=lambda row: row[1])
        )  # fmt: skip


def _pieces(
    chunks: Iterable[Iterator[tuple[bytes, str]]],
) -> Iterator[tuple[list[bytes], list[str]]]:
    """Chunks, cut where they hold too much at once."""
    for chunk in chunks:
        keys: list[bytes] = []
        texts: list[str] = []
        size = 0
        for key, text in chunk:
            if texts and (size + len(text) > _CHUNK_BYTES or len(texts) == _MOST_CHUNK):
                yield keys, texts
                keys, texts, size = [], [], 0
            keys.append(key)
            texts.append(text)
            size += len(text)
        if texts:
            yield keys, texts


def _threads(settings: Embedding, least: int) -> int:
    if settings.threads != "auto":
        return settings.threads
    context = TaskContext.get()
    return max(least, context.cpus() if context is not None else 1)


_tied: list[str] = []  # the address of this process's GPU


def task_device(device: str) -> str:
    """The device of the running task, as torch names it: 'cpu', or the GPU that Spark gave it.

    The first task of a worker ties the worker to its GPU, before torch is imported, so that nothing
    in the process can touch another. Raises EnvironmentProblem for a GPU that is not given.
    """
    if device == "cpu":
        return "cpu"
    context = TaskContext.get()
    given = context.resources().get("gpu") if context is not None else None
    if context is None or given is None:
        return _unassigned(context)
    address = given.addresses[0]
    if not _tied:
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
            raise EnvironmentProblem(
                f"Spark gave this task GPU {address}, but its Python worker already uses GPUs for "
                f"something else. Embed in a Spark application of its own."
            )
        # Spark's addresses count as nvidia-smi does; CUDA by default counts the fastest first.
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = address
        _tied.append(address)
    elif _tied != [address]:
        raise EnvironmentProblem(
            f"Spark gave this task GPU {address}, but its Python worker is tied to GPU {_tied[0]}. "
            f"Give "
            f"each executor one GPU (spark.executor.resource.gpu.amount 1), or set "
            f"spark.python.worker.reuse false, which loads the model for every task."
        )
    return "cuda:0"


def _unassigned(context: TaskContext | None) -> str:
    """In local mode Spark gives out no GPUs: its tasks share those of the machine evenly."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise EnvironmentProblem(
            f"embedding.device is cuda, but Spark gave this task no GPU and torch "
            f"{torch.__version__} sees none on {os.uname().nodename}. On a cluster set "
            f"spark.executor.resource.gpu.amount, its discoveryScript (conf/getGpus.sh) and "
            f"{_GPUS}; or set embedding.device = 'cpu'."
        )
    return f"cuda:{(context.partitionId() if context is not None else 0) % count}"
