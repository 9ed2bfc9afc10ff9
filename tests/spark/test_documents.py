"""Files to documents on Spark: filters, parts, repeated ids; every row is accounted for."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dftspark.config import Audit
from dftspark.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@dataclass(frozen=True)
class Reading:
    """Documents and issues as rows, counts by corpus."""

    kept: list[dict[str, Any]]
    issues: list[dict[str, Any]]
    counts: dict[str, dict[str, Any]]

    def texts(self, corpus: str) -> dict[str, str]:
        own = [row for row in self.kept if row["corpus"] == corpus]
        found = {row["doc_id"]: row["text"] for row in own}
        assert len(found) == len(own)
        return found

    def told(self, corpus: str) -> list[tuple[str, str, str]]:
        own = [row for row in self.issues if row["corpus"] == corpus]
        return sorted((row["position"], row["action"], row["reason"]) for row in own)

    def parts(self, corpus: str) -> tuple[int, ...]:
        """(read, documents, rejected, duplicates, filtered, repaired)"""
        names = ("read", "documents", "rejected", "duplicates", "filtered", "repaired")
        return tuple(self.counts[corpus][name] for name in names)


def read(spark: SparkSession, config: Audit, folder: Path) -> Reading:
    from dftspark.spark import documents

    found = documents.read(spark, config, str(folder / "staging"))
    counted = documents.counts(found, config)
    kept, issues = (table.toArrow().to_pylist() for table in (found.kept, found.issues))
    for row in kept:
        assert row["doc_id"]
        assert row["cluster"]
        assert row["text"]
    for row in issues:
        assert row["action"] in ("rejected", "duplicate", "repaired", "noted")
        assert row["detail"]
    reading = Reading(kept, issues, {row["corpus"]: row for row in counted})
    _reconcile(reading)
    return reading


def _reconcile(reading: Reading) -> None:
    documents = Counter(row["corpus"] for row in reading.kept)
    issues = Counter((row["corpus"], row["action"]) for row in reading.issues)
    assert set(reading.counts) >= {name for name, _ in issues} | set(documents)
    for name, row in reading.counts.items():
        assert row["documents"] == documents[name]
        assert row["rejected"] == issues[name, "rejected"]
        assert row["duplicates"] == issues[name, "duplicate"]
        assert row["repaired"] == issues[name, "repaired"] + issues[name, "noted"]
        parts = ("documents", "rejected", "duplicates", "filtered")
        assert row["read"] == sum(row[part] for part in parts)
        texts = [doc["text"] for doc in reading.kept if doc["corpus"] == name]
        assert row["bytes"] == sum(len(text.encode()) for text in texts)
        clusters = {doc["cluster"] for doc in reading.kept if doc["corpus"] == name}
        assert row["clusters"] == len(clusters)


def audit(corpora: dict[str, Any], **settings: Any) -> Audit:
    return Audit.parse({"corpora": corpora, **settings}, "test")


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def both_sides() -> list[dict[str, Any]]:
    """Lines 1 to 9 of one file: three human, one of them empty, and six of two models."""
    return [
        {"doc_id": "h1", "text": "é first", "model": None, "domain": "news", "prompt_id": "p1"},
        {
            "doc_id": "h2",
            "text": "sec\u200bond",
            "model": None,
            "domain": "blog",
            "prompt_id": "p2",
        },
        {"doc_id": "h3", "text": "", "model": None, "domain": "news"},
        {"doc_id": "a1", "text": "one", "model": "a", "t": 0.7, "domain": "news"},
        {"doc_id": "a2", "text": "two", "model": "a", "t": 0, "domain": "news"},
        {"doc_id": "a3", "text": "", "model": "a", "t": 0, "domain": "blog"},
        {"doc_id": "b1", "text": "three", "model": "b", "t": 0.7, "domain": "blog"},
        {"doc_id": "b2", "text": "four", "model": "b", "domain": "blog"},
        {"doc_id": "b3", "text": "five", "model": "b", "t": 0.7},
    ]


def repeats() -> list[dict[str, Any]]:
    """Lines 1 to 7: x twice the same and once another text, y with two texts."""
    texts = [
        ("x", "same"),
        ("x", "same"),
        ("z", "alone"),
        ("x", "other"),
        ("y", "left"),
        ("y", "right"),
        ("x", "same"),
    ]
    return [{"doc_id": name, "text": text} for name, text in texts]


@pytest.fixture(scope="module")
def reading(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Nine corpora of two files, each a case of its own, in one reading."""
    folder = tmp_path_factory.mktemp("documents")
    path = lines(folder / "both.jsonl", both_sides())
    twice = lines(folder / "twice.jsonl", repeats())
    model = {"role": "model", "path": path}
    columns = {"sampler": {"temperature": "t"}}
    corpora = {
        "human": {"role": "human", "path": path, "filter": "model IS NULL"},
        "models": {**model, "filter": "model IS NOT NULL"},
        "parts": {
            **model,
            "filter": "model IS NOT NULL",
            "split_by": ["model", "t"],
            "columns": columns,
        },
        "news": {**model, "filter": "fields['domain'] = 'news'"},
        "cool": {**model, "filter": "sampler['temperature'] < 0.5", "columns": columns},
        "long": {**model, "filter": "text = 'second'"},
        "short": {**model, "filter": "TEXT <> 'second'"},
        "renamed": {"role": "model", "path": twice},
        "rejected": {"role": "model", "path": twice, "same_id": "reject"},
    }
    return read(spark, audit(corpora), folder)


