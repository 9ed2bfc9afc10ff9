"""A pool and its human side on Spark: from samples to groups of prompts to the chosen texts.

Samples are written once with their vectors, then each group of prompts goes to one task as a whole.
A task returns only names and sums, so texts cross Java once in each direction.

Cost     some 60 kB per sample of the group that a task holds; features take most of the time
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.choose import group
from dftspark.choose.features import Features
from dftspark.choose.scales import ColumnScale
from dftspark.choose.splits import SPLITS, blocks_of, split_of
from dftspark.choose.sums import ChoiceSums, none, summed
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.spark import tables
from dftspark.spark.records import record

_SAMPLE = 2_000  # samples of the pool behind the scales
_AT_ONCE = 1_024  # human texts whose features are taken together


def sides(documents: DataFrame, humans: Sequence[str]) -> tuple[DataFrame, DataFrame]:
    """Returns the documents of the pool, and those of the human side."""
    is_human = F.col("source").isin(list(humans))
    return documents.where(~is_human), documents.where(is_human)


def candidates(pool: DataFrame, vectors: DataFrame | None) -> DataFrame:
    """Returns schema.CANDIDATES for the pool's documents that have a prompt and, if `vectors` are
    given, a vector."""
    rows = pool.withColumn("key", F.coalesce("prompt_id", "prompt")).where("key IS NOT NULL")
    if vectors is None:
        rows = rows.withColumn("vector", F.lit(None).cast("binary"))
    else:
        rows = rows.join(vectors.select("corpus", "doc_id", "vector"), ["corpus", "doc_id"])
    # A prompt has one block, even if a column gives its samples several clusters.
    prompts = rows.groupBy("key").agg(
        F.min("cluster").alias("own"), F.count("*").cast("int").alias("samples")
    )
    names = ["key", "own", "samples", "corpus", "doc_id", "text", "vector"]
    return (
        rows.join(prompts, "key")
        .select(names)
        .mapInArrow(_with_block, from_arrow_schema(schema.CANDIDATES))
    )


def sizes(candidates: DataFrame) -> list[dict[str, int]]:
    """Returns samples and prompts of each split, in the order of SPLITS."""
    counted = candidates.groupBy("block").agg(
        F.count("*").alias("samples"), F.count_distinct("key").alias("prompts")
    )
    found = [{"samples": 0, "prompts": 0} for _ in SPLITS]
    for row in counted.toArrow().to_pylist():
        own = found[int(split_of(np.array([row["block"]]))[0])]
        own["samples"] += row["samples"]
        own["prompts"] += row["prompts"]
    return found


def sample(candidates: DataFrame, features: Features, seed: int) -> NDArray[np.float32]:
    """Returns features `(M, D)` of some samples, which do not depend on the partitioning."""
    order = F.xxhash64(F.lit("dftspark choose scales v1"), F.lit(seed), "corpus", "doc_id")
    rows = (
        candidates.select("corpus", "doc_id", "text", "vector", order.alias("place"))
        .orderBy("place", "corpus", "doc_id")
        .limit(_SAMPLE)
    ).toArrow()
    rows = rows.sort_by([(name, "ascending") for name in ("place", "corpus", "doc_id")])
    return features.of(rows["text"].combine_chunks(), _matrix(rows, features))


def human_sums(
    human: DataFrame, vectors: DataFrame | None, features: Features
) -> tuple[ChoiceSums, NDArray[np.int64]]:
    """Returns the sums of all human documents, and the clusters `(64,)` of each block."""
    if vectors is None:
        rows = human.withColumn("vector", F.lit(None).cast("binary"))
    else:
        rows = human.join(
            vectors.select("corpus", "doc_id", "vector"), ["corpus", "doc_id"], "left"
        )
    found = rows.select("cluster", "text", "vector").mapInArrow(
        _summing(features), from_arrow_schema(schema.CHOICE_SUMS)
    )
    total = none(features)
    for row in found.toLocalIterator():
        total += ChoiceSums.decode(bytes(row["state"]))
    clusters = human.select("cluster").distinct().toArrow()["cluster"]
    return total, np.bincount(block_of(clusters), minlength=64).astype(np.int64)


def choices(
    candidates: DataFrame,
    features: Features,
    scale: ColumnScale,
    counts: list[dict[str, int]],
    most: int,
    *,
    sweeps: int,
    seed: int,
) -> DataFrame:
    """Returns schema.CHOICES, after cutting the prompts of a split into groups of about `most`
    samples."""
    parts = [max(1, -(-own["samples"] // most)) for own in counts]
    firsts = np.cumsum([0, *parts])
    split = F.lit(0)
    for place in range(1, len(SPLITS)):
        split = F.when(F.col("block") >= first_block(place), place).otherwise(split)
    many, first = F.lit(parts[0]), F.lit(0)
    for place in range(1, len(SPLITS)):
        many = F.when(split == place, parts[place]).otherwise(many)
        first = F.when(split == place, int(firsts[place])).otherwise(first)
    of_group = first + F.pmod(F.xxhash64(F.lit("dftspark choose group v1"), "key"), many)
    cut = candidates.withColumns({"split": split, "group": of_group.cast("int")})
    return cut.groupBy("group").applyInArrow(
        _choosing(features, scale, sweeps, seed), from_arrow_schema(schema.CHOICES)
    )


def first_block(split: int) -> int:
    """Returns the first block of the split at that place of SPLITS."""
    return blocks_of(SPLITS[split]).start


def merged(choices: DataFrame, features: Features) -> tuple[ChoiceSums, ChoiceSums, list[float]]:
    """Returns sums of the pool and of the chosen texts over all groups, and each group's last
    gap."""
    before, after, gaps = none(features), none(features), []
    for row in (
        choices.select("group", "gaps", "before", "after").orderBy("group").toLocalIterator()
    ):
        before += ChoiceSums.decode(bytes(row["before"]))
        after += ChoiceSums.decode(bytes(row["after"]))
        gaps.append(float(row["gaps"][-1]))
    return before, after, gaps


def texts(
    pool: DataFrame, candidates: DataFrame, choices: DataFrame, run: Mapping[str, str]
) -> tuple[DataFrame, DataFrame]:
    """Returns schema.CHOSEN and schema.UNCHOSEN: every candidate is a row of one of the two."""
    picked = choices.select(F.explode(F.arrays_zip("corpora", "doc_ids")).alias("of")).select(
        F.col("of.corpora").alias("corpus"),
        F.col("of.doc_ids").alias("doc_id"),
        F.lit(True).alias("picked"),
    )
    split = F.lit(SPLITS[0])
    for place in range(1, len(SPLITS)):
        split = F.when(F.col("block") >= first_block(place), SPLITS[place]).otherwise(split)
    own = candidates.select("corpus", "doc_id", "key", "samples", split.alias("split"))
    rows = (
        pool.join(own, ["corpus", "doc_id"])
        .join(picked, ["corpus", "doc_id"], "left")
        .withColumns({name: F.lit(value) for name, value in run.items()})
        # A reader would take a model's text whose model is null for human text.
        .withColumns({"prompt_id": F.col("key"), "model": F.coalesce("model", "source")})
    )
    chosen = rows.where("picked").orderBy("prompt_id")
    return (
        tables.conform(chosen, schema.CHOSEN),
        tables.conform(rows.where("picked IS NULL"), schema.UNCHOSEN),
    )


def reference(human: DataFrame, run: Mapping[str, str]) -> DataFrame:
    """Returns schema.REFERENCE: human texts of the referee's blocks."""
    rows = human.mapInArrow(_of_the_referee, human.schema)
    named = rows.withColumns({name: F.lit(value) for name, value in run.items()})
    return tables.conform(named, schema.REFERENCE)


