"""Tables that are written while a run reads them, in Spark's own catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dftspark.config import Audit
from dftspark.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SCALAR = "SELECT text FROM moved.texts WHERE n < (SELECT max(n) FROM moved.limits)"
ONE_DAY = "SELECT text FROM moved.texts WHERE day = 'd1'"


@pytest.fixture
def catalog(spark: SparkSession) -> Iterator[SparkSession]:
    spark.sql("CREATE DATABASE moved")
    texts = spark.range(6).selectExpr("concat('text ', id) AS text", "id AS n", "'d1' AS day")
    both = texts.union(texts.selectExpr("text", "n", "'d2'"))
    both.coalesce(1).write.partitionBy("day").saveAsTable("moved.texts")
    spark.range(9).coalesce(1).selectExpr("id AS n").write.saveAsTable("moved.limits")
    spark.sql("CREATE VIEW moved.seen AS SELECT text FROM moved.texts WHERE n > 2")
    yield spark
    spark.sql("DROP DATABASE moved CASCADE")


def of(**source: str) -> Audit:
    corpora = {"human": {"role": "human", **source}, "m": {"role": "model", "path": "x.jsonl"}}
    return Audit.parse({"corpora": corpora}, "test")


def folder_of(spark: SparkSession, table: str) -> Path:
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").collect()
    (place,) = [row["data_type"] for row in rows if row["col_name"] == "Location"]
    return Path(place.removeprefix("file:"))


def overwritten(spark: SparkSession) -> None:
    """As another program would: this session is told nothing."""
    (part,) = folder_of(spark, "moved.limits").glob("part-*")
    part.with_name(f".{part.name}.crc").unlink()
    part.write_bytes(part.read_bytes() + b"more")


APPENDED = "INSERT INTO moved.texts SELECT 'new', 7, 'd1'"


@pytest.mark.parametrize(
    ("source", "change", "said"),
    [
        ({"query": ONE_DAY}, APPENDED, "table moved.texts changed while it was read (1 file of"),
        ({"table": "moved.texts"}, APPENDED, "human.table: the table moved.texts changed"),
        ({"query": "SELECT text FROM moved.seen"}, APPENDED, "the table moved.seen changed"),
        ({"query": SCALAR}, "INSERT INTO moved.limits VALUES 3", "the table moved.limits changed"),
        ({"query": SCALAR}, overwritten, "the table moved.limits changed"),
        ({"query": SCALAR}, "DROP TABLE moved.limits", "after it was read it is not"),
        ({"query": ONE_DAY}, "ALTER TABLE moved.texts RENAME TO moved.old", "was there, and after"),
    ],
)
def test_a_table_that_changes_is_told(
    catalog: SparkSession,
    source: dict[str, str],
    change: str | Callable[[SparkSession], None],
    said: str,
) -> None:
    from dftspark.spark import sources

    config = of(**source)
    found = sources.opened(catalog, config, {})
    sources.check_unchanged(catalog, config, found)
    if callable(change):
        change(catalog)
    else:
        catalog.sql(change)
    with pytest.raises(InputError) as raised:
        sources.check_unchanged(catalog, config, found)
    told = str(raised.value)
    assert said in told
    assert "run again when nothing writes into it" in told
    assert len(told.splitlines()) < 10
    assert "\tat " not in told


def test_what_a_query_does_not_read_may_change(catalog: SparkSession) -> None:
    """Another day of the same table, and another table."""
    from dftspark.spark import sources

    config = of(query=ONE_DAY)
    found = sources.opened(catalog, config, {})
    catalog.sql("INSERT INTO moved.texts SELECT 'new', 7, 'd2'")
    catalog.sql("INSERT INTO moved.limits VALUES 3")
    sources.check_unchanged(catalog, config, found)
    files = found["human"].told["tables"]["moved.texts"]["files"]
    (part,) = (folder_of(catalog, "moved.texts") / "day=d1").glob("part-*")
    assert (files["files"], files["bytes"]) == (1, part.stat().st_size)


def test_every_table_of_a_query_has_its_own_stamp(catalog: SparkSession) -> None:
    from dftspark.spark import sources

    query = "SELECT s.text FROM moved.seen s JOIN moved.texts t USING (text) WHERE t.n IN "
    config = of(query=f"{query} (SELECT n FROM moved.limits)")

    def told() -> dict[str, Any]:
        tables = sources.opened(catalog, config, {})["human"].told["tables"]
        return {name: (one["format"], one["files"]) for name, one in tables.items()}

    first = told()
    assert [(name, kind) for name, (kind, _) in first.items()] == [
        ("moved.seen", "view"),
        ("moved.texts", "parquet"),
        ("moved.limits", "parquet"),
    ]
    assert told() == first
    catalog.sql("INSERT INTO moved.limits VALUES 3")
    again = told()
    assert again["moved.limits"] != first["moved.limits"]
    assert {**again, "moved.limits": None} == {**first, "moved.limits": None}


def test_the_run_ends_before_anything_is_counted(
    catalog: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dftspark.spark import documents, tables

    write = tables.write

    def written_and_changed(*arguments: Any) -> None:
        write(*arguments)
        catalog.sql(APPENDED)

    monkeypatch.setattr(tables, "write", written_and_changed)
    texts = tmp_path / "x.jsonl"
    texts.write_text('{"text": "one"}\n')
    corpora = {"human": {"role": "human", "query": ONE_DAY}}
    corpora["m"] = {"role": "model", "path": str(texts)}
    with pytest.raises(InputError, match=r"moved\.texts changed while it was read"):
        documents.read(catalog, Audit.parse({"corpora": corpora}, "test"), str(tmp_path / "s"))


def test_a_file_that_is_removed_while_it_is_read(catalog: SparkSession, tmp_path: Path) -> None:
    from dftspark.spark import sources, tables
    from dftspark.spark.failures import explained

    config = of(query=ONE_DAY)
    found = sources.opened(catalog, config, {})["human"]
    for part in (folder_of(catalog, "moved.texts") / "day=d1").glob("*part-*"):
        part.unlink()
    staged = sources.staged(found, "human", config)
    with (
        pytest.raises(InputError, match=r"a file of corpora\.human was removed") as raised,
        explained(config, str(tmp_path / "runs" / "r")),
    ):
        tables.write(staged, str(tmp_path / "staging"))
    told = str(raised.value)
    assert "part-" in told
    assert len(told.splitlines()) < 10
    assert "\tat " not in told