def test_two_filters_share_a_file_and_each_rejects_its_own(reading: Reading) -> None:
    assert reading.texts("human") == {"h1": "é first", "h2": "second"}
    assert reading.told("human") == [
        ("line 2", "repaired", "invisible_removed"),
        ("line 3", "rejected", "text_empty"),
    ]
    assert reading.parts("human") == (9, 2, 1, 0, 6, 1)
    assert set(reading.texts("models")) == {"a1", "a2", "b1", "b2", "b3"}
    assert reading.told("models") == [("line 6", "rejected", "text_empty")]
    assert reading.parts("models") == (9, 5, 1, 0, 3, 0)
    clusters = {row["cluster"] for row in reading.kept if row["corpus"] == "human"}
    assert clusters == {"p1", "p2"}


def test_split_by_makes_a_corpus_of_each_combination(reading: Reading) -> None:
    parts = {name for name in reading.counts if name.startswith("parts/")}
    assert parts == {"parts/a/0", "parts/a/0.7", "parts/b/0.7"}
    assert reading.texts("parts/a/0") == {"a2": "two"}
    assert reading.texts("parts/b/0.7") == {"b1": "three", "b3": "five"}
    assert reading.told("parts") == [
        ("line 6", "rejected", "text_empty"),
        ("line 8", "rejected", "split_by_missing"),
    ]
    assert reading.parts("parts") == (5, 0, 2, 0, 3, 0)
    assert sum(reading.parts(name)[0] for name in (*parts, "parts")) == 9


def test_a_filter_over_source_columns_and_settings(reading: Reading) -> None:
    assert set(reading.texts("news")) == {"h1", "a1", "a2"}
    assert reading.told("news") == [("line 3", "rejected", "text_empty")]
    assert reading.parts("news") == (9, 3, 1, 0, 5, 0)
    assert set(reading.texts("cool")) == {"a2"}
    assert ("line 6", "rejected", "text_empty") in reading.told("cool")
    # Line 2 needed a repair, is left out, and nothing is said of it.
    assert not [told for told in reading.told("cool") if told[1] == "repaired"]
    assert reading.texts("long") == {"h2": "second"}
    assert reading.told("long") == [
        ("line 2", "repaired", "invisible_removed"),
        ("line 3", "rejected", "text_empty"),
        ("line 6", "rejected", "text_empty"),
    ]
    assert reading.texts("short").keys() == {"h1", "a1", "a2", "b1", "b2", "b3"}
    assert not [told for told in reading.told("short") if told[1] == "repaired"]