# --- in the tasks -------------------------------------------------------------------------------


def _with_block(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = [batch[name] for name in schema.CANDIDATES.names if name != "block"]
        columns.insert(1, pa.array(block_of(batch["own"]), pa.int32()))
        yield pa.RecordBatch.from_arrays(columns, schema=schema.CANDIDATES)


def _of_the_referee(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.filter(pa.array(block_of(batch["cluster"]) >= first_block(len(SPLITS) - 1)))


def _matrix(rows: pa.Table | pa.RecordBatch, features: Features) -> NDArray[np.float32] | None:
    """Returns the vectors, with zeros for a text without one."""
    if features.frequencies is None:
        return None
    blank = np.zeros(features.frequencies.dim, np.float32).tobytes()
    column = rows["vector"]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return matrix(column.fill_null(blank), features.frequencies.dim)


def _summing(
    features: Features,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = none(features)
        for whole in batches:
            for start in range(0, whole.num_rows, _AT_ONCE):
                batch = whole.slice(start, _AT_ONCE)
                has = batch["vector"].is_valid().to_numpy(zero_copy_only=False)
                found = features.of(batch["text"], _matrix(batch, features))
                total += summed(features, found, block_of(batch["cluster"]), has)
        yield record(schema.CHOICE_SUMS, total.encode())

    return run


def _choosing(
    features: Features, scale: ColumnScale, sweeps: int, seed: int
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        rows = rows.combine_chunks()
        vectors = _matrix(rows, features)
        found = group.chosen(features, scale, rows, vectors, sweeps=sweeps, seed=seed)
        own = rows.filter(pa.array(found.picked))
        made = record(
            schema.CHOICES,
            key[0].as_py(),
            rows["split"][0].as_py(),
            own["corpus"].to_pylist(),
            own["doc_id"].to_pylist(),
            list(found.gaps),
            found.before.encode(),
            found.after.encode(),
        )
        return pa.Table.from_batches([made])

    return run
