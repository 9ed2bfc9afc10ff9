"""Corpora that are not files: tables, queries, DataFrames and tables in memory, as rows for
documents.

A table of Delta or Iceberg is read at the version that is current when the run begins, so that all
of the run reads the same rows; the manifest names it. What keeps no versions is read once, into the
run's own files, after which its tables must have the files that they had before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyspark
from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from dftspark import schema
from dftspark.config import Audit, Corpus, queries
from dftspark.config.corpora import DATAFRAME
from dftspark.corpus import fit, ingest
from dftspark.corpus.mapping import Mapping as Sources
from dftspark.corpus.rows import Issue
from dftspark.errors import ConfigError, DftsparkError, EnvironmentProblem, InputError
from dftspark.spark import table_files
from dftspark.spark.rows import InProcess, Rows, Session, mapped, on_spark
from dftspark.text.xxhash64 import of_rows

Frames = Mapping[str, Rows]

_PACKAGES = {
    "delta": "io.delta:delta-spark_2.13:VERSION, with spark.sql.extensions = "
    "io.delta.sql.DeltaSparkSessionExtension and spark.sql.catalog.spark_catalog = "
    "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "iceberg": "org.apache.iceberg:iceberg-spark-runtime-SPARK_2.13:VERSION, and the catalog as "
    "spark.sql.catalog.NAME = org.apache.iceberg.spark.SparkCatalog",
}
_CONNECTORS = {
    "s3a": "org.apache.hadoop:hadoop-aws:VERSION",
    "abfs": "org.apache.hadoop:hadoop-azure:VERSION",
    "abfss": "org.apache.hadoop:hadoop-azure:VERSION",
    "gs": "com.google.cloud.bigdataoss:gcs-connector:VERSION",
}
_HASHED = ("doc_id", "text", "cluster", "stratum", "prompt", "model", "date", "reason")
_NOT_FOUND = "TABLE_OR_VIEW_NOT_FOUND"
_NO_CATALOG = re.compile(r"REQUIRES_SINGLE_PART_NAMESPACE.* but got identifier `([^`]+)`\.")
_BY_PATH = re.compile(r"\.`(\w+)://")
_NO_FILES = (_NOT_FOUND, "FAILED_TO_CREATE_PLAN_FOR_DIRECT_QUERY")
_NO_PACKAGE = ("DATA_SOURCE_NOT_FOUND", "CLASS_NOT_FOUND", "Cannot find catalog plugin class")


@dataclass(frozen=True)
class RowSource:
    """The rows of a corpus. `label` stands where files have their path; `told` is what the manifest
    says of where they come from."""

    frame: Rows
    label: str
    told: dict[str, Any]


def opened(spark: Session, config: Audit, frames: Frames) -> dict[str, RowSource]:
    """Returns the corpora that are not files, by name, after a look at their columns.

    Raises ConfigError for a table that is not there, a query that Spark cannot read, a column that
    is missing or of a type that Arrow has not, EnvironmentProblem if Spark lacks a package.
    """
    found = {}
    for name, corpus in config.corpora.items():
        if corpus.paths:
            continue
        try:
            source = _opened(spark, name, corpus, frames)
            fit.check_columns(name, corpus, corpus.where, _names(source.frame))
            if isinstance(source.frame, DataFrame):
                _check_types(name, corpus, source.frame)
        except (PySparkException, Py4JError) as error:
            raise _explained(error, name, corpus) from error
        found[name] = source
    return found


def _names(frame: Rows) -> list[str]:
    return list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)


def _opened(session: Session, name: str, corpus: Corpus, frames: Frames) -> RowSource:
    if corpus.table == DATAFRAME:
        if name not in frames:
            raise ConfigError(
                f"corpora.{name} was a DataFrame; give it again, as in "
                f"dftspark.audit(spark, human=..., models={{{name!r}: ...}})"
            )
        frame = frames[name]
        if isinstance(frame, pa.Table) and not isinstance(session, InProcess):
            frame = session.createDataFrame(frame)
        return RowSource(frame, f"DataFrame {name}", {"dataframe": name})
    spark = on_spark(session)
    if corpus.table is not None:
        now = version(spark, corpus.table)
        pinned = f" VERSION AS OF {now['version']}" if now["version"] is not None else ""
        frame = spark.sql(f"SELECT * FROM {corpus.table}{pinned}")
        told = described(spark, frame, {corpus.table: now})[corpus.table]
        return RowSource(frame, corpus.table, {"table": corpus.table, **told})
    query = str(corpus.query)
    for function in queries.functions(query):
        if not is_built_in(spark, function):
            raise ConfigError(replaced(f"corpora.{name}.query", query, function))
    frame, fixed = spark.sql(query), queries.versions(query)
    tables = {table: version(spark, table, fixed.get(table)) for table in queries.read(query)}
    told = {"query": query, "tables": described(spark, frame, tables)}
    return RowSource(frame, f"query {name}", told)


def version(spark: SparkSession, table: str, fixed: str | None = None) -> dict[str, Any]:
    """Returns what provides a table, its folder, and the version that is current, or that a query
    has `fixed`, as far as there are any."""
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").toArrow().to_pylist()
    told = {row["col_name"]: row["data_type"] for row in rows}
    provider = str(told.get("Provider") or "").lower()
    asked = {
        "delta": f"DESCRIBE HISTORY {table} LIMIT 1",
        "iceberg": f"SELECT snapshot_id FROM {table}.refs WHERE name = 'main'",
    }
    current: Any = fixed
    if fixed is None and provider in asked:
        now = spark.sql(asked[provider]).toArrow().to_pylist()
        current = next((next(iter(row.values())) for row in now), None)
    return {"format": provider or "view", "version": current, "location": told.get("Location")}


def described(
    spark: SparkSession, frame: DataFrame, tables: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Returns what the manifest says of the tables that `frame` reads: format, version, and the
    stamp of the files of those without a version."""
    places = {name: one["location"] for name, one in tables.items() if one["version"] is None}
    stamped = table_files.stamps(spark, frame, places)
    return {
        name: {"format": one["format"], "version": one["version"], "files": stamped.get(name)}
        for name, one in tables.items()
    }