def test_a_repeated_id_is_a_duplicate_or_another_document(reading: Reading) -> None:
    texts = reading.texts("renamed")
    assert sorted(texts.values()) == ["alone", "left", "other", "right", "same"]
    assert {name: texts[name] for name in "xyz"} == {"x": "same", "y": "left", "z": "alone"}
    renamed = {text: name for name, text in texts.items() if name not in ("x", "y", "z")}
    assert {text: name.partition("~")[0] for text, name in renamed.items()} == {
        "other": "x",
        "right": "y",
    }
    assert reading.told("renamed") == [
        ("line 2", "duplicate", "duplicate"),
        ("line 4", "repaired", "doc_id_repeated"),
        ("line 6", "repaired", "doc_id_repeated"),
        ("line 7", "duplicate", "duplicate"),
    ]
    details = {r["position"]: r["detail"] for r in reading.issues if r["corpus"] == "renamed"}
    assert renamed["other"] in details["line 4"]
    assert reading.parts("renamed") == (7, 5, 0, 2, 0, 2)


def test_a_repeated_id_is_rejected_where_that_is_asked_for(reading: Reading) -> None:
    assert reading.texts("rejected") == {"x": "same", "y": "left", "z": "alone"}
    assert reading.told("rejected") == [
        ("line 2", "duplicate", "duplicate"),
        ("line 4", "rejected", "doc_id_repeated"),
        ("line 6", "rejected", "doc_id_repeated"),
        ("line 7", "duplicate", "duplicate"),
    ]
    assert reading.parts("rejected") == (7, 3, 2, 2, 0, 0)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("model = ", "PARSE_SYNTAX_ERROR"),
        ("length(text)", "FILTER_NOT_BOOLEAN"),
        ("text > length('a', 'b')", "WRONG_NUM_ARGS"),
    ],
)
def test_a_filter_that_spark_cannot_read(
    spark: SparkSession, tmp_path: Path, condition: str, words: str
) -> None:
    path = lines(tmp_path / "both.jsonl", both_sides())
    corpora = {
        "human": {"role": "human", "path": path},
        "model": {"role": "model", "path": path, "filter": condition},
    }
    from dftspark.spark import documents

    with pytest.raises(ConfigError) as raised:
        documents.read(spark, audit(corpora), str(tmp_path / "staging"))
    said = str(raised.value)
    assert said.startswith(f"corpora.model.filter: {condition!r} is not a Spark SQL condition")
    assert words in said
    assert "fields['its name']" in said
    assert not (tmp_path / "staging").exists()


def test_a_filter_that_fails_on_a_value(spark: SparkSession, tmp_path: Path) -> None:
    """Spark reads the condition, and a row's own value ends the job."""
    from dftspark.spark import documents, failures

    path = lines(tmp_path / "both.jsonl", both_sides())
    corpora = {
        "human": {"role": "human", "path": path, "filter": "model IS NULL"},
        "model": {"role": "model", "path": path, "filter": "fields['domain'] > 3"},
    }
    config = audit(corpora)

    @failures.explained(config, "a run")
    def read_all() -> None:
        documents.read(spark, config, str(tmp_path / "staging")).kept.toArrow()

    with pytest.raises(ConfigError) as raised:
        read_all()
    said = str(raised.value)
    assert said.startswith("corpora.model.filter: \"fields['domain'] > 3\" fails on a row: [CAST_")
    assert re.search("'(news|blog)'.*SQLSTATE: 22018", said)
    assert "try_cast(fields['x'] AS DOUBLE)" in said
    assert "\tat " not in said


