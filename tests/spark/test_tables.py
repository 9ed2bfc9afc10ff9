"""Corpora that are DataFrames, tables and queries: the documents that files of the rows give."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import dftspark
from dftspark.config import Audit
from dftspark.config.corpora import DATAFRAME
from dftspark.errors import ConfigError, EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.rows import InProcess

pytestmark = pytest.mark.spark

COLUMNS = "doc_id string, text string, prompt_id string, model string, t float, day date"
ROWS = [
    ("h1", "é first\r\n", "p1", None, None, None),
    ("h2", "sec\u200bond", "p2", None, None, None),
    ("h3", "", "p3", None, None, None),
    ("a1", "one", "p1", "a", 0.7, None),
    ("a2", "two", "p2", "a", 0.0, None),
    ("b1", None, "p1", "b", 0.7, None),
    ("b2", "four", "p2", "b", None, None),
]
BOTH: dict[str, dict[str, Any]] = {
    "human": {"role": "human", "filter": "model IS NULL"},
    "m": {
        "role": "model",
        "filter": "model IS NOT NULL",
        "split_by": ["model"],
        "columns": {"model": "model", "sampler": {"temperature": "t"}},
    },
}


def of(**source: Any) -> Audit:
    """Both sides from one source, told apart by a column."""
    return Audit.parse({"corpora": {name: {**one, **source} for name, one in BOTH.items()}}, "test")


def read(
    spark: SparkSession | InProcess,
    config: Audit,
    folder: Path,
    frames: dict[str, DataFrame] | None = None,
) -> dict[str, Any]:
    from dftspark.spark import documents
    from dftspark.spark.rows import collected

    found = documents.read(spark, config, str(folder / "staging"), frames)
    kept, issues = (collected(table).to_pylist() for table in (found.kept, found.issues))
    return {
        "documents": sorted(
            (row["corpus"], row["doc_id"], row["text"], row["cluster"], str(row["sampler"]))
            for row in kept
        ),
        "issues": Counter((row["corpus"], row["action"], row["reason"]) for row in issues),
        "counts": documents.counts(found, config),
        "sources": found.sources,
        "files": {row["file"] for row in issues},
    }


@pytest.fixture
def table(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(ROWS, COLUMNS)


@pytest.fixture
def view(table: DataFrame) -> str:
    table.createOrReplaceTempView("everything")
    return "everything"


def test_the_same_documents_as_from_a_file(spark: SparkSession, view: str, tmp_path: Path) -> None:
    names = [column.split()[0] for column in COLUMNS.split(", ")]
    lines = [json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in ROWS]
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    from_file = read(spark, of(path=str(tmp_path / "rows.jsonl")), tmp_path / "file")
    query = f"SELECT * FROM {view} WHERE model IS NULL"
    config = of(table=view)
    human = config.corpora["human"].model_copy(update={"table": None, "query": query})
    config = config.model_copy(update={"corpora": {**config.corpora, "human": human}})
    found = read(spark, config, tmp_path / "table")
    assert found["documents"] == from_file["documents"]
    assert found["issues"] == from_file["issues"]
    assert found["issues"]["m", "rejected", "text_null"] == 1
    counts = [{row["corpus"]: row for row in one["counts"]} for one in (found, from_file)]
    assert {**counts[0], "human": None} == {**counts[1], "human": None}
    assert found["files"] == {view, "query human"}
    assert from_file["sources"] == {}
    told = found["sources"]
    assert (told["m"]["table"], told["m"]["format"], told["m"]["version"]) == (view, "view", None)
    assert told["human"]["tables"] == {view: {"format": "view", "version": None, "files": None}}
    assert [told[name]["rows"] for name in ("human", "m")] == [3, 7]


def test_rows_without_an_id(spark: SparkSession, tmp_path: Path) -> None:
    """As many documents as rows, with the same ids however the rows are dealt to tasks."""
    texts = ["same"] * 3 + [f"text {i}" for i in range(20)] + [""]
    human = spark.createDataFrame([(t, "p") for t in texts], "text string, prompt_id string")
    model = spark.createDataFrame([("other", "p")] * 2, "text string, prompt_id string")
    corpora = {"human": {"role": "human", "table": DATAFRAME}}
    corpora["m"] = {"role": "model", "table": DATAFRAME}
    config = Audit.parse({"corpora": corpora}, "test")
    frames = {"human": human.repartition(1), "m": model}
    first = read(spark, config, tmp_path / "1", frames)
    frames = {"human": human.repartition(5), "m": model.unionByName(model)}
    second = read(spark, config, tmp_path / "2", frames)
    own = [document for document in first["documents"] if document[0] == "human"]
    assert own == [document for document in second["documents"] if document[0] == "human"]
    assert sorted(text for _, _, text, *_ in own) == sorted(texts[:-1])
    assert len({doc_id for _, doc_id, *_ in own}) == 23
    assert first["issues"] == second["issues"] == {("human", "rejected", "text_empty"): 1}
    assert first["sources"]["human"] == second["sources"]["human"]
    digests = [found["sources"]["m"]["digest"] for found in (first, second)]
    assert len(set(digests)) == 2


def test_a_partitioned_table_and_a_chat(spark: SparkSession, tmp_path: Path) -> None:
    """Of Spark's own catalog; the columns of its folders are columns as any other."""
    chat = "array<struct<role: string, content: string>>"
    rows = [
        ([("user", f"q{i}"), ("assistant", f"answer {i}")], f"ckpt{i % 2}", i) for i in range(6)
    ]
    frame = spark.createDataFrame(rows, f"messages {chat}, ckpt string, n int")
    spark.sql("CREATE DATABASE IF NOT EXISTS texts")
    spark.sql("DROP TABLE IF EXISTS texts.chats")
    frame.write.partitionBy("ckpt").saveAsTable("texts.chats")
    columns = {"text": "messages", "prompt_id": "messages[0].content"}
    corpora = {
        "human": {"role": "human", "query": "SELECT messages[1].content AS text FROM texts.chats"},
        "m": {
            "role": "model",
            "table": "texts.chats",
            "columns": columns,
            "split_by": ["ckpt"],
            "filter": "fields['n'] > 1",
        },
    }
    found = read(spark, Audit.parse({"corpora": corpora}, "test"), tmp_path)
    own = [(corpus, text, cluster) for corpus, _, text, cluster, _ in found["documents"]]
    assert [one for one in own if one[0] != "human"] == [
        (f"m/ckpt{i % 2}", f"answer {i}", f"q{i}") for i in (2, 4, 3, 5)
    ]
    assert found["sources"]["m"]["format"] == "parquet"
    spark.sql("DROP DATABASE texts CASCADE")


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ({"table": "nowhere.t"}, ConfigError, "corpora.human.table: 'nowhere.t' cannot be read"),
        ({"query": "SELECT txt AS text FROM everything"}, ConfigError, "`txt`"),
        ({"query": "SELECT FROM WHERE everything"}, ConfigError, "corpora.human.query"),
        ({"query": "SELECT doc_id AS body, model FROM everything"}, ConfigError, "body, model"),
        ({"table": "delta.`/nowhere`"}, EnvironmentProblem, "io.delta:delta-spark_2.13"),
        ({"table": DATAFRAME}, ConfigError, "was a DataFrame; give it again"),
    ],
)
def test_errors_are_short_and_come_before_any_job(
    spark: SparkSession, view: str, tmp_path: Path, source: dict[str, str], kind: Any, said: str
) -> None:
    with pytest.raises(kind) as raised:
        read(spark, of(**source), tmp_path)
    told = str(raised.value)
    assert said in told
    assert len(told.splitlines()) < 10
    assert "\tat " not in told
    assert not (tmp_path / "staging").exists()


