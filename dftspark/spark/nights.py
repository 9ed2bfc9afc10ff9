"""Stored profiles of several days as one: states that add up, and texts of which one is kept.

N-gram and structure states need no step of their own, since comparing merges whatever rows a
corpus and stratum have. Sums of features are merged by task first: they are 8 MB each.

Cost     grows with the days of the window, not with the history behind it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.features.hashing import BLOCKS
from dftspark.features.ngrams import ngram_keys
from dftspark.features.tokens import tokenizer
from dftspark.spark.clouds import Group, merging
from dftspark.spark.records import record
from dftspark.stats.feature_sums import FeatureState, FeatureSums
from dftspark.stats.ngram_counts import NgramRows

Gram = tuple[int, int]  # n, key


def stored(spark: SparkSession, of: str, paths: list[str]) -> DataFrame:
    """The rows of a table of states in several runs."""
    reader = spark.read.schema(from_arrow_schema(schema.STATES[of]))
    # A page that has changed on the disk is an error and not another number.
    return reader.option("parquet.page.verify-checksum.enabled", "true").parquet(*paths)


def phrases(found: DataFrame) -> DataFrame:
    """One row an n-gram of a corpus: the example with the smallest hash, as of one profile."""
    first = F.min(F.struct("doc_hash", "doc_id", "text", "tokens", "excerpt"))
    return (
        found.groupBy("corpus", "n", "key").agg(first.alias("first"))
        .select("corpus", "n", "key", "first.*")
    )  # fmt: skip


def feature_sums(found: DataFrame, of: FeatureSums) -> DataFrame:
    """schema.FEATURE_SUMS with one row a (corpus, stratum)."""
    partial = found.mapInArrow(_adding(of), from_arrow_schema(schema.PARTIAL_SUMS))
    grouped = partial.groupBy("corpus", "stratum")
    return grouped.applyInArrow(merging(of), from_arrow_schema(schema.FEATURE_SUMS))


def _adding(of: FeatureSums) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: dict[Group, FeatureState] = {}
        for batch in batches:
            for corpus, stratum, state in zip(
                *(batch[name] for name in ("corpus", "stratum", "state")), strict=True
            ):
                group = corpus.as_py(), stratum.as_py()
                own = FeatureState.decode(state.as_buffer())
                held[group] = of.merge(held[group], own) if group in held else own
        for group, merged in held.items():
            yield record(schema.PARTIAL_SUMS, *group, merged.encode())

    return run


def clusters(documents: DataFrame) -> DataFrame:
    """schema.CLUSTERS."""
    return documents.select("corpus", F.xxhash64("cluster").alias("cluster")).distinct()


def cluster_counts(found: DataFrame) -> dict[str, int]:
    """Distinct clusters of each corpus."""
    rows = found.distinct().groupBy("corpus").count().toArrow().to_pylist()
    return {row["corpus"]: row["count"] for row in rows}


def shared_clusters(found: DataFrame, human: str) -> dict[str, int]:
    """How many clusters each model corpus has in common with the human one."""
    own = found.where(F.col("corpus") == human).select("cluster").distinct()
    models = found.where(F.col("corpus") != human).distinct()
    both = models.join(own, "cluster").groupBy("corpus").count().toArrow().to_pylist()
    return {row["corpus"]: row["count"] for row in both}


# --- phrases of a rule ---------------------------------------------------------------------------


def gram_of(phrase: str, config: Audit) -> Gram:
    """Order and key of a phrase, as it stands inside a text."""
    # A tokenizer of a model has one token for a word's beginning after a space, another for it
    # at the start of a text.
    text = phrase if config.tokens.tokenizer == "words" else f" {phrase}"
    tokens = tokenizer(config.tokens).tokenize(pa.array([text]))
    n = len(tokens.hashes)
    keys = ngram_keys(tokens.hashes, tokens.offsets, n) if n else np.zeros(1, np.uint64)
    return n, int(keys[0])


def gram_counts(
    profile: DataFrame, grams: list[Gram], ranges: int
) -> dict[tuple[str, str, Gram], int]:
    """Occurrences of n-grams by corpus and stratum, in all stored states together."""
    bits = ranges.bit_length() - 1
    wanted = [(n, key, key >> (64 - bits) if bits else 0) for n, key in grams]
    chosen = F.lit(False)
    for n, _, part in wanted:
        chosen = chosen | ((F.col("n") == n) & (F.col("part") == part))
    rows = profile.where(chosen).select("corpus", "stratum", "n", "part", "state")
    found = rows.mapInArrow(_looking(wanted), from_arrow_schema(schema.GRAM_COUNTS)).toArrow()
    counts: dict[tuple[str, str, Gram], int] = {}
    for row in found.to_pylist():
        gram = row["n"], int(np.int64(row["key"]).view(np.uint64))
        key = row["corpus"], row["stratum"], gram
        counts[key] = counts.get(key, 0) + row["count"]
    return counts


def _looking(
    wanted: list[tuple[int, int, int]],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for i in range(batch.num_rows):
                corpus, stratum, n, part = (batch[c][i].as_py() for c in range(4))
                rows = NgramRows.decode(batch["state"][i].as_buffer()).rows
                for order, key, where in wanted:
                    if (order, where) == (n, part):
                        yield record(
                            schema.GRAM_COUNTS,
                            corpus, stratum, n, int(np.uint64(key).view(np.int64)),
                            _occurrences(rows.key, rows.count, key),
                        )  # fmt: skip

    return run


def _occurrences(keys: Any, counts: Any, key: int) -> int:
    """Of the n-gram whose key has zero block bits, in the sorted rows of all blocks."""
    low = np.searchsorted(keys, np.uint64(key))
    high = np.searchsorted(keys, np.uint64(key | BLOCKS - 1), side="right")
    return int(counts[low:high].sum())