def test_a_corpus_left_empty_and_one_of_rejects(spark: SparkSession) -> None:
    from dftspark.spark.acceptance import check

    corpora = {
        "human": {"role": "human", "path": "h.jsonl"},
        "model": {"role": "model", "path": "m.jsonl", "split_by": ["model"]},
    }
    config = audit(corpora, cleaning={"max_reject_share": 0.1})

    def counted(name: str, documents: int, rejected: int, filtered: int) -> dict[str, Any]:
        read = documents + rejected + filtered
        row = {"corpus": name, "read": read, "documents": documents, "clusters": documents}
        damage = {"damaged": 0, "unread_bytes": 0, "lost": 0}
        return {**row, "rejected": rejected, "filtered": filtered, **damage}

    rejects = spark.createDataFrame(
        [
            ("model", "rejected", reason, f"{reason}.jsonl", f"line {i}", f"said {i}")
            for reason, rows in (("b", 3), ("a", 2), ("c", 4), ("d", 1))
            for i in range(rows)
        ]
        + [("human", "rejected", "z", "", "", "")] * 9,
        "corpus string, action string, reason string, file string, position string, detail string",
    )
    human = counted("human", 5, 0, 0)
    with pytest.raises(InputError, match=r"corpora\.model: no document.*9 rows in m\.jsonl"):
        check([human, counted("model", 0, 3, 6)], config, rejects, "runs/a")
    with pytest.raises(InputError) as raised:
        check([human, counted("model", 0, 10, 0)], config, rejects, "runs/a")
    assert str(raised.value).splitlines()[1:] == [
        "  4 c, as in c.jsonl line 0: said 0",
        "  3 b, as in b.jsonl line 0: said 0",
        "  2 a, as in a.jsonl line 0: said 0",
        "  `dftspark show runs/a rejects` lists them all",
    ]
    # The parts of a corpus are judged together, and only by the rows that are its own.
    parts = [counted("model", 0, 1, 1000), counted("model/a", 4, 0, 0)]
    with pytest.raises(InputError, match=r"1 of 5 rows.*20\.0%.*max_reject_share = 10\.0%"):
        check([human, *parts], config, rejects, "runs/a")
    check([human, *parts, counted("model/b", 5, 0, 0)], config, rejects, "runs/a")
    # A damaged file weighs as many rows as it had: 1 of 101 rows, and 899 that nobody saw.
    cut = counted("model", 100, 1, 0) | {"damaged": 1, "unread_bytes": 77, "lost": 900}
    with pytest.raises(InputError, match=r"1 of 101 rows.*900 rows are lost.*77 bytes.*90\.0%"):
        check([human, cut], config, rejects, "runs/a")
    check([human, cut | {"lost": 1}], config, rejects, "runs/a")


def test_what_is_lost_with_damaged_files_is_estimated(spark: SparkSession, tmp_path: Path) -> None:
    rows = [{"text": f"{i} {i * 7919 % 10_007}"} for i in range(400)]
    for name in "abc":
        lines(tmp_path / f"{name}.jsonl", rows)
    (tmp_path / "d.jsonl").write_bytes(b"BZh91AY&SY" + b"x" * (tmp_path / "a.jsonl").stat().st_size)
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in "abc":
        whole = gzip.compress((tmp_path / f"{name}.jsonl").read_bytes())
        (packed / f"{name}.jsonl.gz").write_bytes(whole[:900] if name == "c" else whole)
    corpora = {
        "human": {"role": "human", "path": str(tmp_path / "*.jsonl")},
        "model": {"role": "model", "path": str(packed)},
    }
    found = read(spark, audit(corpora), tmp_path / "staging").counts
    human, model = found["human"], found["model"]
    assert (human["rejected"], human["damaged"], human["documents"]) == (1, 1, 1_200)
    assert human["unread_bytes"] == (tmp_path / "d.jsonl").stat().st_size
    assert 395 <= human["lost"] <= 410
    assert (model["rejected"], model["damaged"], model["unread_bytes"]) == (1, 1, 0)
    assert abs(model["lost"] + model["documents"] - 1_200) <= 3


