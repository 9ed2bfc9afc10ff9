"""A configuration is checked whole: every mistake at once, with its place and the nearest name."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dftspark.config import Audit, Endpoint, filters, request
from dftspark.errors import ConfigError
from dftspark.nights.calendar import profile_name
from dftspark.store.run import NAME

SIDES: dict[str, Any] = {
    "human": {"role": "human", "path": "h.jsonl"},
    "gpt": {"role": "model", "path": ["a.jsonl", "b.jsonl"]},
}


def mistakes(document: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        Audit.parse(document, "audit.toml")
    return str(caught.value)


def test_the_least_that_is_needed() -> None:
    config = Audit.parse({"corpora": SIDES}, "audit.toml")
    assert config.human == "human"
    assert config.corpora["gpt"].paths == ("a.jsonl", "b.jsonl")
    assert config.ngrams.orders == (1, 2, 3, 4)
    assert config.inference.permutations == 999


def test_all_mistakes_are_told_at_once_with_their_place() -> None:
    document = {
        "corpora": {**SIDES, "x": {"role": "robot", "path": "x", "colums": {}}},
        "ngrams": {"orders": [1, 9], "sketch_width": 5000},
        "cleaning": {"max_reject_share": 1.5},
        "tokns": {},
    }
    said = mistakes(document)
    assert said.startswith("audit.toml: 6 mistakes")
    for part in (
        "corpora.x.role",
        "'robot'",
        "corpora.x.colums: there is no such setting; did you mean 'columns'?",
        "ngrams.orders.1",
        "got 9",
        "a power of two from 256 to 262144, got 5000",
        "cleaning.max_reject_share",
        "tokns: there is no such setting; did you mean 'tokens'?",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("corpora", "words"),
    [
        ({"human": SIDES["human"]}, "at least one model corpus"),
        ({"gpt": SIDES["gpt"]}, "found human []"),
        ({**SIDES, "second": SIDES["human"]}, "found human ['human', 'second']"),
        ({**SIDES, "a/b": SIDES["gpt"]}, "no slash"),
        ({"human": {**SIDES["human"], "split_by": ["x"]}, "gpt": SIDES["gpt"]}, "split_by is for"),
    ],
)
def test_an_audit_has_one_human_side(corpora: dict[str, Any], words: str) -> None:
    assert words in mistakes({"corpora": corpora})


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"tokenizer": "gpt2"}, "'words' or 'hf:PATH/tokenizer.json', got 'gpt2'"),
        ({"tokenizer": "hf:t.json", "lowercase": True}, "lowercase goes with"),
    ],
)
def test_tokenizers(tokens: dict[str, Any], words: str) -> None:
    assert words in mistakes({"corpora": SIDES, "tokens": tokens})


@pytest.mark.parametrize(
    ("embedding", "words"),
    [
        ({"embedder": "static"}, "'static' is a table, which has nothing to compute"),
        ({"device": "cuda"}, "computes on CPUs and device is 'cuda'"),
    ],
)
def test_openvino_computes_transformers_on_cpus(embedding: dict[str, Any], words: str) -> None:
    document = {"corpora": SIDES, "embedding": {"engine": "openvino", **embedding}}
    assert words in mistakes(document)


def filtered(condition: str) -> dict[str, Any]:
    return {"corpora": {**SIDES, "gpt": {**SIDES["gpt"], "filter": condition}}}


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        # what draws numbers, however it is spelled
        ("rand() < 0.1", "rand() is not allowed in a filter"),
        ("date > '' AND RANDN (3) > 0", "randn() is not allowed"),
        ("`rand`() < .5", "rand() is not allowed"),
        ("rand/**/() < .5", "no comment '/*'"),
        ("rand--\n() < .5", "no comment '--'"),
        ("'\\'' = '' OR rand() < .5 OR '\\'' = ''", "rand() is not allowed"),
        (r"r'\' = '' OR rand() < .5 OR r'\' = ''", "rand() is not allowed"),
        ('"rand"() < .5', "rand() is not allowed"),
        ("builtin.rand() < .5", "'builtin' is no column"),
        ("text.rand() < .5", "a point stands only in"),
        ("sampler.rand() < .5", "by its plain name"),
        ("`length`(text) > 3", "by its plain name"),
        ("identifier('rand')() < .5", "identifier() is not allowed"),
        ("current_date > date", "'current_date' is no column"),
        ("now() > date", "now() is not allowed"),
        ("monotonically_increasing_id() < 3", "not allowed"),
        # what runs code or reads elsewhere
        ("java_method('java.lang.System', 'exit', 1) = ''", "java_method() is not allowed"),
        ("reflect('java.util.UUID', 'randomUUID') < 'a'", "reflect() is not allowed"),
        ("doc_id IN (SELECT value FROM text.`/etc/passwd`)", "'select' is no column"),
        ("EXISTS (FROM t)", "exists() is not allowed"),
        ("doc_id IN (FROM text.`/etc/passwd`)", "no subquery"),
        ("doc_id IN (FROM (text))", "no subquery"),
        ("doc_id = text.`/etc/passwd`", "a point stands only in sampler.NAME"),
        ("date > DATE 'today'", "is no fixed day"),
        ("date > timestamp r'now'", "is no fixed day"),
        ("doc_id IN (TABLE t)", "'table' is no column"),
        ("doc_id IN (VALUES (1))", "values() is not allowed"),
        ("my_udf(text)", "my_udf() is not allowed"),
        ("default.length(text) > 3", "'default' is no column"),
        ("exists(split(text, ' '), x -> rand() < .5)", "exists() is not allowed"),
        # what ends a condition that is put into another
        ("true) OR (true", "')' closes none"),
        ("(true", "'(' is not closed"),
        ("true; DROP TABLE x", "is not read in a filter"),
        ("text = :x", "is not read in a filter"),
        ("text = 'a", "is not read in a filter"),
        # mistakes
        ("lenght(text) > 3", "the nearest that is allowed is length()"),
        ("temperature < 1", "here fields['temperature']"),
        ("modle = 'gpt'", "did you mean 'model'?"),
        ("fields.domain = 'news'", "a source column is fields['its name']"),
    ],
)
def test_a_filter_is_a_condition_over_the_row_alone(condition: str, told: str) -> None:
    said = mistakes(filtered(condition))
    assert "corpora.gpt.filter" in said
    assert told in said
    assert f"got {condition!r}" in said


@pytest.mark.parametrize(
    "condition",
    [
        "pmod(xxhash64(doc_id), 10) = 0",
        "fields['rand()'] = \"uuid()\"",
        "fields[\"it's; --\"] <> 'SELECT /* */' || '`'",
        r"text RLIKE r'\d+\s' AND text NOT LIKE '%\'%' AND r'\' < text",
        "`model` IS NULL OR MODEL IS DISTINCT FROM 'gpt'",
        "CAST(sampler['temperature'] AS DECIMAL(3, 2)) BETWEEN .5 AND 1e0",
        "try_cast(sampler.temperature AS double) < 0.5D",
        "date >= DATE '2026-01-01' - INTERVAL '7' DAY",
        "extract(YEAR FROM to_date(date)) = 2026 AND trim(BOTH 'x' FROM text) <> ''",
        "CASE WHEN model IS NULL THEN length(text) ELSE 0 END::int IN (1, 2)",
        "text LIKE ANY ('%a%', '%b%')",
    ],
)
def test_filters_that_are_conditions(condition: str) -> None:
    Audit.parse(filtered(condition), "audit.toml")


@pytest.mark.parametrize(
    ("condition", "columns", "fields"),
    [
        ("MODEL IS NOT NULL AND `Text` LIKE 'rand()%'", {"model", "text"}, ()),
        ("FIELDS [ \"n\" ] > 1 OR `fields`['x y'] <=> 'a'", {"fields"}, ("n", "x y")),
        ("fields['model'] = 'model' OR fields['model'] = 'a'", {"fields"}, ("model",)),
        ("sampler.model = 'x' AND date < DATE '2026-01-01'", {"sampler", "date"}, ()),
    ],
)
def test_what_a_filter_looks_at(condition: str, columns: set[str], fields: tuple[str, ...]) -> None:
    """However it is spelled: `fields` has the columns that are found here, and no others."""
    found = filters.read(condition)
    assert (set(found.columns), found.fields) == (columns, fields)


@pytest.mark.parametrize(
    "condition",
    [
        "fields[concat('a', 'b')] = 'c'",
        "fields = map()",
        "element_at(fields, 'a') = 'b'",
        "fields['a\\'b'] = 'c'",
    ],
)
def test_a_source_column_is_named_where_it_is_filtered_by(condition: str) -> None:
    assert "a source column is fields['its name']" in mistakes(filtered(condition))


def test_a_filter_of_many_brackets() -> None:
    assert "more than 100 brackets are open" in mistakes(filtered("(" * 5_000 + ")" * 5_000))


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    with pytest.raises(ConfigError, match=r"no such file; `dftspark init"):
        Audit.load(path)
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a readable TOML file"):
        Audit.load(path)
    for deep in ("[" * 5_000, "{a=" * 5_000):
        path.write_text(f"x = {deep}", encoding="utf-8")
        with pytest.raises(ConfigError, match="not a readable TOML file: its brackets are nested"):
            Audit.load(path)
    with pytest.raises(ConfigError, match="not a readable TOML file: embedded null"):
        Audit.load("a\0b")
    path.write_text(
        '[corpora.human]\nrole = "human"\npath = "h"\n[corpora.m]\nrole = "model"\npath = "m"\n',
        encoding="utf-8",
    )
    assert Audit.load(path, out="elsewhere").out == "elsewhere"
    assert Audit.load(path, out=None).out == "runs"


def test_a_name_that_no_run_can_have_is_told_at_once(tmp_path: Path) -> None:
    """It was an error of the run's folder, after Spark had started."""
    sides = {"h": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m"}}
    for size, fits in ((128, True), (129, False), (300, False)):
        if fits:
            assert NAME.fullmatch(Audit.parse({"name": "a" * size, "corpora": sides}, "x").name)
            continue
        with pytest.raises(ConfigError, match=r"name: .*at most 128 characters"):
            Audit.parse({"name": "a" * size, "corpora": sides}, "x")
    for size in (109, 110):
        path = tmp_path / f"{size}.toml"
        path.write_text(
            f'name = "{"a" * size}"\n[corpora]\nh = {{role = "human", path = "h"}}\n'
            f'm = {{role = "model", path = "m"}}\n'
        )
    config, date = request.night(tmp_path / "109.toml", None, "2026-01-31")
    assert NAME.fullmatch(profile_name(config.name, date))
    assert not NAME.fullmatch(profile_name(config.name + "a", date))
    with pytest.raises(ConfigError, match="at most 109 characters"):
        request.night(tmp_path / "110.toml", None, "2026-01-31")


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "value", [datetime.date(2026, 1, 31), float("nan"), float("inf"), nested(300)]
)
def test_options_of_a_judge_are_json(value: object) -> None:
    """A date or a depth that JSON does not have was a traceback once requests were built."""
    with pytest.raises(ValidationError, match="options are sent as JSON"):
        Endpoint(name="j", url="http://x/v1", model="m", options={"x": value})


def test_equal_settings_have_equal_hashes_and_others_not() -> None:
    one, same = (Audit.parse({"corpora": SIDES}, "x") for _ in range(2))
    other = Audit.parse({"corpora": SIDES, "inference": {"seed": 1}}, "x")
    assert one.sha256 == same.sha256 != other.sha256


def test_all_nights_of_an_audit_have_one_hash() -> None:
    sides = {"human": {"role": "human", "path": "h/{date}"}, "gpt": {"role": "model", "path": "m"}}
    audit = Audit.parse({"corpora": sides, "out": "runs/{date}"}, "x")
    one, other = audit.on("2026-11-21"), audit.on("2026-11-22")
    assert one.corpora["human"].paths == ("h/2026-11-21",)
    assert other.out == "runs/2026-11-22"
    assert one.sha256 == other.sha256 == audit.sha256
    assert audit.on("").sha256 != Audit.parse({"corpora": sides}, "x").sha256
