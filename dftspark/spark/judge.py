"""The judge on Spark: texts of the pairs out of the documents, and requests sent from tasks.

Cost     a shuffle of ids and hashes, and the texts of the pairs to the driver; then what the judges
         take. A task is a few threads that wait for the network
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from dftspark.judge import asking, requests
from dftspark.judge.asking import Item
from dftspark.judge.pairs import CLUSTERS, DOCUMENTS, Document, Pair
from dftspark.judge.plan import Part
from dftspark.judge.prompts import Prompts
from dftspark.spark.records import record


def candidates(documents: DataFrame, config: Audit) -> list[Document]:
    """Every document that `pairs.sampled` can take, and few others, their text cut to the limit."""
    settings = config.judge
    keyed = documents.select(
        "corpus", "stratum", "cluster", "doc_id", F.coalesce("prompt_id", "prompt").alias("key"),
        _place(CLUSTERS, "cluster").alias("by_cluster"),
        _place(DOCUMENTS, "doc_id").alias("by_document"),
    ).where("key IS NOT NULL")  # fmt: skip
    own = Window.partitionBy("corpus", "key").orderBy("by_document", "doc_id")
    first = (
        keyed.withColumns({"turn": F.row_number().over(own),
                           "texts": F.count("*").over(Window.partitionBy("corpus", "key"))})
        .where(F.col("turn") <= _TEXTS)
    ).cache()  # fmt: skip
    human = first.where(F.col("corpus") == config.human)
    prompts = human.where("turn = 1").select("key", "by_cluster", "cluster", "texts")
    order = ["by_cluster", "cluster", "key"]
    shared = (
        first.where((F.col("corpus") != config.human) & (F.col("turn") == 1))
        .select("corpus", "key").join(prompts, "key")
        .withColumn("rank", F.row_number().over(Window.partitionBy("corpus").orderBy(*order)))
        .where(F.col("rank") <= max(settings.pairs, settings.control_pairs))
    )  # fmt: skip
    controls = 2 * settings.control_pairs
    wanted = [
        shared.select("key"),
        prompts.where("texts > 1").orderBy(*order).limit(controls).select("key"),
        prompts.orderBy(*order).limit(controls).select("key"),
    ]
    human_keys = reduce(DataFrame.union, wanted).distinct()
    chosen = (
        human.join(human_keys, "key", "left_semi").select("corpus", "doc_id", "key")
        .union(
            first.where("turn = 1").join(shared, ["corpus", "key"], "left_semi")
            .select("corpus", "doc_id", "key")
        )
    )  # fmt: skip
    cut = [F.substring(name, 1, settings.max_characters).alias(name) for name in ("prompt", "text")]
    texts = documents.select("corpus", "stratum", "cluster", "doc_id", *cut)
    found = texts.join(chosen, ["corpus", "doc_id"]).toArrow()
    first.unpersist()
    names = list(Document.__dataclass_fields__)
    columns = (found[name].to_pylist() for name in names)
    return [Document(*row) for row in zip(*columns, strict=True)]


_TEXTS = 8  # of a human prompt that are looked through for two unlike ones


def _place(domain: str, column: str) -> Column:
    """pairs.place in the Java machine."""
    return F.sha2(F.concat(F.lit(domain), F.col(column)), 256)


def ask(
    spark: SparkSession, parts: Sequence[Part], pairs: Sequence[Pair], prompts: Prompts,
    settings: Judge, journals: Callable[[int], Path],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of schema.JUDGE_PARTS, one a part; verdicts are in its journal.

    With settings.tasks = 0 the driver asks, one part after the other.
    """
    if not settings.tasks:
        texts = {pair.pair_id: pair for pair in pairs}
        return [_asked(part, texts, prompts, settings, journals(part.number)) for part in parts]
    wanted = {request.pair_id for part in parts for request in part.requests}
    rows = [pair.__dict__ for pair in pairs if pair.pair_id in wanted]
    texts_table = spark.createDataFrame(
        pa.Table.from_pylist(rows, schema=schema.JUDGED_PAIRS)
    )  # fmt: skip
    work = spark.createDataFrame(_work(parts))
    told = [Part(p.number, p.endpoint, (), p.threads, p.limits) for p in parts]
    found = (
        work.join(texts_table, "pair_id")
        .repartitionById(len(parts), F.col("part"))
        .sortWithinPartitions("part", "turn")
        .mapInArrow(
            _asking(told, prompts, settings, {p.number: journals(p.number) for p in parts}),
            from_arrow_schema(schema.JUDGE_PARTS),
        )
    )
    rows_found: list[dict[str, Any]] = found.toArrow().to_pylist()
    return rows_found


def _work(parts: Sequence[Part]) -> pa.Table:
    rows = [
        {**request.__dict__, "part": part.number, "turn": turn}
        for part in parts
        for turn, request in enumerate(part.requests)
    ]
    return pa.Table.from_pylist(rows, schema=schema.JUDGE_REQUESTS)


# --- in the task --------------------------------------------------------------------------------


def _asking(
    parts: Sequence[Part], prompts: Prompts, settings: Judge, journals: dict[int, Path]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    names = [field.name for field in schema.JUDGED_PAIRS]

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, own in groupby(rows, key=lambda row: row["part"]):
            part = parts[number]
            items = (
                _item(part, row, Pair(**{name: row[name] for name in names}), prompts, settings)
                for row in own
            )
            yield record(schema.JUDGE_PARTS, *_done(part, items, settings, journals[number]))

    return run


def _asked(
    part: Part, pairs: dict[str, Pair], prompts: Prompts, settings: Judge, journal: Path
) -> dict[str, Any]:
    items = (
        _item(part, request.__dict__, pairs[request.pair_id], prompts, settings)
        for request in part.requests
    )
    values = _done(part, items, settings, journal)
    return dict(zip(schema.JUDGE_PARTS.names, values, strict=True))


def _item(part: Part, row: dict[str, Any], pair: Pair, prompts: Prompts, settings: Judge) -> Item:
    body = requests.encoded(
        part.endpoint, prompts, pair, row["dimension"], row["model_first"], settings.ties
    )
    return Item(row["key"], body, row["tokens_in"])


def _done(part: Part, items: Iterable[Item], settings: Judge, journal: Path) -> tuple[Any, ...]:
    found = asking.ask(
        journal, items, part.endpoint, part.limits,
        threads=part.threads, retries=settings.retries, ties=settings.ties,
    )  # fmt: skip
    return part.number, part.endpoint.name, found.requests, found.answered, found.stopped
