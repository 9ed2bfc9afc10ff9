"""The judge on Spark: texts of the pairs out of the documents, and requests sent from tasks.

Cost     a shuffle of ids and hashes, and the texts of the pairs to the driver; then the time of the
         judges. A task is a few threads that wait for the network
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.window import Window

from dftspark import schema
from dftspark.config import Audit, Judge
from dftspark.endpoints import asking
from dftspark.endpoints.asking import Item
from dftspark.judge import requests
from dftspark.judge.pairs import CLUSTERS, DOCUMENTS, Candidate, Pair, unshared
from dftspark.judge.plan import TaskShare
from dftspark.judge.prompts import Prompts
from dftspark.judge.verdicts import KIND, parsing
from dftspark.spark.placement import placed
from dftspark.spark.records import record


def candidates(documents: DataFrame, config: Audit) -> list[Candidate]:
    """Returns every document that `pairs.sampled` can take, and few others, texts cut to the limit.

    Raises InputError where no model shares a prompt with the human corpus.
    """
    settings = config.judge
    keyed = documents.select(
        "corpus",
        "stratum",
        "cluster",
        "doc_id",
        F.coalesce("prompt_id", "prompt").alias("key"),
        _place(CLUSTERS, "cluster").alias("by_cluster"),
        _place(DOCUMENTS, "doc_id").alias("by_document"),
    ).where("key IS NOT NULL")
    own = Window.partitionBy("corpus", "key").orderBy("by_document", "doc_id")
    texts = F.count("*").over(Window.partitionBy("corpus", "key"))
    turns = keyed.withColumns({"turn": F.row_number().over(own), "texts": texts})
    first = turns.where(F.col("turn") <= _TEXTS).cache()
    human = first.where(F.col("corpus") == config.human)
    prompts = human.where("turn = 1").select("key", "by_cluster", "cluster", "texts")
    order = ["by_cluster", "cluster", "key"]
    shared = (
        first.where((F.col("corpus") != config.human) & (F.col("turn") == 1))
        .select("corpus", "key")
        .join(prompts, "key")
        .withColumn("rank", F.row_number().over(Window.partitionBy("corpus").orderBy(*order)))
        .where(F.col("rank") <= max(settings.pairs, settings.control_pairs))
    )
    controls = 4 * settings.control_pairs  # two texts a pair, and some that are copies
    wanted = [
        shared.select("key"),
        prompts.where("texts > 1").orderBy(*order).limit(controls).select("key"),
        prompts.orderBy(*order).limit(controls).select("key"),
    ]
    human_keys = reduce(DataFrame.union, wanted).distinct()
    chosen = (
        human.join(human_keys, "key", "left_semi")
        .select("corpus", "doc_id", "key")
        .union(
            first.where("turn = 1")
            .join(shared, ["corpus", "key"], "left_semi")
            .select("corpus", "doc_id", "key")
        )
    )
    cut = [F.substring(name, 1, settings.max_characters).alias(name) for name in ("prompt", "text")]
    bounded = documents.select("corpus", "stratum", "cluster", "doc_id", *cut)
    found = bounded.join(chosen, ["corpus", "doc_id"]).toArrow()
    if not (set(found["corpus"].unique().to_pylist()) - {config.human}):
        counts = first.where("turn = 1").groupBy("corpus").count().toArrow().to_pylist()
        sizes = dict.fromkeys(config.corpora, 0) | {row["corpus"]: row["count"] for row in counts}
        raise unshared(config.human, sizes)
    first.unpersist()
    names = list(Candidate.__dataclass_fields__)
    columns = (found[name].to_pylist() for name in names)
    return [Candidate(*row) for row in zip(*columns, strict=True)]


_TEXTS = 8  # texts of a human prompt that are searched for two unlike ones


def _place(domain: str, column: str) -> Column:
    """Computes pairs.place in the Java machine."""
    return F.sha2(F.concat(F.lit(domain), F.col(column)), 256)


def ask(
    spark: SparkSession,
    parts: Sequence[TaskShare],
    pairs: Sequence[Pair],
    prompts: Prompts,
    settings: Judge,
    journals: Callable[[int], Path],
) -> list[dict[str, Any]]:
    """Returns rows of schema.JUDGE_PARTS, one a part, whose journal has the verdicts.

    With settings.tasks = 0 the driver asks, one part after the other.
    """
    texts = {pair.pair_id: pair for pair in pairs}
    if not settings.tasks:
        return [_asked(part, texts, prompts, settings, journals(part.number)) for part in parts]
    told = [replace(part, requests=()) for part in parts]
    found = (
        placed(spark.createDataFrame(_work(parts, texts)), len(parts), "part")
        .sortWithinPartitions("part", "turn")
        .mapInArrow(
            _asking(told, prompts, settings, {p.number: journals(p.number) for p in parts}),
            from_arrow_schema(schema.JUDGE_PARTS),
        )
    )
    rows: list[dict[str, Any]] = found.toArrow().to_pylist()
    return rows


def _work(parts: Sequence[TaskShare], pairs: dict[str, Pair]) -> pa.Table:
    """Returns schema.JUDGE_WORK: a row for each pair of a part, in the order of asking."""
    rows = []
    for part in parts:
        own: dict[str, list[dict[str, Any]]] = {}
        for request in part.requests:
            own.setdefault(request.pair_id, []).append(request.__dict__)
        rows += [
            {**pairs[name].__dict__, "part": part.number, "turn": turn, "requests": asked}
            for turn, (name, asked) in enumerate(own.items())
        ]
    return pa.Table.from_pylist(rows, schema=schema.JUDGE_WORK)


# --- in the task --------------------------------------------------------------------------------


def _asking(
    parts: Sequence[TaskShare], prompts: Prompts, settings: Judge, journals: dict[int, Path]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, own in groupby(rows, key=lambda row: row["part"]):
            part = parts[number]
            items = (
                _item(part, asked, pair, prompts, settings)
                for row in own
                for pair in [Pair(**{name: row[name] for name in Pair.__dataclass_fields__})]
                for asked in row["requests"]
            )
            yield record(schema.JUDGE_PARTS, *_done(part, items, settings, journals[number]))

    return run


def _asked(
    part: TaskShare, pairs: dict[str, Pair], prompts: Prompts, settings: Judge, journal: Path
) -> dict[str, Any]:
    items = (
        _item(part, request.__dict__, pairs[request.pair_id], prompts, settings)
        for request in part.requests
    )
    values = _done(part, items, settings, journal)
    return dict(zip(schema.JUDGE_PARTS.names, values, strict=True))


def _item(
    part: TaskShare, asked: dict[str, Any], pair: Pair, prompts: Prompts, settings: Judge
) -> Item:
    body = requests.encoded(
        part.endpoint, prompts, pair, asked["dimension"], asked["model_first"], settings.ties
    )
    return Item(asked["key"], body, asked["tokens_in"])


def _done(
    part: TaskShare, items: Iterable[Item], settings: Judge, journal: Path
) -> tuple[Any, ...]:
    found = asking.ask(
        journal,
        items,
        part.endpoint,
        part.limits,
        threads=part.threads,
        retries=settings.retries,
        kind=KIND,
        parse=parsing(settings.ties),
    )
    return part.number, part.endpoint.name, found.requests, found.answered, found.stopped
