"""Files to documents on Spark: read once into Parquet, filter, settle repeated ids, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.window import Window

from dftspark import schema
from dftspark.config import Audit, Corpus
from dftspark.corpus import files, ingest
from dftspark.corpus.parts import corpus_of
from dftspark.errors import ConfigError, InputError
from dftspark.spark import tables

_SPLITS = pa.schema([("task", pa.int32()), ("source", pa.string()), ("split", pa.string())])
_MANY = 20  # documents, of which one cluster is no accident
_ISSUE = [field.name for field in schema.REJECT_FIELDS]


@dataclass(frozen=True)
class Documents:
    """`kept` has the columns of schema.DOCUMENTS, `issues` those of schema.REJECTS but the run's.

    `kept` also has `source`, the corpus as the configuration names it. `tally` counts the rows
    that were read by source, corpus, action and whether they are `ours`; `repeats` are the issues
    with repeated ids, None where every doc_id of a corpus is there once. `joined` is whether near
    copies have one cluster, of which the tally does not know.
    """

    kept: DataFrame
    issues: DataFrame
    tally: list[dict[str, Any]]
    repeats: DataFrame | None
    joined: bool = False


def read(spark: SparkSession, config: Audit, staging: str) -> Documents:
    """Reads every file of the audit once, into Parquet at `staging`, and settles what is kept."""
    check_filters(spark, config)
    tables.write(stage(spark, config), staging)
    return settle(tables.read(spark, staging, schema.STAGED), config)


def stage(spark: SparkSession, config: Audit) -> DataFrame:
    """One row a document or issue, schema.STAGED; files are read inside the tasks."""
    rows: list[tuple[int, str, str]] = []
    notes: list[dict[str, str | None]] = []
    every = files.find_all(config.corpora)
    for name, corpus in config.corpora.items():
        splits, issues = every[name]
        rows += [(0, name, split.to_json()) for split in splits]
        notes += [ingest.issue_row(name, corpus, issue) for issue in issues]
    tasks = min(len(rows), 4096)
    rows = [(i % tasks, source, split) for i, (_, source, split) in enumerate(rows)]
    table = pa.Table.from_arrays([pa.array(c) for c in zip(*rows, strict=True)], schema=_SPLITS)
    staged = (
        spark.createDataFrame(table)
        .repartitionById(tasks, F.col("task"))
        .select("source", "split")
        .mapInArrow(_reader(config), from_arrow_schema(schema.STAGED))
    )
    if not notes:
        return staged
    return staged.unionByName(
        spark.createDataFrame(pa.Table.from_pylist(notes, schema=schema.STAGED))
    )


def _reader(
    config: Audit,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                name, split = row["source"], files.Split.from_json(row["split"])
                yield from ingest.ingest(split, name, config.corpora[name], config.cleaning)

    return run


def check_filters(spark: SparkSession, config: Audit) -> None:
    """Raises ConfigError with Spark's own words for a filter that it cannot understand."""
    for name, corpus in config.corpora.items():
        if corpus.filter is None:
            continue
        empty = spark.createDataFrame([], from_arrow_schema(schema.STAGED))
        try:
            empty.where(corpus.filter).schema  # noqa: B018
        except AnalysisException as error:
            raise ConfigError(
                f"corpora.{name}.filter: {corpus.filter!r} is not a Spark SQL condition over the "
                f"columns of a document: {str(error).strip().splitlines()[0]}\n  a source column "
                f"that is not mapped is fields['its name']"
            ) from error


def settle(staged: DataFrame, config: Audit) -> Documents:
    """Filters, then names corpora, then gives each doc_id of a corpus to one document."""
    passes = _passes(config, unknown=F.col("action").eqNullSafe("rejected"))
    # What is said of a row that the filter leaves out is another corpus's business; a rejected
    # row of which the filter cannot tell, and what is said of a file, stay.
    ours = passes | (F.col("action").isNotNull() & F.col("doc_id").isNull())
    tally = _tally(staged.withColumn("ours", ours))
    staged = staged.where(ours)
    rows = staged.where("action IS NULL")
    kept = rows.where("corpus IS NOT NULL").withColumn("stratum", F.coalesce("stratum", F.lit("")))
    unnamed = rows.where("corpus IS NULL").select(
        F.col("source").alias("corpus"),
        "file",
        "position",
        F.lit("rejected").alias("action"),
        F.lit("split_by_missing").alias("reason"),
        F.lit("a column of split_by has no value here").alias("detail"),
        F.substring("text", 1, 80).alias("excerpt"),
    )
    issues = staged.where("action IS NOT NULL").withColumn("corpus", F.col("source"))
    issues = issues.select(*_ISSUE).unionByName(unnamed)
    if all(row["ids"] == row["rows"] for row in tally if _is_document(row)):
        return Documents(kept, issues, tally, None)
    kept, repeats = _settle_ids(kept, config)
    return Documents(kept, issues.unionByName(repeats), tally, repeats)


