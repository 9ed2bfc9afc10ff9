"""Clusters of a run or of several days: their number, and which the sides share."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clusters(documents: DataFrame) -> DataFrame:
    """Returns schema.CLUSTERS."""
    return documents.select("corpus", F.xxhash64("cluster").alias("cluster")).distinct()


def cluster_counts(found: DataFrame, human: str) -> tuple[dict[str, int], dict[str, int]]:
    """Returns distinct clusters of each corpus, and for the models those that the human corpus has
    too."""
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


def shared_clusters(
    documents: DataFrame, human: str, few: pa.Table | None = None
) -> dict[str, int]:
    """Returns how many clusters each model corpus has in common with the human one.

    `few` are corpus, cluster and action of all rows that were read, if the driver has them.
    """
    if few is not None:
        own = few.filter(pc.and_(pc.is_null(few["action"]), pc.is_valid(few["corpus"])))
        pairs = own.group_by(["corpus", "cluster"]).aggregate([]).to_pylist()
        ours = {row["cluster"] for row in pairs if row["corpus"] == human}
        names = (row["corpus"] for row in pairs if row["cluster"] in ours)
        return dict(Counter(name for name in names if name != human))
    clusters = documents.groupBy(F.xxhash64("cluster")).agg(F.collect_set("corpus").alias("among"))
    both = clusters.where(F.array_contains("among", human)).select(F.explode("among").alias("name"))
    counted = both.where(F.col("name") != human).groupBy("name").count().toArrow().to_pylist()
    return {row["name"]: row["count"] for row in counted}