def check_unchanged(spark: Session, config: Audit, found: Mapping[str, RowSource]) -> None:
    """Raises InputError for a table that is not what it was when the run began, after its rows are
    read: some of them may be of one state and some of another.

    A table that is read at one version stays that, and of a DataFrame nothing is known.
    """
    for name, source in found.items():
        corpus, before = config.corpora[name], _tables(source.told)
        if corpus.table and all(one["version"] is not None for one in before.values()):
            continue
        setting = f"corpora.{name}.{'table' if corpus.table else 'query'}"
        remedy = "run again when nothing writes into it"
        try:
            now = _tables(_opened(spark, name, corpus, {}).told) if before else {}
        except (PySparkException, Py4JError) as error:
            raise InputError(
                f"{setting}: {' '.join(corpus.sources)!r:.200} was there, and after it was read it "
                f"is not: {_first_line(error)}\n  {remedy}"
            ) from error
        for table, state in before.items():
            if now[table] != state:
                then, after = table_files.said(state), table_files.said(now[table])
                raise InputError(
                    f"{setting}: the table {table} changed while it was read ({then}, then "
                    f"{'as many, changed' if then == after else after})\n  {remedy}; of a table "
                    f"that keeps versions, a query may read one: {table} VERSION AS OF ..."
                )