def _tally(staged: DataFrame) -> list[dict[str, Any]]:
    return (  # type: ignore[no-any-return]
        staged.groupBy("source", "corpus", "action", "ours")
        .agg(
            F.count("*").alias("rows"),
            F.sum(F.octet_length("text")).alias("bytes"),
            F.count_distinct(F.xxhash64("cluster")).alias("clusters"),
            F.count_distinct(F.xxhash64("doc_id")).alias("ids"),
        )
        .toArrow()
        .to_pylist()
    )


def _is_document(tallied: dict[str, Any]) -> bool:
    return tallied["ours"] and tallied["action"] is None and tallied["corpus"] is not None


def _passes(config: Audit, unknown: Column) -> Column:
    """Whether the row's corpus has no filter or the filter is true; null counts as `unknown`."""
    condition = F.lit(True)
    for name, corpus in config.corpora.items():
        if corpus.filter is not None:
            passed = F.coalesce(F.expr(corpus.filter).cast("boolean"), unknown)
            condition = F.when(F.col("source") == name, passed).otherwise(condition)
    return condition


def _settle_ids(rows: DataFrame, config: Audit) -> tuple[DataFrame, DataFrame]:
    """(documents, issues): the same id and text again is a duplicate; the same id with another
    text is renamed or rejected. Only rows of repeated ids are shuffled with their text."""
    keyed = rows.withColumn("id_hash", F.xxhash64("corpus", "doc_id"))
    repeated = keyed.groupBy("id_hash").count().where("count > 1").select("id_hash")
    once = keyed.join(repeated, "id_hash", "left_anti").drop("id_hash")
    again = keyed.join(repeated, "id_hash", "left_semi").drop("id_hash")
    in_file_order = [F.col("file"), F.length("position"), F.col("position")]
    same_text = Window.partitionBy("corpus", "doc_id", "text").orderBy(*in_file_order)
    same_id = Window.partitionBy("corpus", "doc_id").orderBy(*in_file_order)
    again = again.withColumn("copy", F.row_number().over(same_text))
    distinct = again.where("copy = 1").withColumn("use", F.row_number().over(same_id))
    renamed = F.col("use") > 1
    keep = ~renamed | ~F.col("source").isin([n for n, c in config.corpora.items()
                                             if c.same_id == "reject"])  # fmt: skip
    new_id = F.concat("doc_id", F.lit("~"), F.lower(F.hex(F.xxhash64("text"))))
    documents = distinct.where(keep).withColumn(
        "doc_id", F.when(renamed, new_id).otherwise(F.col("doc_id"))
    )
    of_text = F.concat(F.lit("doc_id "), F.col("doc_id"))
    copies = _issue(
        again.where("copy > 1"), F.lit("duplicate"), "duplicate",
        F.concat(of_text, F.lit(" with the same text was read before")),
    )  # fmt: skip
    clashes = _issue(
        distinct.where(renamed), F.when(keep, "repaired").otherwise("rejected"), "doc_id_repeated",
        F.concat(of_text, F.lit(" came before with another text"),
                 F.when(keep, F.concat(F.lit("; kept as "), new_id)).otherwise("")),
    )  # fmt: skip
    documents = documents.drop("copy", "use")
    return once.unionByName(documents), copies.unionByName(clashes)


def _issue(rows: DataFrame, action: Column, reason: str, detail: Column) -> DataFrame:
    return rows.select(
        F.col("source").alias("corpus"),
        "file",
        "position",
        action.alias("action"),
        F.lit(reason).alias("reason"),
        detail.alias("detail"),
        F.substring("text", 1, 80).alias("excerpt"),
    )