def test_one_cluster_of_all_documents_is_named_with_its_remedy(reading: Reading) -> None:
    """Every row of a crawl had prompt_id = "hn", so that no interval and no p came out."""
    from dftspark.spark.acceptance import check

    sides = {"human": {"role": "human", "path": "h.jsonl"}}
    parts = {"role": "model", "path": "m.jsonl", "split_by": ["model"]}

    def row(name: str, documents: int, clusters: int) -> dict[str, Any]:
        return {
            "corpus": name,
            "read": documents,
            "documents": documents,
            "rejected": 0,
            "filtered": 0,
            "clusters": clusters,
            "damaged": 0,
            "unread_bytes": 0,
            "lost": 0,
        }

    unread: Any = None  # nothing is rejected, so no example is looked for
    config = audit({**sides, "model": parts})
    models = [row("model/a", 300, 1), row("model/b", 5, 1)]
    with pytest.raises(
        InputError,
        match=r"corpora\.human: all 500 documents are in one cluster, "
        r"since prompt_id has one .*columns\.cluster = \"text\"",
    ):
        check([row("human", 500, 1), *models], config, unread, "run")
    with pytest.raises(InputError, match=r"corpora\.model: all 305 documents"):
        check([row("human", 500, 90), *models], config, unread, "run")
    check(
        [row("human", 19, 1), row("model/a", 300, 2), row("model/b", 50, 1)], config, unread, "run"
    )
    check([row("human", 500, 90), *models], config, unread, "run", nightly=True)  # one prompt a day
    by_prompt = audit({**sides, "model": {**parts, "split_by": ["prompt_id"]}})
    check([row("human", 500, 90), *models], by_prompt, unread, "run")