def test_a_query_that_fails_on_a_row(spark: SparkSession, view: str, tmp_path: Path) -> None:
    from dftspark.spark.failures import explained

    config = of(query=f"SELECT model, concat(text, t / (length(text) - 3)) AS text, t FROM {view}")
    with pytest.raises(ConfigError) as raised, explained(config, str(tmp_path / "runs" / "r")):
        read(spark, config, tmp_path)
    told = str(raised.value)
    assert "a row of corpora.human or corpora.m cannot be computed: [DIVIDE_BY_ZERO]" in told
    assert len(told.splitlines()) < 10


@pytest.mark.slow
def test_an_audit_of_dataframes(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(f"The river {i} was cold, and we slept.", f"p{i}") for i in range(60)]
    human = spark.createDataFrame(rows, "body string, prompt string")
    rows = [(f"It is a rich tapestry, {i}, of things.", f"p{i}") for i in range(60)]
    models = {"ckpt-100": spark.createDataFrame(rows, "body string, prompt string")}
    settings: dict[str, Any] = {
        "out": str(tmp_path / "runs"),
        "lenses": ["ngrams"],
        "report": {"page": False},
    }
    columns = {"text": "body", "prompt_id": "prompt"}
    with pytest.raises(ConfigError, match="no column 'text' in the DataFrame, which has body"):
        dftspark.audit(spark, human=human, models=models, **settings)
    run = dftspark.audit(spark, human=human, models=models, columns=columns, **settings)
    assert {n: s["rows"] for n, s in run.manifest["sources"].items()} == {
        "human": 60,
        "ckpt-100": 60,
    }
    counted = {row["corpus"]: row["clusters"] for row in run.table("corpora").to_pylist()}
    assert counted == {"human": 60, "ckpt-100": 60}
    assert not (tmp_path / "runs" / "staging").exists()


