"""The documents that are embedded: a sample of each corpus, by the hash of its clusters.

Cost    a pass over the names of documents, and a sort of what can be in the sample
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from dftspark.config import Embedding
from dftspark.embedding.candidates import BUCKET_BITS, SAMPLING
from dftspark.embedding.store import KEY_BYTES, key_of
from dftspark.spark.rows import Rows
from dftspark.text.xxhash64 import xxhash64


def sampled(documents: DataFrame, settings: Embedding) -> DataFrame:
    """Takes `settings.sample` documents of each corpus, or all where there are fewer.

    Clusters come in the order of a hash of their name, all of them whole except the last: the same
    prompts in every corpus that has them, whatever the partitioning.
    """
    key = key_column().alias("key")
    named = documents.select("corpus", "stratum", "cluster", "doc_id", "text", key)
    if settings.sample == "all":
        return named
    place = named.withColumns(_turns())
    place = place.withColumn("bucket", F.shiftright("order", 64 - BUCKET_BITS))
    counts = place.groupBy("corpus", "bucket").count().toArrow().to_pylist()
    last = _last_buckets(counts, int(settings.sample))
    if not last:
        return named
    # A window over a whole corpus would sort it in one task; the possible sample is small.
    lasts = F.create_map(*[F.lit(item) for pair in last.items() for item in pair])
    turn = Window.partitionBy("corpus").orderBy("order", "cluster", "within", "doc_id")
    return (
        place.where(F.col("bucket") <= lasts[F.col("corpus")])
        .withColumn("turn", F.row_number().over(turn))
        .where(F.col("turn") <= int(settings.sample))
        .select(*named.columns)
    )


def few(documents: Rows) -> pa.Table:
    """Collects all documents on the driver, with the order for `Few.sampled`, in one job."""
    if isinstance(documents, pa.Table):
        return _few_here(documents)
    key, turn = key_column().alias("key"), F.xxhash64("cluster").alias("turn")
    named = documents.select("corpus", "stratum", "cluster", "doc_id", "text", key, turn)
    return named.withColumns(_turns()).toArrow()


def _few_here(documents: pa.Table) -> pa.Table:
    clusters, ids = documents["cluster"].to_pylist(), documents["doc_id"].to_pylist()
    keys = [key_of(text) for text in documents["text"].to_pylist()]
    found = documents.select(["corpus", "stratum", "cluster", "doc_id", "text"])
    found = found.append_column("key", pa.array(keys, pa.binary()))
    hashed = {
        "turn": xxhash64([], clusters),
        "order": xxhash64([SAMPLING], clusters),
        "within": xxhash64([SAMPLING], ids),
    }
    for name, column in hashed.items():
        found = found.append_column(name, pa.array(column))
    return found


def _turns() -> dict[str, Column]:
    return {
        "order": F.xxhash64(F.lit(SAMPLING), "cluster"),
        "within": F.xxhash64(F.lit(SAMPLING), "doc_id"),
    }


def _last_buckets(counts: list[dict[str, Any]], sample: int) -> dict[str, int]:
    """Returns for each corpus the bucket in which its sample is full, or its last."""
    last: dict[str, int] = {}
    taken: dict[str, int] = {}
    for row in sorted(counts, key=lambda row: (row["corpus"], row["bucket"])):
        corpus = row["corpus"]
        if taken.get(corpus, 0) < sample:
            last[corpus] = row["bucket"]
            taken[corpus] = taken.get(corpus, 0) + row["count"]
    return last


def key_column() -> Column:
    """Computes store.key_of in the Java machine."""
    return F.unhex(F.substring(F.sha2(F.col("text"), 256), 1, 2 * KEY_BYTES))
