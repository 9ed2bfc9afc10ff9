"""Stored profiles of several days as one: states that add up.

N-gram and structure states and examples need no step of their own, since comparing merges
whatever rows a corpus and stratum have. Sums of features are merged by task first: they are 8 MB
each.

Cost     grows with the days of the window, not with the history behind it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.spark.clouds import Group, merging
from dftspark.spark.records import record
from dftspark.stats.feature_sums import FeatureState, FeatureSums


def stored(spark: SparkSession, of: str, paths: list[str]) -> DataFrame:
    """The rows of a table of states in several runs."""
    reader = spark.read.schema(from_arrow_schema(schema.STATES[of]))
    # A page that has changed on the disk is an error and not another number.
    return reader.option("parquet.page.verify-checksum.enabled", "true").parquet(*paths)


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


def cluster_counts(found: DataFrame, human: str) -> tuple[dict[str, int], dict[str, int]]:
    """Distinct clusters of each corpus, and of the models those that the human corpus has too."""
    among = found.groupBy("cluster").agg(F.collect_set("corpus").alias("among"))
    each = among.select(
        F.explode("among").alias("corpus"), F.array_contains("among", human).alias("shared")
    )
    counted = each.groupBy("corpus").agg(
        F.count("*").alias("clusters"), F.count_if("shared").alias("shared")
    )
    rows = counted.toArrow().to_pylist()
    shared = {row["corpus"]: row["shared"] for row in rows if row["corpus"] != human}
    return {row["corpus"]: row["clusters"] for row in rows}, {k: v for k, v in shared.items() if v}
