"""Columns of a row to columns of a document: names, ids, models, settings, days."""

from __future__ import annotations

import json
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftspark import schema
from dftspark.config import Corpus
from dftspark.corpus import ingest
from dftspark.corpus.rows import Issue, excerpt
from dftspark.corpus.values import day, sampler_value, scalar, shortest


@pytest.fixture
def stage(read: Any, tmp_path: Path) -> Any:
    def run(*rows: dict[str, Any], **settings: Any) -> Any:
        path = tmp_path / "x.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return read(path, **settings)

    return run


def test_columns_of_the_same_name_are_taken(stage: Any) -> None:
    about = {
        "doc_id": "d",
        "prompt_id": "p",
        "prompt": "Write",
        "model": "m",
        "stratum": "news",
        "date": "2025-02-03",
    }
    (row,) = stage({"text": "x", **about}, role="model").kept
    assert {name: row[name] for name in about} == about
    assert (row["corpus"], row["role"], row["cluster"]) == ("c", "model", "p")
    assert (row["sampler"], row["fields"]) == ([], [])


def test_columns_are_mapped(stage: Any) -> None:
    columns = {
        "text": "body",
        "doc_id": "id",
        "prompt_id": "q",
        "prompt": "question",
        "cluster": "page",
        "model": "who",
        "stratum": "genre",
        "date": "day",
        "sampler": {"temperature": "temp"},
    }
    source = {"body": "x", "id": 1, "q": 2.0, "question": "Q", "page": "P", "who": "m"}
    more = {"genre": "g", "day": "2025-02-03T01:02:03Z", "temp": 1, "text": "y", "model": "n"}
    (row,) = stage({**source, **more}, columns=columns).kept
    names = ("text", "doc_id", "prompt_id", "prompt", "cluster", "model", "stratum", "date")
    assert tuple(row[n] for n in names) == ("x", "1", "2", "Q", "P", "m", "g", "2025-02-03")
    assert row["sampler"] == [("temperature", "1")]


def test_the_cluster_falls_back_to_the_prompt_then_to_the_text(stage: Any) -> None:
    rows = [
        {"text": "a", "page": "P", "prompt_id": "q"},
        {"text": "a", "page": None, "prompt_id": "q"},
        {"text": "a\r\nb", "prompt_id": None},
        {"text": "a\u200b\nb", "prompt_id": ""},
        {"text": "b"},
    ]
    found = stage(*rows, columns={"cluster": "page"})
    clusters = [row["cluster"] for row in found.kept]
    assert clusters[:2] == ["P", "q"]
    assert (
        clusters[2]
        == clusters[3]
        == f"text-{blake2b(b'a' + bytes([10]) + b'b', digest_size=8).hexdigest()}"
    )
    assert clusters[4] not in clusters[:4]
    assert [row["doc_id"] for row in found.kept] == [f"x.jsonl#{i}" for i in range(1, 6)]


MODEL = {"role": "model"}


@pytest.mark.parametrize(
    "settings",
    [{"columns": {"prompt_id": "prompt_id"}}, {"split_by": ["prompt_id"], "role": "model"}],
)
def test_a_column_that_is_asked_for_holds_one_value(stage: Any, settings: dict[str, Any]) -> None:
    found = stage({"text": "a", "prompt_id": {"a": 1}}, **settings)
    assert found.told == [("line 1", "rejected", "column_not_scalar")]
    assert "prompt_id is an object" in found.issues[0]["detail"]


@pytest.mark.parametrize(
    ("settings", "missing", "null"),
    [
        ({}, "kept", "kept"),
        ({"columns": {"model": "model"}}, "model_missing", "kept"),
        ({"filter": "model IS NULL OR length(text) > 3"}, "model_missing", "kept"),
        ({"filter": "text <> 'the model'"}, "kept", "kept"),
        ({"split_by": ["model"]}, "model_missing", "unnamed"),
    ],
)
def test_a_missing_model_is_not_a_null_model(
    stage: Any, settings: dict[str, Any], missing: str, null: str
) -> None:
    found = stage({"text": "a"}, {"text": "b", "model": None}, **MODEL, **settings)
    how = dict.fromkeys((1, 2), "kept")
    how |= {int(r["position"].split()[1]): r["reason"] for r in found.issues if r["position"]}
    how |= {int(r["position"].split()[1]): "unnamed" for r in found.kept if r["corpus"] is None}
    assert how == {1: missing, 2: null}


@pytest.mark.parametrize("value", ["human", "Human", " HUMAN "])
def test_a_model_corpus_holds_no_human_text(stage: Any, value: str) -> None:
    found = stage({"text": "a", "model": value, "stratum": "news"}, **MODEL)
    assert found.told == [("line 1", "rejected", "model_says_human")]
    # The filter decides whether the row belongs at all, so its columns come with the reject.
    assert (found.issues[0]["model"], found.issues[0]["stratum"]) == (value, "news")
    assert len(stage({"text": "a", "model": value}).kept) == 1


def test_split_by_names_corpora(stage: Any) -> None:
    rows = [
        {"text": "a", "model": "m", "t": 0.7, "k": True},
        {"text": "b", "model": "m", "t": "1.0", "k": 3},
        {"text": "c", "model": "m", "t": None, "k": 1},
        {"text": "d", "model": "m", "t": -1, "k": 1},
        {"text": "e", "model": "m", "t": 1},
    ]
    columns = {"sampler": {"temperature": "t"}}
    found = stage(*rows, split_by=["model", "t", "k"], columns=columns, **MODEL)
    assert [row["corpus"] for row in found.kept] == ["c/m/0.7/true", "c/m/1/3", None, None, None]
    assert found.told == [("line 4", "repaired", "sampler_invalid")]