def _tables(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the states of the tables that a source reads; none of a DataFrame."""
    if "table" in told:
        return {told["table"]: {key: told[key] for key in ("format", "version", "files")}}
    tables: dict[str, dict[str, Any]] = told.get("tables", {})
    return tables


def staged(source: RowSource, name: str, config: Audit) -> Rows:
    """Returns one row per document or issue, schema.STAGED, of a corpus that is not files."""
    corpus = config.corpora[name]
    taken = _taken(corpus, source.frame)
    rows = source.frame
    if isinstance(rows, pa.Table):
        rows = rows.select(taken)
    else:
        rows = rows.select(*[F.col(_quoted(column)) for column in taken])
    return mapped(rows, _stager(source.label, name, corpus, config), schema.STAGED)


def _stager(
    label: str, name: str, corpus: Corpus, config: Audit
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    cleaning = config.cleaning

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return ingest.ingest_table(batches, label, name, corpus, cleaning)

    return run


def _taken(corpus: Corpus, frame: Rows) -> list[str]:
    """Returns the columns that are read, in the order of their names, so that digests of rows do
    not depend on theirs."""
    return sorted(Sources.of(corpus).columns.intersection(_names(frame)))


def _quoted(column: str) -> str:
    return f"`{column.replace('`', '``')}`"


def _check_types(name: str, corpus: Corpus, frame: DataFrame) -> None:
    """Raises ConfigError for a column that is read and cannot leave Spark, or comes twice."""
    for column in _taken(corpus, frame):
        try:
            to_arrow_schema(frame.select(F.col(_quoted(column))).schema)
        except PySparkException as error:
            raise ConfigError(
                f"corpora.{name}: the column {column!r} of {corpus.where} cannot be read: "
                f"{_first_line(error)}; cast or rename it, or leave it out"
            ) from error


def told(
    staging: Rows, config: Audit, found: Mapping[str, RowSource]
) -> tuple[dict[str, dict[str, Any]], list[dict[str, str | int | None]]]:
    """Returns what the manifest says of each source, with the number and a digest of the rows that
    were read, and the notes on whole sources that readers of files make.

    Equal digests say that two runs read the same documents, whatever the store says of versions.
    """
    counted = {row["source"]: row for row in _digests(staging, list(found))}
    sources, notes = {}, []
    for name, source in found.items():
        corpus = config.corpora[name]
        row = counted.get(name, {"rows": 0, "digest": None, "others": 0})
        sources[name] = {
            **source.told,
            "rows": row["rows"],
            "digest": f"{int(row['digest'] or 0):x}",
        }
        for reason, detail in _notes(corpus, row):
            issue = Issue(source.label, "", "noted", reason, detail)
            notes.append(ingest.issue_row(name, corpus, issue))
    return sources, notes


def _digests(staging: Rows, names: list[str]) -> list[dict[str, Any]]:
    if isinstance(staging, pa.Table):
        return [_digest_here(staging, name) for name in names]
    whole = F.xxhash64(*_HASHED)
    named = F.col("model").isNotNull() & ~F.lower(F.trim("model")).isin("", "human")
    other = F.when(F.col("role") == "human", named).otherwise(F.col("model").isNull())
    return (  # type: ignore[no-any-return]
        staging.where(F.col("source").isin(names))
        .where("action IS NULL OR action = 'rejected'")
        .groupBy("source")
        .agg(
            F.count("*").alias("rows"),
            # A sum, because it does not depend on the order and keeps repeats.
            F.sum(whole.cast("decimal(38, 0)")).alias("digest"),
            F.count_if(other & F.col("action").isNull()).alias("others"),
        )
        .toArrow()
        .to_pylist()
    )


def _digest_here(staging: pa.Table, name: str) -> dict[str, Any]:
    action = staging["action"]
    read = pc.or_kleene(pc.is_null(action), pc.equal(action, "rejected"))
    rows = staging.filter(pc.and_kleene(read, pc.equal(staging["source"], name)))
    documents = rows.filter(pc.is_null(rows["action"]))
    models = zip(documents["role"].to_pylist(), documents["model"].to_pylist(), strict=True)
    return {
        "source": name,
        "rows": len(rows),
        "digest": sum(of_rows([rows[column].to_pylist() for column in _HASHED])),
        "others": sum(_is_other(role, model) for role, model in models),
    }


def _is_other(role: str, model: str | None) -> bool:
    if role == "human":
        return model is not None and model.strip(" ").lower() not in ("", "human")
    return model is None


def _notes(corpus: Corpus, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    mapping = Sources.of(corpus)
    if not row["rows"]:
        yield "empty_file", "no rows"
    others, unsaid = row["others"], corpus.filter is None and mapping.model not in corpus.split_by
    if others and unsaid and (corpus.role == "human" or others < row["rows"]):
        yield "other_side", ingest.mixed(others, row["rows"], mapping.model, corpus.role)


def is_built_in(spark: SparkSession, function: str) -> bool:
    """Returns whether the session has the function as Spark brings it."""
    try:
        listed = spark.catalog.getFunction(function)
    except AnalysisException:  # a word such as TRY_CAST or IN, which is not a function
        return True
    return (listed.className or "").startswith("org.apache.spark.sql.catalyst.expressions.")


def replaced(setting: str, said: str, function: str) -> str:
    """Returns the error for a function that the session has replaced."""
    return (
        f"{setting}: {said!r} calls {function}(), which this session has replaced by a function of "
        f"its own; use a session without it, or set spark.sql.functionResolution.sessionOrder = "
        f"last"
    )


def _explained(error: PySparkException | Py4JError, name: str, corpus: Corpus) -> DftsparkError:
    line = _first_line(error)
    setting = f"corpora.{name}.{'table' if corpus.table else 'query'}"
    for kind, package in _PACKAGES.items():
        unknown = kind in line.lower() and any(sign in line for sign in _NO_PACKAGE)
        by_path = f"`{kind}`." in line and _NOT_FOUND in line
        if unknown or by_path:
            return EnvironmentProblem(
                f"{setting}: Spark has no package for {kind.title()}"
                f"{', or nothing is there' * by_path}: {line}\n  Start it with one: --packages "
                f"{package}"
            )
    if isinstance(error, Py4JError):  # mostly a class of another version
        return EnvironmentProblem(
            f"{setting}: {' '.join(corpus.sources)!r:.200}: {line}\n  A package that Spark has "
            f"loaded fails there; take the one that is built for Spark {pyspark.__version__}"
        )
    stored = _BY_PATH.search(" ".join(corpus.sources))
    if stored and stored[1] in _CONNECTORS and any(sign in line for sign in _NO_FILES):
        return EnvironmentProblem(
            f"{setting}: {' '.join(corpus.sources)!r:.200}: Spark has no connector for "
            f"{stored[1]}:, or nothing is there: {line}\n  Start it with one: --packages "
            f"{_CONNECTORS[stored[1]]}, of the Hadoop of this Spark; or name the files in "
            f"corpora.{name}.path, which is read without a connector"
        )
    hint = ""
    if no_catalog := _NO_CATALOG.search(line):
        hint = (
            f"\n  Spark has no catalog {no_catalog[1]!r}: give --conf spark.sql.catalog."
            f"{no_catalog[1]}=CLASS and its --packages, or name the table database.table"
        )
    if isinstance(error, AnalysisException) and _NOT_FOUND in line:
        hint = "; SHOW TABLES IN a database lists those that are there"
    if isinstance(error, ParseException):
        hint = "; it is read by Spark SQL"
    return ConfigError(f"{setting}: {' '.join(corpus.sources)!r:.200} cannot be read: {line}{hint}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[1].startswith(": "):  # below "An error occurred while calling"
        lines = [lines[1].removeprefix(": ")]
    return lines[0][:400] if lines else type(error).__name__
