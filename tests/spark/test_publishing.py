"""Result tables of runs as tables of a catalog: Spark's own, in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dftspark import cli, runs
from dftspark.config import Audit
from dftspark.config.publishing import Publishing
from dftspark.errors import ConfigError, EnvironmentProblem, NotPublished
from dftspark.spark import catalog
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from tests.report.page_runs import metrics, publish

pytestmark = pytest.mark.spark


@pytest.fixture
def database(spark: SparkSession) -> Iterator[str]:
    spark.sql("CREATE DATABASE audits")
    yield "audits"
    spark.sql("DROP DATABASE audits CASCADE")


def made(out: Path, value: float, **manifest: Any) -> Run:
    """A run with a row of metrics and no row of rejects."""
    tables: dict[str, Any] = {"metrics": metrics("gpt", value), "rejects": []}
    return publish(out, tables, name="essays", **manifest)


def published(spark: SparkSession, table: str, columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in spark.sql(f"SELECT {columns} FROM {table}").collect())


def test_a_night_that_is_done_again_is_there_once(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    row = {"run_id": "r", "date": "2026-11-22", "corpus": "gpt", "reason": "empty"}
    first = publish(tmp_path, {"metrics": metrics("gpt", 40.0), "rejects": [row]}, name="essays")
    other = made(tmp_path, 41.0, date="2026-11-23")
    count = first.manifest["tables"]["metrics"]["rows"]
    for run, rejects in ((first, 1), (other, 0), (first, 1)):
        assert catalog.publish(spark, run, database) == {"metrics": count, "rejects": rejects}
    assert spark.table("audits.rejects").count() == 1
    whose = "DISTINCT audit_name, run_kind, night"
    of = [("essays", "audit", run.manifest["date"]) for run in (first, other)]
    assert published(spark, "audits.metrics", whose) == of
    again = made(tmp_path, 42.0)  # another run of the first night, which has no rejects
    catalog.publish(spark, again, database)
    assert published(spark, "audits.metrics", whose) == of
    values = published(spark, "audits.metrics", "value")
    expected = [row["value"] for run in (again, other) for row in run.table("metrics").to_pylist()]
    assert str(values) == str(sorted((value,) for value in expected))
    assert spark.table("audits.rejects").count() == 0


def test_a_column_that_is_new_is_added(spark: SparkSession, database: str, tmp_path: Path) -> None:
    run = made(tmp_path, 40.0)
    catalog.publish(spark, run, database)
    spark.sql("CREATE TABLE audits.older AS SELECT * FROM audits.metrics")
    kept = [name for name in spark.table("audits.older").columns if name not in ("floor", "unit")]
    spark.sql("DROP TABLE audits.metrics")
    spark.sql(
        f"CREATE TABLE audits.metrics USING parquet PARTITIONED BY (audit_name, run_kind, night) "
        f"AS SELECT {', '.join(f'`{name}`' for name in kept)} FROM audits.older"
    )
    later = made(tmp_path, 41.0, date="2026-11-23")
    catalog.publish(spark, later, database)
    units = dict(published(spark, "audits.metrics", "DISTINCT night, unit"))
    assert units.keys() == {"2026-11-22", "2026-11-23"}
    assert units["2026-11-22"] is None
    assert units["2026-11-23"] == later.table("metrics")["unit"][0].as_py()


def test_what_cannot_be_published_is_said_before_work_starts(
    spark: SparkSession, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path, 40.0)
    spark.sql("CREATE TABLE audits.checks (n INT)")
    for tables, said in (
        ("nowhere", "'nowhere' cannot be listed"),
        ("nocatalog.audits", "'nocatalog.audits' cannot be listed"),
        ("audits", "`audits`.`checks` is no table of dftspark's"),
        ("a b", "a database of a catalog is named like"),
    ):
        assert cli.main(["publish", run.path, "--tables", tables]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) < 10
        assert "\tat " not in told
    assert [row["tableName"] for row in spark.sql("SHOW TABLES IN audits").collect()] == ["checks"]


def test_a_column_of_another_type(spark: SparkSession, database: str, tmp_path: Path) -> None:
    spark.sql(
        "CREATE TABLE audits.metrics (value STRING, audit_name STRING, run_kind STRING, "
        "night STRING) USING parquet PARTITIONED BY (audit_name, run_kind, night)"
    )
    with pytest.raises(ConfigError, match="has value as string, and runs have it as double"):
        catalog.check(spark, database)


@pytest.mark.parametrize("partitioned", ["", "PARTITIONED BY (night)"])
def test_a_table_cut_otherwise_keeps_its_rows(
    spark: SparkSession, database: str, tmp_path: Path, partitioned: str
) -> None:
    """As a copy is that somebody made by a query."""
    run = made(tmp_path, 40.0)
    catalog.publish(spark, run, database)
    spark.sql("ALTER TABLE audits.metrics RENAME TO audits.kept")
    spark.sql(
        f"CREATE TABLE audits.metrics USING parquet {partitioned} AS SELECT * FROM audits.kept"
    )
    rows = spark.table("audits.metrics").count()
    with pytest.raises(ConfigError, match=r"is partitioned by .*, and tables of runs are by"):
        catalog.check(spark, database)
    with pytest.raises(NotPublished, match="is partitioned by"):
        catalog.publish(spark, made(tmp_path, 41.0), database)
    assert spark.table("audits.metrics").count() == rows > 0


def test_a_name_that_no_run_has_stands_in_no_statement(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    run = made(tmp_path, 40.0, date="2026-11-22' OR 'a' = 'a")
    with pytest.raises(ConfigError, match="no run is named like that"):
        catalog.publish(spark, run, database)


def test_a_database_that_may_not_be_written(
    spark: SparkSession, tmp_path: Path, database: str
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    spark.sql(f"CREATE DATABASE blocked LOCATION '{tmp_path}/warehouse'")
    try:
        (tmp_path / "warehouse").rmdir()
        blocked.rename(tmp_path / "warehouse")  # a folder cannot be made below a file
        with pytest.raises(EnvironmentProblem, match="no table can be written in blocked") as told:
            catalog.check(spark, "blocked")
        assert len(str(told.value).splitlines()) < 10
    finally:
        (tmp_path / "warehouse").unlink()
        spark.sql("DROP DATABASE blocked CASCADE")


def texts(folder: Path) -> dict[str, Any]:
    for name in ("human", "gpt"):
        lines = [f'{{"text": "{name} wrote number {i}", "prompt_id": "{i}"}}\n' for i in range(40)]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    return {
        "out": str(folder / "runs"),
        "lenses": ["ngrams"],
        "report": {"page": False},
        "publish": {"tables": "audits"},
        "corpora": {
            name: {"role": role, "path": str(folder / f"{name}.jsonl")}
            for name, role in (("human", "human"), ("gpt", "model"))
        },
    }


@pytest.mark.slow
def test_an_audit_publishes_and_is_not_lost_if_that_fails(
    spark: SparkSession, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Audit.parse(texts(tmp_path), "test")
    real = catalog._check_rows

    def dropped(*given: Any) -> None:
        """The database goes away while the third table is written."""
        if "document_ratios" in given[1]:
            spark.sql("DROP DATABASE audits CASCADE")
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "_check_rows", dropped)
        with pytest.raises(NotPublished) as told:
            runs.audit(spark, config)
    run = open_run(config.out)
    assert told.value.run.id == run.id
    assert f"dftspark publish {run.path} --tables audits" in str(told.value)
    assert len(str(told.value).splitlines()) < 10
    with contextlib.suppress(Exception):
        spark.sql("CREATE DATABASE audits")
    rows = runs.publish(spark, run, "audits")
    assert rows["metrics"] == run.table("metrics").num_rows > 0
    assert spark.table("audits.metrics").count() == rows["metrics"]
    assert set(rows) == set(catalog.titles(run))


def test_a_name_of_a_database() -> None:
    assert Publishing(tables="main.our-audits").tables == "main.our-audits"
    with pytest.raises(ValueError, match=r"named like main\.audits"):
        Publishing(tables="main.audits; DROP TABLE x")