def test_near_copies_are_joined_where_that_is_asked_for(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The cluster is the least of those that have the text; of another corpus nothing changes."""
    from dftspark.spark import documents, join_copies

    story = "the quick brown fox jumps over the lazy dog and runs into the dark wood at night"
    rows = [
        {"doc_id": "a", "text": story, "prompt_id": "p7"},
        {"doc_id": "b", "text": story.replace("quick", "quick "), "prompt_id": "p2"},
        {"doc_id": "c", "text": story, "prompt_id": "p9"},
        {
            "doc_id": "d",
            "text": "another text of its own, which nobody else has",
            "prompt_id": "p9",
        },
        {"doc_id": "e", "text": "Title", "prompt_id": "p5"},
        {"doc_id": "f", "text": "TITLE", "prompt_id": "p4"},
    ]
    config = audit(
        {
            "human": {
                "role": "human",
                "path": lines(tmp_path / "h.jsonl", rows),
                "join_copies": True,
            },
            "model": {"role": "model", "path": lines(tmp_path / "m.jsonl", rows)},
        }
    )
    found = documents.read(spark, config, str(tmp_path / "staging"))
    joined = join_copies.joined(found, config, str(tmp_path / "joined"))
    kept = joined.kept.toArrow().to_pylist()
    assert joined.kept.columns == found.kept.columns
    assert {r["doc_id"]: r["cluster"] for r in kept if r["corpus"] == "human"} == {
        "a": "p2",
        "b": "p2",
        "c": "p2",
        "d": "p9",
        "e": "p4",
        "f": "p4",
    }
    assert {r["doc_id"]: r["cluster"] for r in kept if r["corpus"] == "model"} == {
        row["doc_id"]: row["prompt_id"] for row in rows
    }
    counted = {row["corpus"]: row["clusters"] for row in documents.counts(joined, config)}
    assert counted == {"human": 3, "model": 5}
    assert join_copies.asked(config) == ["human"]


# (action, reason) by line of mixed.jsonl as a model corpus; every other line is kept as it is.
MIXED = {
    5: "rejected",
    10: "rejected",
    15: "repaired",
    20: "rejected",
    25: "rejected",
    30: "rejected",
    35: "rejected",
    40: "rejected",
    45: "rejected",
    50: "rejected",
    60: "repaired",
    61: "repaired",
    65: "repaired",
    70: "duplicate",
    75: "repaired",
    85: "repaired",
    95: "repaired",
    100: "repaired",
    105: "repaired",
    110: "rejected",
    115: "rejected",
    120: "rejected",
    125: "rejected",
    130: "rejected",
    150: "repaired",
    175: "rejected",
    180: "rejected",
}


@pytest.mark.data
def test_the_messy_set_as_one_audit(spark: SparkSession, data: Path, tmp_path: Path) -> None:
    raw = data / "raw"
    if not raw.is_dir():
        pytest.skip(f"the messy reference set is not at {raw}")
    sampler = {"sampler": {"temperature": "temperature"}}
    mixed = str(raw / "mixed.jsonl")
    model = {"role": "model", "columns": {"model": "model", **sampler}}
    corpora = {
        "human": {"role": "human", "path": mixed, "filter": "model IS NULL", "columns": sampler},
        "essays": {"role": "model", "path": str(raw / "*.txt"), "document": "\n\n\n"},
        "mixed": {**model, "path": mixed, "filter": "true"},
        "models": {**model, "path": mixed, "filter": "model IS NOT NULL"},
        "lines": {
            **model,
            "path": [str(raw / "*.jsonl.gz"), str(raw / "*.jsonl")],
            "filter": "true",
        },
    }
    found = read(spark, audit(corpora), tmp_path)

    told: dict[int, set[str]] = {}
    for position, action, _ in found.told("mixed"):
        told.setdefault(int(position.removeprefix("line ")), set()).add(action)
    assert told == {line: {action} for line, action in MIXED.items()}
    assert found.parts("mixed")[:5] == (300, 283, 16, 1, 0)
    positions = {row["position"] for row in found.kept if row["corpus"] == "mixed"}
    gone = {line for line, action in MIXED.items() if action in ("rejected", "duplicate")}
    assert positions == {f"line {line}" for line in range(1, 301) if line not in gone}

    humans, models = found.counts["human"], found.counts["models"]
    assert humans["read"] == models["read"] == 300
    # Lines without a model column, with an empty one or the word human are of neither side.
    assert humans["documents"] + models["documents"] == 283
    files = {row["file"] for row in (*found.kept, *found.issues)}
    assert {Path(file).name for file in files} == {
        path.name for path in raw.iterdir() if not path.name.startswith("MANIFEST")
    }
    essays = Counter(Path(row["file"]).name for row in found.kept if row["corpus"] == "essays")
    assert essays["human_essays.txt"] == essays["model_essays_crlf.txt"] == 40


def test_a_function_that_the_session_has_replaced(spark: SparkSession) -> None:
    from dftspark.spark.documents import check_filters

    corpora = {
        "human": {"role": "human", "path": "h", "filter": "lower(text) = 'a'"},
        "model": {"role": "model", "path": "m"},
    }
    other = spark.newSession()  # whose functions are gone with it
    check_filters(other, audit(corpora))
    other.udf.register("lower", lambda text: "a")
    other.conf.set("spark.sql.functionResolution.sessionOrder", "first")
    with pytest.raises(ConfigError, match=r"corpora\.human\.filter: .* calls lower\(\)"):
        check_filters(other, audit(corpora))


def test_every_function_that_a_filter_may_have_is_spark_s_own(spark: SparkSession) -> None:
    from dftspark.config.filters import FUNCTIONS

    own = {row["function"] for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect()}
    # Three are syntax, and Spark 4.0 does not have the last.
    assert FUNCTIONS - own <= {"cast", "extract", "try_cast", "try_to_date"}
