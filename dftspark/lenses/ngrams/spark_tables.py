"""The tables of the n-gram lens: listed n-grams joined with their text, of any size."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.spark.tables import conform


def examples(phrases: DataFrame, compared: DataFrame) -> DataFrame:
    """One row a listed n-gram of a corpus: the example with the smallest hash of its document.

    `phrases` may have several rows an n-gram, one a day.
    """
    listed = compared.select("n", F.explode("ngrams.key").alias("key")).unionByName(
        compared.select("n", F.explode("ratios.key").alias("key"))
    )
    first = F.min(F.struct("doc_hash", "doc_id", "text", "tokens", "excerpt"))
    wanted = phrases.join(F.broadcast(listed.distinct()), ["n", "key"], "left_semi")
    found = wanted.groupBy("corpus", "n", "key").agg(first.alias("first"))
    return found.select("corpus", "n", "key", "first.*")


def ngrams(
    compared: DataFrame, phrases: DataFrame, human: str, run_id: str, date: str
) -> DataFrame:
    """schema.NGRAMS: the listed n-grams with text and examples, and a remainder row each."""
    pairs = compared.select(
        *_pair(human, run_id, date),
        *("n", "tokens_human", "tokens_model", "ngrams", "remainder"),
        (_summed(lambda gram: F.abs(gram["contribution"]), F.lit(0.0)) + F.col("remainder")).alias(
            "squared"
        ),
    )
    listed = _with_text(
        pairs.select("*", F.explode("ngrams").alias("gram")).select("*", "gram.*"), phrases, human
    )
    remainder = pairs.withColumns(
        {
            "contribution": F.col("remainder"),
            "count_human": _rest("human"),
            "count_model": _rest("model"),
        }
    )
    every = listed.drop("ngrams").unionByName(remainder.drop("ngrams"), allowMissingColumns=True)
    return conform(
        every.withColumns(
            {
                "per_million_human": _per_million("human"),
                "per_million_model": _per_million("model"),
                "share": F.abs("contribution") / F.nullif("squared", F.lit(0.0)),
            }
        ),
        schema.NGRAMS,
    )


def _rest(side: str) -> Column:
    zero = F.lit(0).cast("long")
    return F.col(f"tokens_{side}") - _summed(lambda gram: gram[f"count_{side}"], zero)


def _summed(part: Callable[[Column], Column], zero: Column) -> Column:
    """Over the listed n-grams of a row, in their order, so that no plan changes the last digit."""
    return F.aggregate(F.transform("ngrams", part), zero, lambda total, each: total + each)


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
