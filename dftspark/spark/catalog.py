"""The result tables of a run as tables of a catalog, for people who query there.

Every table has the columns of the run's and, behind them, three that say whose rows they are:
`audit_name`, `run_kind` and `night`, the run's date or else its id. It is partitioned by them, and
publishing replaces one partition, by its name, whatever the session's modes are: the second attempt
at a run doubles no row, and of two runs of a night the one that is there was published last.

Cost    about two Spark jobs per table
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType

from dftspark import schema
from dftspark.errors import (
    ConfigError,
    DamagedRun,
    DftsparkError,
    EnvironmentProblem,
    NotPublished,
)
from dftspark.spark import failures
from dftspark.store.run import Run

WHOSE = ("audit_name", "run_kind", "night")
_VALUE = re.compile(r"[A-Za-z0-9._:-]+")  # they stand in statements


def check(spark: SparkSession, database: str) -> None:
    """Raises ConfigError for a database that is not there and for tables in it that a run's do not
    fit, EnvironmentProblem for one that this user may not write.

    Where there is no table yet, it makes a small one, adds a row and drops it.
    """
    with _explained(database):
        tables = _listed(spark, database)
        for name, of in schema.TABLES.items():
            if name in tables:
                _check_columns(spark, _in(database, name), from_arrow_schema(of))
    with _explained(database, writing=True):
        if "metrics" in tables:
            table = _in(database, "metrics")
            spark.table(table).where("false").write.insertInto(table)  # adds no row
            return
        probe = _in(database, f"dftspark_probe_{secrets.token_hex(4)}")
        spark.sql(f"CREATE TABLE {probe} (n INT)")
        try:
            spark.sql(f"INSERT INTO {probe} VALUES (1)")
        finally:
            spark.sql(f"DROP TABLE {probe}")


def publish(
    spark: SparkSession, run: Run, database: str, told: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Makes the result tables of a run partitions of the tables of a database; returns their rows
    by name. `told` is called with 1 after each.

    Columns that a table lacks are added to it. Raises NotPublished if that fails half-way, which
    the same call mends; the run stays as it is. Raises ConfigError for a run whose manifest has a
    name that no run gets.
    """
    whose = of(run)
    rows = {name: int(run.manifest["tables"][name]["rows"]) for name in titles(run)}
    try:
        there = _listed(spark, database)
        for name, count in rows.items():
            _publish(spark, run, name, _in(database, name), whose, name in there)
            _check_rows(spark, _in(database, name), whose, count)
            told(1)
        for name in (there & schema.TABLES.keys()) - rows.keys():
            table = _in(database, name)
            _replace(spark, table, whose, spark.createDataFrame([], spark.table(table).schema))
    except DamagedRun:
        raise
    except (PySparkException, Py4JError, DftsparkError, OSError, pa.ArrowException) as error:
        reason = failures.cause(str(error))[:400]
        raise NotPublished(run, database, reason) from error
    return rows


def titles(run: Run) -> list[str]:
    """Returns the names of the run's tables that are results, not states."""
    return [name for name in schema.TABLES if name in run.manifest["tables"]]


def of(run: Run) -> dict[str, str]:
    """Returns the values of WHOSE for a run."""
    manifest = run.manifest
    night = str(manifest.get("date") or run.id)
    values = (str(manifest.get("name", "")), str(manifest.get("kind", "")), night)
    whose = dict(zip(WHOSE, values, strict=True))
    for key, value in whose.items():
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"{run.path}: {key} is {value!r:.80} by its manifest, and no run is named like that"
            )
    return whose


def _publish(
    spark: SparkSession, run: Run, name: str, table: str, whose: Mapping[str, str], exists: bool
) -> None:
    rows: DataFrame = run.spark(spark, name)
    columns = StructType([*rows.schema.fields, *[StructField(w, StringType()) for w in WHOSE]])
    if not exists:
        told = ", ".join(_declared(field) for field in columns)
        spark.sql(f"CREATE TABLE IF NOT EXISTS {table} ({told}) PARTITIONED BY {_listing(WHOSE)}")
    _check_columns(spark, table, rows.schema)
    lacking = [f for f in columns if f.name not in spark.table(table).columns]
    if lacking:
        spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({', '.join(map(_declared, lacking))})")
    _replace(spark, table, whose, rows)