def counts(read: Documents, config: Audit) -> list[dict[str, Any]]:
    """One row a corpus, the columns of schema.CORPORA as far as reading knows them.

    A corpus with split_by has a row of its own name for what belongs to none of its parts.
    """
    kept, found, filtered = [], Counter[tuple[str, str]](), Counter[str]()
    for row in read.tally:
        if not row["ours"]:
            if row["action"] != "repaired":  # its document is counted
                filtered[row["source"]] += row["rows"]
        elif _is_document(row):
            kept.append({**row, "documents": row["rows"]})
        else:  # a document that split_by cannot name is rejected
            found[row["source"], row["action"] or "rejected"] += row["rows"]
    if read.repeats is not None or read.joined:
        kept = _kept(read.kept)
    if read.repeats is not None:
        for row in read.repeats.groupBy("corpus", "action").count().toArrow().to_pylist():
            found[row["corpus"], row["action"]] += row["count"]
    seen = {row["corpus"]: row for row in kept}
    names = sorted(set(seen) | set(config.corpora))
    return [_counted(name, seen.get(name, {}), found, filtered, config) for name in names]


def _kept(documents: DataFrame) -> list[dict[str, Any]]:
    counted = documents.groupBy("corpus").agg(
        F.count("*").alias("documents"),
        F.sum(F.octet_length("text")).alias("bytes"),
        F.count_distinct(F.xxhash64("cluster")).alias("clusters"),
    )
    return counted.toArrow().to_pylist()  # type: ignore[no-any-return]


def _counted(
    name: str,
    seen: dict[str, Any],
    issues: Counter[tuple[str, str]],
    filtered: Counter[str],
    config: Audit,
) -> dict[str, Any]:
    row = {
        "corpus": name,
        "role": config.corpora[corpus_of(name)].role,
        "documents": seen.get("documents", 0),
        "rejected": issues[name, "rejected"],
        "duplicates": issues[name, "duplicate"],
        "filtered": filtered[name],
        "repaired": issues[name, "repaired"] + issues[name, "noted"],
        "clusters": seen.get("clusters", 0),
        "bytes": seen.get("bytes") or 0,
    }
    row["read"] = sum(row[c] for c in ("documents", "rejected", "duplicates", "filtered"))
    return row


def check(
    counted: list[dict[str, Any]], config: Audit, rejects: str, *, nightly: bool = False
) -> None:
    """Raises InputError for too many rejects, and for a corpus without documents, which a night may
    have where `nightly.allow_empty` says so."""
    for name, corpus in config.corpora.items():
        own = [row for row in counted if corpus_of(row["corpus"]) == name]
        total = {
            c: sum(row[c] for row in own) for c in ("read", "documents", "rejected", "filtered")
        }
        where = ", ".join(corpus.paths)
        allowed = nightly and config.nightly.allow_empty
        if not total["documents"] and not (allowed and not total["rejected"]):
            hint = "; with nightly.allow_empty = true such a date is no error" if nightly else ""
            raise InputError(
                f"corpora.{name}: no document is left of {total['read']} rows in {where}: "
                f"{total['rejected']} rejected, {total['filtered']} filtered out. An audit needs "
                f"both sides; check corpora.{name}.path, columns and filter. Rejected rows are "
                f"listed in {rejects}{hint}"
            )
        if not total["documents"]:
            continue
        if not nightly or corpus.role == "human":  # a date may have one prompt
            _check_clusters(name, corpus, own)
        share = total["rejected"] / (total["read"] - total["filtered"])
        if share > config.cleaning.max_reject_share:
            raise InputError(
                f"corpora.{name}: {total['rejected']} of {total['read'] - total['filtered']} rows "
                f"in {where} were rejected, {share:.1%}, more than cleaning.max_reject_share = "
                f"{config.cleaning.max_reject_share:.1%}. They are listed in {rejects}; mend "
                f"them or corpora.{name}.columns, or raise max_reject_share"
            )


def _check_clusters(name: str, corpus: Corpus, parts: list[dict[str, Any]]) -> None:
    """Raises InputError where a column makes one cluster of all documents."""
    columns = corpus.columns
    column = columns.cluster or columns.prompt_id or "prompt_id"
    whole = [row for row in parts if row["documents"]]
    if column in corpus.split_by or not any(row["documents"] >= _MANY for row in whole):
        return
    if all(row["clusters"] == 1 for row in whole):
        documents = sum(row["documents"] for row in whole)
        raise InputError(
            f"corpora.{name}: all {documents} documents are in one cluster, since {column} has one "
            f"value in all of them or all texts are the same; no interval, p or floor can be "
            f"taken of one cluster. Name a column that tells prompts or pages apart with "
            f"corpora.{name}.columns.cluster, or, where every document stands for itself, write "
            f'corpora.{name}.columns.cluster = "{columns.text}"'
        )
