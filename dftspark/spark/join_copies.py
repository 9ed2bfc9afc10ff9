"""Puts near copies of one corpus into one cluster, if the configuration asks for it.

The cluster of a document becomes the smallest cluster name among the documents of its key, before
any block is drawn. Documents whose key occurs in no other cluster stay as they are, and their texts
stay where they are: only 16 bytes per document, and the rows of those that change, are shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Audit
from dftspark.spark import tables
from dftspark.spark.documents import Documents
from dftspark.text.minhash import document_keys
from dftspark.text.tokens import tokenizer

_JOINED = pa.schema([("corpus", pa.string()), ("id_hash", pa.int64()), ("joined", pa.string())])


def asked(config: Audit) -> list[str]:
    """Returns the corpora, as the configuration names them, whose copies are to be joined."""
    return [name for name, corpus in config.corpora.items() if corpus.join_copies]


def joined(read: Documents, config: Audit, staging: str) -> Documents:
    """Returns `read` with the clusters of near copies joined; who joins whom is written to
    `staging`."""
    own = read.kept.where(F.col("source").isin(asked(config)))
    tables.write(_least(own, config), staging)
    least = tables.read(read.kept.sparkSession, staging, _JOINED)
    marked = read.kept.withColumn("id_hash", _id_hash())
    stay = marked.join(least, ["corpus", "id_hash"], "left_anti").drop("id_hash")
    change = marked.join(least, ["corpus", "id_hash"]).withColumn("cluster", F.col("joined"))
    kept = stay.unionByName(change.drop("id_hash", "joined")).select(read.kept.columns)
    return replace(read, kept=kept, joined=True, few=None)


def _id_hash() -> Column:
    return F.xxhash64("corpus", "doc_id")


def _least(documents: DataFrame, config: Audit) -> DataFrame:
    """Returns the new cluster of each document that changes its cluster."""
    keyed = documents.select("corpus", "text", "cluster", _id_hash().alias("id_hash")).mapInArrow(
        _keying(config), from_arrow_schema(schema.KEYED_DOCUMENTS)
    )
    least = keyed.groupBy("corpus", "key").agg(
        F.min("cluster").alias("joined"), F.max("cluster").alias("last")
    )
    repeated = least.where("joined < last").drop("last")
    changed = keyed.join(repeated, ["corpus", "key"]).where("cluster > joined")
    return tables.conform(changed, _JOINED)


def _keying(config: Audit) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        words = tokenizer(config.tokens)
        for batch in batches:
            tokens = words.tokenize(batch["text"])
            keys = document_keys(tokens.hashes, tokens.offsets, batch["text"].to_pylist())
            columns = [
                batch["corpus"],
                batch["cluster"],
                batch["id_hash"],
                pa.array(keys.view("int64")),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema.KEYED_DOCUMENTS)

    return run