@pytest.mark.slow
def test_a_table_that_gives_other_rows_is_told(spark: SparkSession, tmp_path: Path) -> None:
    from dftspark.report.words.notes import notes

    rows = [(f"The river {i} was cold, and we slept.", f"p{i}") for i in range(41)]
    frame = spark.createDataFrame(rows, "text string, prompt_id string")
    corpora: dict[str, Any] = {"m": {"role": "model", "query": "SELECT * FROM models"}}
    corpora["human"] = {"role": "human", "table": "humans"}
    settings = {"out": str(tmp_path), "lenses": ["ngrams"], "report": {"page": False}}
    config = Audit.parse({"corpora": corpora, **settings}, "test")
    told = []
    for humans in (frame, frame.where("prompt_id <> 'p7'").repartition(3)):
        humans.createOrReplaceTempView("humans")
        frame.selectExpr("concat(text, 's') AS text", "prompt_id").createOrReplaceTempView("models")
        said = notes(dftspark.audit(spark, config))
        told.append([line for line in said if line.startswith("corpora.")])
    assert told[0] == []
    (line,) = told[1]  # and nothing of the models, whose rows are the same
    assert line.startswith("corpora.human: table humans gave 40 rows, and other ones than the 41")


def test_tables_in_memory_are_read_alike_with_and_without_spark(
    spark: SparkSession, tmp_path: Path
) -> None:
    import pandas as pd
    import polars as pl

    from dftspark.config import request
    from dftspark.spark.rows import InProcess

    texts = ["one", "one", None, "three", "vier é"]
    human = {"text": texts, "model": [None, "gpt", " Human ", "", "x"]}
    models = {
        "pandas": pd.DataFrame({"text": texts}, dtype="category"),
        "polars": pl.DataFrame({"text": texts, "doc_id": ["a", "b", "c", "d", "e"]}),
        "arrow": pa.table({"text": texts, "prompt_id": [1, 2, 3, 4, 5]}),
    }
    config, frames = request.given(None, human, models, {})
    here = read(InProcess(), config, tmp_path / "here", frames)
    there = read(spark, config, tmp_path / "there", frames)
    assert here == there
    assert {name: told["rows"] for name, told in here["sources"].items()} == dict.fromkeys(
        ["human", *models], 5
    )
    assert ("human", "human#2", "one") in {found[:3] for found in here["documents"]}
    assert ("polars", "d", "three") in {found[:3] for found in here["documents"]}
    assert here["issues"]["human", "noted", "other_side"] == 1
    assert here["issues"]["arrow", "rejected", "text_null"] == 1


def test_dataframes_in_place_of_a_configurations_sources(table: DataFrame) -> None:
    from dftspark.config import request

    config = of(path="x.jsonl")
    given, frames = request.given(config, table, {"m": "other.jsonl"}, {})
    assert (given.corpora["human"].table, given.corpora["m"].path) == (DATAFRAME, "other.jsonl")
    assert given.corpora["m"].split_by == ("model",)
    assert frames == {"human": table}
    for arguments, said in (
        ((None, None, {}, {}), "an audit is of two sides"),
        ((None, table, {"m": table}, {}), "is the human side itself"),
        ((None, table, {"m": [1]}, {}), "a side is a path, a list of paths, a DataFrame"),
        ((None, table, {"m": ["One.\nTwo."]}, {}), "texts themselves are columns"),
        ((None, table, {"m": {"text": ["a"], "n": []}}, {}), "m: these rows make no Arrow table"),
        ((config, None, {"x": table}, {}), "are not corpora of the configuration"),
        ((config, None, {"m": table}, {"out": "x"}), "set them there"),
        ((None, "h", {"m": "m"}, {"lensess": ["ngrams"]}), "did you mean 'lenses'"),
    ):
        with pytest.raises(ConfigError, match=said):
            request.given(*arguments)
