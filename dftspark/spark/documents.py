"""Turns sources into documents on Spark: reads them once into Parquet, filters, settles ids,
counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.window import Window

from dftspark import schema
from dftspark.choose.splits import blocks_of
from dftspark.config import Audit, filters
from dftspark.corpus.ingest import DIGEST
from dftspark.corpus.losses import Damage, Listed
from dftspark.corpus.parts import corpus_of
from dftspark.errors import ConfigError
from dftspark.spark import reading, sources, tables
from dftspark.spark.rows import InProcess, Rows, Session

# The columns that the driver uses if there are few rows.
NAMES = (
    "source",
    "corpus",
    "action",
    "cluster",
    "doc_id",
    "file",
    "unread_bytes",
    "lost_rows",
    "text",
)
NO_VALUE = "a column of split_by has no value here"
ISSUE = [field.name for field in schema.REJECT_FIELDS]


@dataclass(frozen=True)
class Documents:
    """The documents that were read. `kept` has the columns of schema.DOCUMENTS, `issues` the
    columns of schema.REJECTS without the run's.

    `kept` also has `source`, the corpus as the configuration names it. `tally` counts the rows that
    were read by source, corpus, action and whether they are `ours`; `repeats` are the issues with
    repeated ids, None if every doc_id of a corpus occurs once; `listed` are the files by source.
    `joined` says that near copies share a cluster, which the tally does not know. `few` are the
    names of all rows that were read, if they are few and every document was kept. `sources` says of
    corpora that are not files where they come from.
    """

    kept: Rows
    issues: Rows
    tally: list[dict[str, Any]]
    repeats: DataFrame | None
    listed: dict[str, Listed]
    joined: bool = False
    few: pa.Table | None = None
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def faultless(self) -> bool:
        """True if there is no issue."""
        return self.repeats is None and all(
            row["action"] is None and row["corpus"] is not None for row in self.tally if row["ours"]
        )


def read(
    spark: Session, config: Audit, staging: str, frames: sources.Frames | None = None
) -> Documents:
    """Reads every source of the audit once, into Parquet at `staging`, and settles what is kept.

    `frames` are the corpora that the caller has as DataFrames or tables in memory. Raises
    NeedsSpark, in a process without it, for what is not to be decided there.
    """
    if isinstance(spark, InProcess):
        from dftspark.spark import documents_in_process

        return documents_in_process.read(spark, config, frames or {})
    check_filters(spark, config)
    row_sources = sources.opened(spark, config, frames or {})
    staged, listed = reading.stage(spark, config, row_sources)
    tables.write(staged, staging)
    sources.check_unchanged(spark, config, row_sources)
    rows = tables.read(spark, staging, schema.STAGED)
    few = None
    if config.prompts == "all" and not any(corpus.filter for corpus in config.corpora.values()):
        few = tables.small(staging, NAMES)
    told: dict[str, dict[str, Any]] = {}
    if row_sources:
        told, notes = sources.told(rows, config, row_sources)
        more = pa.Table.from_pylist(notes, schema=schema.STAGED)
        if notes:
            rows = rows.unionByName(spark.createDataFrame(more))
            if few is not None:
                few = pa.concat_tables([few, more.select(few.column_names).cast(few.schema)])
    found = settle(rows, config, listed, few)
    return replace(found, sources=told)


def check_filters(spark: SparkSession, config: Audit) -> None:
    """Raises ConfigError, with Spark's message, for a filter that Spark cannot understand, and for
    one that calls a function which the session has replaced."""
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
        for function in filters.read(corpus.filter).functions:
            if not sources.is_built_in(spark, function):
                raise ConfigError(
                    sources.replaced(f"corpora.{name}.filter", corpus.filter, function)
                )


def settle(
    staged: DataFrame, config: Audit, listed: dict[str, Listed], few: pa.Table | None = None
) -> Documents:
    """Filters, then names corpora, then gives each doc_id of a corpus to one document.

    `few` is what the driver has of all rows, if they are few and no filter is to be asked.
    """
    passes = _passes(config, unknown=F.col("action").eqNullSafe("rejected"))
    # What is said of a row that the filter leaves out is another corpus's business; a rejected
    # row of which the filter cannot tell, and what is said of a file, stay.
    ours = passes | (F.col("action").isNotNull() & F.col("doc_id").isNull())
    tally = _tally(staged.withColumn("ours", ours)) if few is None else tallied(few)
    staged = staged.where(ours).drop("block")
    rows = staged.where("action IS NULL")
    kept = rows.where("corpus IS NOT NULL").withColumn("stratum", F.coalesce("stratum", F.lit("")))
    if config.prompts != "all":
        # Other names have other blocks, so the eight of the referee become 64 again for errors.
        kept = kept.withColumn("cluster", F.concat("cluster", F.lit(f" ({config.prompts})")))
    unnamed = rows.where("corpus IS NULL").select(
        F.col("source").alias("corpus"),
        "file",
        "position",
        F.lit("rejected").alias("action"),
        F.lit("split_by_missing").alias("reason"),
        F.lit(NO_VALUE).alias("detail"),
        F.substring("text", 1, 80).alias("excerpt"),
        "unread_bytes",
        "lost_rows",
    )
    issues = staged.where("action IS NOT NULL").withColumn("corpus", F.col("source"))
    issues = issues.select(*ISSUE).unionByName(unnamed)
    if all(row["ids"] == row["rows"] for row in tally if is_document(row)):
        return Documents(kept, issues, tally, None, listed, few=few)
    kept, repeats = _settle_ids(kept, config)
    issues = issues.unionByName(repeats, allowMissingColumns=True)
    return Documents(kept, issues, tally, repeats, listed)


def tallied(rows: pa.Table) -> list[dict[str, Any]]:
    """Returns what `_tally` does, for rows with the columns NAMES on the driver, none of them
    filtered."""
    unread, lost = rows["unread_bytes"], rows["lost_rows"]
    damaged = pc.is_valid(unread)
    cut = pc.fill_null(pc.equal(unread, 0), False)
    blank = pc.and_(damaged, pc.is_null(lost))
    columns = {
        "damaged": pc.if_else(damaged, rows["file"], None),
        "unread": unread,
        "known": pc.if_else(cut, None, lost),
        "cut": cut.cast(pa.int64()),
        "cut_rows": pc.if_else(cut, lost, None),
        "blank": pc.if_else(blank, unread, None),
        "bytes": pc.binary_length(rows["text"]).cast(pa.int64()),
        "clusters": rows["cluster"],
        "ids": rows["doc_id"],
    }
    keys = ["source", "corpus", "action"]
    table = rows.select(keys)
    for name, column in columns.items():
        table = table.append_column(name, column)
    # Where there is no name, that is one more for Spark, which counts hashes.
    every = pc.CountOptions(mode="all")
    distinct = [("clusters", "count_distinct", every), ("ids", "count_distinct", every)]
    sums = [(name, "sum") for name in columns if name not in ("damaged", "clusters", "ids")]
    wanted: list[Any] = [("damaged", "count_distinct"), *distinct, *sums, ([], "count_all")]
    found = table.group_by(keys).aggregate(wanted)
    names = {f"{name}_{how}": name for name, how, *_ in wanted if name} | {"count_all": "rows"}
    found = found.rename_columns([names.get(name, name) for name in found.column_names])
    return [{**row, "ours": True} for row in found.to_pylist()]


def _tally(staged: DataFrame) -> list[dict[str, Any]]:
    damaged = F.col("unread_bytes").isNotNull()
    cut = damaged & (F.col("unread_bytes") == 0)
    blank = damaged & F.col("lost_rows").isNull()
    return (  # type: ignore[no-any-return]
        staged.groupBy("source", "corpus", "action", "ours")
        .agg(
            F.count_distinct(F.when(damaged, F.col("file"))).alias("damaged"),
            F.sum("unread_bytes").alias("unread"),
            F.sum(F.when(~cut, F.col("lost_rows"))).alias("known"),
            F.count_if(cut).alias("cut"),
            F.sum(F.when(cut, F.col("lost_rows"))).alias("cut_rows"),
            F.sum(F.when(blank, F.col("unread_bytes"))).alias("blank"),
            F.count("*").alias("rows"),
            F.sum(F.octet_length("text")).alias("bytes"),
            F.count_distinct(F.xxhash64("cluster")).alias("clusters"),
            F.count_distinct(F.xxhash64("doc_id")).alias("ids"),
        )
        .toArrow()
        .to_pylist()
    )


def is_document(tallied: dict[str, Any]) -> bool:
    return tallied["ours"] and tallied["action"] is None and tallied["corpus"] is not None


def _passes(config: Audit, unknown: Column) -> Column:
    """Returns whether the row's corpus has no filter or the filter is true; null counts as
    `unknown`."""
    condition = F.lit(True)
    for name, corpus in config.corpora.items():
        if corpus.filter is not None:
            passed = F.coalesce(F.expr(corpus.filter).cast("boolean"), unknown)
            condition = F.when(F.col("source") == name, passed).otherwise(condition)
    if config.prompts == "all":
        return condition
    blocks = blocks_of(config.prompts)
    among = F.col("block").between(blocks.start, blocks.stop - 1)
    return condition & F.coalesce(among, unknown)


def _settle_ids(rows: DataFrame, config: Audit) -> tuple[DataFrame, DataFrame]:
    """Returns (documents, issues): the same id and text again is a duplicate; the same id with
    another text is renamed or rejected. Only rows of repeated ids are shuffled with their text."""
    keyed = rows.withColumn("id_hash", F.xxhash64("corpus", "doc_id"))
    repeated = keyed.groupBy("id_hash").count().where("count > 1").select("id_hash")
    once = keyed.join(repeated, "id_hash", "left_anti").drop("id_hash")
    again = keyed.join(repeated, "id_hash", "left_semi").drop("id_hash")
    in_file_order = [F.col("file"), F.length("position"), F.col("position")]
    same_text = Window.partitionBy("corpus", "doc_id", "text").orderBy(*in_file_order)
    same_id = Window.partitionBy("corpus", "doc_id").orderBy(*in_file_order)
    again = _numbered(again.withColumn("copy", F.row_number().over(same_text)))
    distinct = again.where("copy = 1").withColumn("use", F.row_number().over(same_id))
    renamed = F.col("use") > 1
    keep = ~renamed | ~F.col("source").isin(
        [n for n, c in config.corpora.items() if c.same_id == "reject"]
    )
    new_id = F.concat("doc_id", F.lit("~"), F.lower(F.hex(F.xxhash64("text"))))
    documents = distinct.where(keep).withColumn(
        "doc_id", F.when(renamed, new_id).otherwise(F.col("doc_id"))
    )
    of_text = F.concat(F.lit("doc_id "), F.col("doc_id"))
    copies = _issue(
        again.where("copy > 1"),
        F.lit("duplicate"),
        "duplicate",
        F.concat(of_text, F.lit(" with the same text was read before")),
    )
    clashes = _issue(
        distinct.where(renamed),
        F.when(keep, "repaired").otherwise("rejected"),
        "doc_id_repeated",
        F.concat(
            of_text,
            F.lit(" came before with another text"),
            F.when(keep, F.concat(F.lit("; kept as "), new_id)).otherwise(""),
        ),
    )
    documents = documents.drop("copy", "use")
    return once.unionByName(documents), copies.unionByName(clashes)


def _numbered(rows: DataFrame) -> DataFrame:
    """Gives equal rows of a table that has no ids an id each: they are as many documents as equal
    lines of a file are."""
    no_id = F.col("position").startswith(DIGEST) & F.col("doc_id").endswith(
        F.concat(F.lit("#"), F.substring("position", len(DIGEST) + 1, 16))
    )
    equal = no_id & (F.col("copy") > 1)
    new_id = F.concat("doc_id", F.lit("~"), F.col("copy").cast("string"))
    return rows.withColumns(
        {
            "doc_id": F.when(equal, new_id).otherwise(F.col("doc_id")),
            "copy": F.when(equal, 1).otherwise(F.col("copy")),
        }
    )


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
    """Returns one row per corpus, with the columns of schema.CORPORA that are known from reading.

    A corpus with split_by has a row under its name for what belongs to none of its parts.
    """
    kept, found, filtered = [], Counter[tuple[str, str]](), Counter[str]()
    damage, rows_read = defaultdict[str, Damage](Damage), Counter[str]()
    for row in read.tally:
        rows_read[row["source"]] += row["rows"] * (row["action"] in (None, "rejected"))
        if row["damaged"]:
            parts = ("damaged", "unread", "known", "cut", "cut_rows", "blank")
            damage[row["source"]] = Damage(*(row[name] or 0 for name in parts))
        if not row["ours"]:
            if row["action"] != "repaired":  # its document is counted
                filtered[row["source"]] += row["rows"]
        elif is_document(row):
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
    counted = [_counted(name, seen.get(name, {}), found, filtered, config) for name in names]
    for row in counted:
        name = row["corpus"]
        own = damage[name] if name in config.corpora else Damage()
        row |= {"damaged": own.files, "unread_bytes": own.unread}
        row["lost"] = own.lost(read.listed[name], rows_read[name]) if own.files else 0
    return counted


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