def test_values_with_a_slash_make_corpora_of_their_own(stage: Any) -> None:
    rows = [{"text": "a", "p": "a/b", "q": "c"}, {"text": "b", "p": "a", "q": "b/c"}]
    found = stage(*rows, split_by=["p", "q"], **MODEL)
    assert [row["corpus"] for row in found.kept] == ["c/a%2Fb/c", "c/a/b%2Fc"]


def test_fields_are_what_the_filter_mentions(stage: Any) -> None:
    row = {"text": "a", "lang": "en", "n": 1.50, "other": "x", "list": [1], "nan": float("nan")}
    where = "fields['lang'] = 'en' AND fields[\"n\"] > 1 AND fields['list'] AND fields['nan'] = 1"
    found = stage({**row, "none": None}, filter=where)
    assert found.kept[0]["fields"] == [("lang", "en"), ("n", "1.5")]


def test_a_configured_column_that_no_row_has_is_noted(stage: Any) -> None:
    columns = {"prompt_id": "promt", "stratum": "genre"}
    found = stage({"text": "a"}, {"text": "b", "genre": "g"}, columns=columns)
    assert found.told == [("", "noted", "column_missing")]
    assert "'promt'" in found.issues[0]["detail"]


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("temperature", 0.7, "0.7"),
        ("temperature", 1.0, "1"),
        ("temperature", "0.70", "0.7"),
        ("temperature", 0, "0"),
        ("temperature", " 1e-1 ", "0.1"),
        ("temperature", None, None),
        ("temperature", "", None),
        ("top_k", -1, "-1"),
        ("frequency_penalty", -0.5, "-0.5"),
        ("checkpoint", "step-100", "step-100"),
        ("checkpoint", 100, "100"),
    ],
)
def test_sampler_values(setting: str, value: object, expected: str | None) -> None:
    assert sampler_value(setting, value) == expected


@pytest.mark.parametrize(
    ("setting", "value"),
    [("temperature", v) for v in ("hot", "nan", "1_0", "0x1", -0.1, "-1", True, [1], float("inf"))]
    + [("top_p", "½"), ("checkpoint", float("nan"))],
)
def test_sampler_values_that_are_none(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"not a|negative"):
        sampler_value(setting, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_form_is_the_same_number(number: float) -> None:
    text = shortest(number)
    assert text is not None
    assert float(text) == number
    assert len(text) <= len(repr(number))


@pytest.mark.parametrize(
    "value", ["20250203", "2025-W06-1", "2025-02-03x", "3 Feb", 20250203, True]
)
def test_days_that_are_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"not YYYY-MM-DD|Invalid"):
        day(value)


@given(st.one_of(st.text(), st.binary()))
def test_an_excerpt_is_short_and_printable(value: str | bytes) -> None:
    assert len(excerpt(value)) <= 80
    assert excerpt(value).isprintable()


def test_an_excerpt_escapes() -> None:
    assert excerpt("a\tb\ud800\u202e") == "a\\tb\\ud800\\u202e"
    assert excerpt(b"a\xff\n") == "a\\xff\\n"


def test_an_issue_of_the_search_as_a_row() -> None:
    corpus = Corpus(role="model", path="x")
    row = ingest.issue_row("c", corpus, Issue("f", "", "noted", "unknown_format", "why"))
    assert list(row) == schema.STAGED.names
    assert (row["corpus"], row["action"], row["file"], row["text"]) == ("c", "noted", "f", None)


def test_a_setting_that_is_no_text_is_not_recorded(stage: Any) -> None:
    found = stage(
        {"text": "x", "c": "a\ud800"},
        {"text": "y", "c": "é"},
        columns={"sampler": {"checkpoint": "c"}},
    )
    assert [row["sampler"] for row in found.kept] == [[], [("checkpoint", "é")]]
    assert found.told == [("line 1", "repaired", "sampler_invalid")]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("12345678901234567890123456789012345678", None),
        ("1234567890123456789012345678.9012345600", "1234567890123456789012345678.90123456"),
        ("1.50", "1.5"),
        ("300", "300"),
        ("3E+5", "300000"),
        ("-0.00", "0"),
        ("NaN", "none"),
    ],
)
def test_decimals_keep_every_digit(number: str, expected: str | None) -> None:
    """An id of 38 digits is not rounded to its neighbor's."""
    found = scalar(Decimal(number))
    assert found == (None if expected == "none" else expected or number)


MIXED_SIDES = [{"text": "a", "model": None}, {"text": "b", "model": "gpt"}, {"text": "c"}]


@pytest.mark.parametrize(
    ("role", "rows", "remedy"),
    [
        ("human", "1 of 3 rows name a model", 'filter = "model IS NULL"'),
        ("model", "1 of 3 rows have model null, which means human", 'filter = "model IS NOT NULL"'),
    ],
)
def test_rows_of_the_other_side_are_noted(stage: Any, role: str, rows: str, remedy: str) -> None:
    found = stage(*MIXED_SIDES, role=role)
    assert found.texts == ["a", "b", "c"]
    assert found.told == [("", "noted", "other_side")]
    told = f"{rows}, in a corpus of role {role}, and are part of it; {remedy} leaves them out"
    assert found.issues[0]["detail"] == told
    assert stage(*MIXED_SIDES, role=role, filter="date > '2025'").told == []


def test_a_column_that_nobody_filled_or_that_names_the_parts_says_nothing(stage: Any) -> None:
    assert stage({"text": "a", "model": None}, {"text": "b", "model": None}, **MODEL).told == []
    assert stage(*MIXED_SIDES[:2], split_by=["model"], **MODEL).told == []
    assert stage({"text": "a", "model": " Human"}, {"text": "b", "model": ""}).told == [
        ("line 2", "rejected", "model_empty")
    ]
