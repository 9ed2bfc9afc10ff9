"""Queries of a corpus: what is read of them, and what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from dftspark.config import Audit, queries
from dftspark.errors import ConfigError


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("SELECT text FROM t", ("t",)),
        (
            "select a.text, b.prompt from c.db.a a join `my db`.b using (id)",
            ("c.db.a", "`my db`.b"),
        ),
        ("WITH x AS (SELECT * FROM t WHERE n > 3) SELECT * FROM x", ("t",)),
        ("SELECT text FROM t WHERE id IN (SELECT id FROM u WHERE lang = 'en')", ("t", "u")),
        ("(SELECT text FROM t) UNION ALL (SELECT text FROM t)", ("t",)),
        ("SELECT text FROM delta.`s3a://b/x` VERSION AS OF 7", ("delta.`s3a://b/x`",)),
        ("SELECT m.content AS text FROM t LATERAL VIEW explode(messages) v AS m", ("t",)),
        ("SELECT `order`, `limit` FROM t", ("t",)),
        ("SELECT prompt, max(text) AS text FROM t GROUP BY prompt HAVING count(*) > 1", ("t",)),
        ("SELECT text FROM t WHERE day = '{date}'", ("t",)),
    ],
)
def test_a_query_and_its_tables(query: str, tables: tuple[str, ...]) -> None:
    assert queries.read(query) == tables


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ("SELECT text FROM t", {}),
        ("SELECT text FROM t VERSION AS OF 7 WHERE n > 3", {"t": "7"}),
        ("SELECT text FROM db.t FOR SYSTEM_VERSION AS OF 'a' x", {"db.t": "'a'"}),
        (
            "SELECT * FROM t TIMESTAMP AS OF DATE '2026-01-31' JOIN u USING (id)",
            {"t": "DATE '2026-01-31'"},
        ),
        ("SELECT a.text FROM t VERSION AS OF 7 a JOIN t b USING (id)", {}),
        ("SELECT text FROM t version", {}),
    ],
)
def test_versions_that_a_query_fixes(query: str, versions: dict[str, str]) -> None:
    queries.read(query)
    assert queries.versions(query) == versions


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DROP TABLE t", "begins with SELECT"),
        ("", "begins with SELECT"),
        ("SELECT text FROM t LIMIT 10", "whichever rows come first"),
        ("SELECT text FROM t ORDER BY id", "a corpus has no order"),
        ("SELECT text FROM t TABLESAMPLE (10 ROWS)", "whichever rows come first"),
        ("SELECT text FROM t WHERE rand() < .1", "rand() is not allowed"),
        ("SELECT row_number() OVER (PARTITION BY p) FROM t", "row_number() is not allowed"),
        ("SELECT max(x) OVER w FROM t WINDOW w AS (PARTITION BY p)", "equal"),
        ("SELECT text FROM t WHERE d = current_date", "another value in every run"),
        ("SELECT text FROM t WHERE d = DATE 'today'", "no fixed day"),
        ("SELECT java_method('a', 'b') FROM t", "java_method() is not allowed"),
        ("SELECT TRANSFORM (text) USING 'cat' FROM t", "USING is followed by (columns)"),
        ("SELECT text FROM t; DROP TABLE t", "';"),
        ("SELECT text FROM t -- all", "no comment"),
        ("SELECT text FROM range(10)", "range() is not allowed"),
        ("SELECT db.mine(text) FROM t", "mine() is not allowed"),
        ("SELECT (text FROM t", "not closed"),
    ],
)
def test_what_could_give_other_rows_is_refused(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        queries.read(query)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["t", "db.t", "c.db.t", "delta.`s3a://b/x`", "`texts_{date}`"])
def test_a_table(name: str) -> None:
    assert queries.read_table(name) == name


@pytest.mark.parametrize(
    "name", ["t;", "a b", "a..b", "a.", "t WHERE 1", "(t)", "s3a://b/x", "a-b"]
)
def test_no_table(name: str) -> None:
    with pytest.raises(ValueError, match="table"):
        queries.read_table(name)


def corpora(**human: Any) -> dict[str, Any]:
    return {"human": {"role": "human", **human}, "m": {"role": "model", "path": "m.jsonl"}}


def test_a_corpus_has_one_source() -> None:
    for given, said in (
        ({}, "got none"),
        ({"path": "h", "table": "t"}, "got path and table"),
        ({"table": "t", "query": "SELECT text FROM t"}, "got table and query"),
        ({"query": "SELECT text FROM t LIMIT 3"}, "corpora.human.query: LIMIT takes"),
    ):
        with pytest.raises(ConfigError) as raised:
            Audit.parse({"corpora": corpora(**given)}, "test")
        assert said in str(raised.value)


def test_a_date_in_a_query() -> None:
    query = "SELECT text FROM t WHERE day = '{date}'"
    config = Audit.parse({"corpora": corpora(query=query)}, "test")
    dated = config.on("2026-11-22")
    assert dated.corpora["human"].query == "SELECT text FROM t WHERE day = '2026-11-22'"
    assert dated.sha256 == config.sha256
