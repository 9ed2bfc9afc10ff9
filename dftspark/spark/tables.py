"""Result tables that are written by Spark: joined with their text, and of any size."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema


def write(table: DataFrame, path: str, compression: str = "zstd") -> None:
    """Writes Parquet to a new folder."""
    table.write.mode("error").parquet(path, compression=compression)


def conform(table: DataFrame, of: pa.Schema) -> DataFrame:
    """The columns of a schema in its order and types; raises where one is missing."""
    spark_types = from_arrow_schema(of)
    return table.select(*[F.col(f.name).cast(f.dataType).alias(f.name) for f in spark_types])


def rejects(issues: DataFrame, run_id: str, date: str) -> DataFrame:
    """schema.REJECTS."""
    run = {"run_id": F.lit(run_id), "date": F.lit(date)}
    return conform(issues.withColumns(run), schema.REJECTS)


def ngrams(
    compared: DataFrame, phrases: DataFrame, human: str, run_id: str, date: str
) -> DataFrame:
    """schema.NGRAMS: the listed n-grams with text and examples, and a remainder row each."""
    pair = _pair(human, run_id, date)
    listed = compared.select(
        *pair, "n", "tokens_human", "tokens_model", F.explode("ngrams").alias("gram")
    ).select("*", "gram.*")
    listed = _with_text(listed, phrases, human)
    listed = listed.withColumns(
        {
            "per_million_human": _per_million("human"),
            "per_million_model": _per_million("model"),
        }
    )
    sums = listed.groupBy("model", "stratum", "n").agg(
        *[F.sum(f"count_{s}").alias(f"count_{s}") for s in ("human", "model")],
        F.sum(F.abs("contribution")).alias("listed"),
    )
    remainder = compared.select(
        *pair, "n", "tokens_human", "tokens_model", F.col("remainder").alias("contribution")
    ).join(sums, ["model", "stratum", "n"], "left")
    for s in ("human", "model"):
        rest = F.col(f"tokens_{s}") - F.coalesce(f"count_{s}", F.lit(0))
        remainder = remainder.withColumn(f"count_{s}", rest)
        remainder = remainder.withColumn(f"per_million_{s}", _per_million(s))
    every = listed.join(
        remainder.select("model", "stratum", "n", F.col("contribution").alias("rest")),
        ["model", "stratum", "n"],
    ).join(sums.select("model", "stratum", "n", "listed"), ["model", "stratum", "n"])
    every = every.withColumn("share", _share(F.col("listed") + F.col("rest")))
    total = F.col("contribution") + F.coalesce("listed", F.lit(0.0))
    remainder = remainder.withColumn("share", _share(total))
    return conform(every.unionByName(remainder, allowMissingColumns=True), schema.NGRAMS)


def document_ratios(
    compared: DataFrame, phrases: DataFrame, human: str, run_id: str, date: str
) -> DataFrame:
    """schema.DOCUMENT_RATIOS."""
    rows = compared.where("n = 1").select(
        *_pair(human, run_id, date), "n", "n_human", "n_model", F.explode("ratios").alias("ratio_")
    )
    rows = _with_text(rows.select("*", "ratio_.*"), phrases, human)
    return conform(
        rows.withColumns(
            {
                "token": F.col("text"),
                "share_human": F.col("docs_human") / F.nullif(F.col("n_human"), F.lit(0)),
                "share_model": F.col("docs_model") / F.nullif(F.col("n_model"), F.lit(0)),
            }
        ),
        schema.DOCUMENT_RATIOS,
    )


def _pair(human: str, run_id: str, date: str) -> list[Column]:
    return [
        F.lit(run_id).alias("run_id"),
        F.lit(date).alias("date"),
        F.lit(human).alias("human"),
        F.col("model"),
        F.col("stratum"),
    ]


def _with_text(rows: DataFrame, phrases: DataFrame, human: str) -> DataFrame:
    """Adds text, tokens and the examples of both sides, from whichever side knows them."""
    columns = ["text", "tokens", "excerpt", "doc_id"]
    own = phrases.where(F.col("corpus") == human).select(
        "n", "key", *[F.col(c).alias(f"{c}_h") for c in columns]
    )
    other = phrases.where(F.col("corpus") != human).select(
        F.col("corpus").alias("model"), "n", "key", *[F.col(c).alias(f"{c}_m") for c in columns]
    )
    joined = rows.join(own, ["n", "key"], "left").join(other, ["model", "n", "key"], "left")
    return joined.withColumns(
        {
            "text": F.coalesce("text_h", "text_m"),
            "tokens": F.coalesce("tokens_h", "tokens_m"),
            "example_human": F.col("excerpt_h"),
            "example_model": F.col("excerpt_m"),
            "example_human_id": F.col("doc_id_h"),
            "example_model_id": F.col("doc_id_m"),
        }
    )


def _per_million(side: str) -> Column:
    return F.col(f"count_{side}") * 1e6 / F.nullif(F.col(f"tokens_{side}"), F.lit(0))


def _share(total: Column) -> Column:
    return F.abs("contribution") / F.nullif(total, F.lit(0.0))