def _replace(spark: SparkSession, table: str, whose: Mapping[str, str], rows: DataFrame) -> None:
    """Makes `rows` the partition of a run. It is named in the statement: where all that names it
    were columns of the rows, a session's mode could replace the whole table."""
    fields = [field for field in spark.table(table).schema if field.name not in WHOSE]
    view = f"dftspark_{secrets.token_hex(8)}"
    rows.select(*[_column(field, rows) for field in fields]).createOrReplaceTempView(view)
    told = ", ".join(f"{_quoted(key)} = '{value}'" for key, value in whose.items())
    try:
        # By position, in the order of the table.
        spark.sql(f"INSERT OVERWRITE TABLE {table} PARTITION ({told}) SELECT * FROM {view}")
    finally:
        spark.catalog.dropTempView(view)


def _column(field: StructField, rows: DataFrame) -> Column:
    if field.name in rows.columns:
        return F.col(_quoted(field.name))
    return F.lit(None).cast(field.dataType).alias(field.name)


def _check_rows(spark: SparkSession, table: str, whose: Mapping[str, str], wanted: int) -> None:
    """Raises EnvironmentProblem unless the partition has the run's rows, each once. Some stores
    have added where they should replace."""
    (row,) = spark.sql(f"SELECT count(*) AS n FROM {table} WHERE {_condition(whose)}").collect()
    if row["n"] != wanted:
        raise EnvironmentProblem(f"{table} has {row['n']:,} rows of the run's {wanted:,}")


def _check_columns(spark: SparkSession, table: str, wanted: StructType) -> None:
    there = {field.name: field.dataType.simpleString() for field in spark.table(table).schema}
    foreign = [name for name in WHOSE if name not in there]
    if foreign:
        raise ConfigError(
            f"publish.tables: {table} is no table of dftspark's, it has no column {foreign[0]}; "
            f"publish into another database, or rename that table"
        )
    parts = [one.name for one in spark.catalog.listColumns(table) if one.isPartition]
    if sorted(parts) != sorted(WHOSE):
        raise ConfigError(
            f"publish.tables: {table} is partitioned by {parts}, and tables of runs are by "
            f"{list(WHOSE)}; rename that table, and a new one is made"
        )
    for field in wanted:
        kind = field.dataType.simpleString()
        if there.get(field.name, kind) != kind:
            raise ConfigError(
                f"publish.tables: {table} has {field.name} as {there[field.name]}, and runs have "
                f"it as {kind}; rename that table, and a new one is made"
            )


@contextmanager
def _explained(database: str, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        line = failures.cause(str(error))[:400]
        if writing:
            raise EnvironmentProblem(
                f"publish.tables: no table can be written in {database}: {line}\n  Ask for the "
                f"right to create tables there and to write them, or take out publish.tables: the "
                f"run store needs none of it"
            ) from error
        raise ConfigError(
            f"publish.tables: {database!r} cannot be listed: {line}\n  The database must exist "
            f"(CREATE DATABASE), and Spark must know the catalog: --conf "
            f"spark.sql.catalog.NAME=..., or spark.sql.catalogImplementation=hive"
        ) from error


def _listed(spark: SparkSession, database: str) -> set[str]:
    listed = spark.sql(f"SHOW TABLES IN {_path(database)}").collect()
    return {row["tableName"] for row in listed if not row["isTemporary"]}


def _in(database: str, name: str) -> str:
    return f"{_path(database)}.{_quoted(name)}"


def _path(database: str) -> str:
    return ".".join(map(_quoted, database.split(".")))


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _declared(field: StructField) -> str:
    return f"{_quoted(field.name)} {field.dataType.simpleString()}"


def _listing(names: tuple[str, ...]) -> str:
    return f"({', '.join(map(_quoted, names))})"


def _condition(whose: Mapping[str, str]) -> str:
    return " AND ".join(f"{_quoted(key)} = '{value}'" for key, value in whose.items())
