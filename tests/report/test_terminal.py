"""What a newcomer reads: right words for the numbers, and hostile text made harmless."""

from __future__ import annotations

import io
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from dftspark import schema
from dftspark.report.terminal.drawing import bar
from dftspark.report.terminal.run import render
from dftspark.report.words.notes import withholds_tests
from dftspark.report.words.tell import ranked
from dftspark.report.words.text import count, number, ratio, visible, visible_lines
from dftspark.report.words.verdict import headline, missing, verdict
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

HOSTILE = "[red]a\x1b[31mb\u202ec\nd\x07[/red] [link=x]"


def metric(model: str = "gpt", name: str = "js_1gram", **changes: Any) -> dict[str, Any]:
    row = {
        "run_id": "r",
        "date": "2026-11-22",
        "human": "web",
        "model": model,
        "stratum": "",
        "lens": "ngrams",
        "metric": name,
        "value": 0.0213,
        "std_error": 0.0006,
        "ci_low": 0.0201,
        "ci_high": 0.0225,
        "p_value": 0.001,
        "floor": 0.00687,
        "ratio_to_floor": 3.1004,
        "mde": math.nan,
        "n_tell": 99.0,
        "n_tell_low": 70.0,
        "n_tell_high": 140.0,
        "n_tell_unit": "documents",
        "blocks": 64,
        "n_human": 4000,
        "n_model": 3000,
        "unit": "rate",
        "better": "lower",
        "fingerprint": "f",
    }
    return {**row, **changes}


def ngram(text: str | None, over: bool, n: int = 1, **changes: Any) -> dict[str, Any]:
    human, model = (120.0, 480.5) if over else (310.0, 31.0)
    row = {
        "run_id": "r",
        "date": "",
        "human": "web",
        "model": "gpt",
        "stratum": "",
        "n": n,
        "text": text,
        "tokens": text.split(" ") if text is not None else None,
        "count_human": 10,
        "count_model": 40,
        "docs_human": 9,
        "docs_model": 33,
        "per_million_human": human,
        "per_million_model": model,
        "log_odds": 1.4 if over else -2.3,
        "z": 9.0,
        "q_value": 0.0001,
        "contribution": 1e-5 if over else -1e-5,
        "share": 0.02,
        "example_human": "e",
        "example_model": "e",
        "example_human_id": "1",
        "example_model_id": "2",
    }
    return {**row, **changes}


def corpus(name: str, role: str, **changes: Any) -> dict[str, Any]:
    row = {
        "run_id": "r",
        "date": "",
        "corpus": name,
        "role": role,
        "read": 4055,
        "documents": 4000,
        "rejected": 40,
        "duplicates": 15,
        "filtered": 0,
        "repaired": 0,
        "clusters": 900,
        "tokens": 3_100_000,
        "bytes": 10**7,
        "state_bytes": 1,
        "keyed_bytes": 1,
    }
    return {**row, **changes}


def run_with(out: Path, **tables: list[dict[str, Any]]) -> Run:
    writer = RunWriter.create(str(out), "audit")
    for name, rows in tables.items():
        writer.write(name, pa.Table.from_pylist(rows, schema=schema.TABLES[name]))
    return writer.publish({"name": "audit", "date": "2026-11-22"})


def shown(run: Run, width: int = 80, color: bool = False, **options: Any) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    console = Console(
        file=file, width=width, force_terminal=color, color_system="truecolor" if color else None
    )
    render(run, console, **options)
    file.seek(0)
    return file.read()


def full(out: Path) -> Run:
    names = [f"{kind}_{n}gram" for kind in ("l2", "js") for n in (1, 2)]
    tokens = [ngram(f"over{i}", True, share=0.1 - i / 100) for i in range(9)]
    tokens += [ngram(f"under{i}", False, share=0.1 - i / 100) for i in range(9)]
    phrases = [ngram("a testament to", True, 3), ngram("kind of", False, 2), ngram(". ,", True, 2)]
    return run_with(
        out,
        metrics=[*(metric(name=name) for name in names), metric(name="l2_corrected_1gram")],
        ngrams=[*tokens, *phrases, ngram(None, True, share=0.3)],
        corpora=[corpus("gpt", "model", read=4000), corpus("web", "human")],
        rejects=[],
    )


def few(**changes: Any) -> dict[str, Any]:
    """A row of so few clusters that nothing can be said of it."""
    names = (
        "ci_low",
        "ci_high",
        "p_value",
        "floor",
        "ratio_to_floor",
        "n_tell",
        "n_tell_low",
        "n_tell_high",
    )
    return metric(**{**dict.fromkeys(names, math.nan), "blocks": 2, **changes})


def test_the_verdict_says_why_numbers_are_missing() -> None:
    said = verdict(ranked([few()])[0])
    assert "gpt has no tell size: fewer than 16 documents or prompts a side" in said
    assert "too few clusters (2 blocks a side)" in said
    assert "nan" not in said
    assert "None" not in said
    assert "nothing to measure" in verdict(ranked([few(value=math.nan)])[0])
    assert "none of js_1gram, mmd_squared, structure_omnibus was measured" in verdict(
        ranked([metric(name="l2_3gram")])[0]
    )


@pytest.mark.parametrize("ratio", [0.0, -2.0])
def test_equal_corpora_have_no_bars(tmp_path: Path, ratio: float) -> None:
    """Nothing tells them apart, and nothing is as long as what would."""
    row = metric(value=0.0, ratio_to_floor=ratio, p_value=1.0, n_tell=math.inf, n_tell_low=math.inf)
    text = shown(run_with(tmp_path / "runs", metrics=[row, {**row, "metric": "l2_1gram"}]))
    assert "\u2588" not in text


def test_only_ngrams_miss_ngrams() -> None:
    row = metric("gpt", "frechet_corrected", value=math.nan, lens="embeddings")
    assert missing(row) == "no value: too few documents or clusters on a side"


def test_next_steps_can_be_typed_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(tmp_path / "my runs", metrics=[metric()])
    run.manifest["tables"]["profile"] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / ".venv" / "bin" / "dftspark"), "demo"])
    assert f"  .venv/bin/dftspark show '{run.path}' metrics" in shown(run)
    assert "compare" not in shown(run), "no configuration is known"
    assert f"dftspark compare a.toml --profile '{run.path}'" in shown(run, conf="a.toml")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "dftspark" / "__main__.py")])
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    assert f"  bin/python -m dftspark show '{run.path}' metrics" in shown(run)


def test_the_headline_is_the_sentence_on_all_models() -> None:
    rows = [metric("b"), metric("a", n_tell=990.0, n_tell_low=700.0, n_tell_high=1_400.0)]
    rows += [few(model="c"), metric("a", stratum="x", n_tell=20.0)]
    assert headline(pa.Table.from_pylist(rows, schema=schema.METRICS)) == (
        "a is nearest to human: about 990 (700 to 1,400) give it away by words; b is farthest: "
        "about 99 (70 to 140) give it away by words"
    )
    assert headline(pa.Table.from_pylist([], schema=schema.METRICS)) == ""


def test_everything_is_there_within_80_columns(tmp_path: Path) -> None:
    run = full(tmp_path / "runs")
    text = shown(run)
    for part in (
        "about 99 (70 to 140) give gpt away by words",
        "l2_1gram",
        "js_2gram",
        "0.0201-0.0225",
        "<=99",
        "over0",
        "under0",
        "a testament to",
        "kind of",
        "4.0x",
        "0.10x",
        "2.0%",
        "web (human) 4,055     4,000       40         15      900  3.1 M",
        "gpt         4,000     4,000 ",
        f"dftspark show {run.path} ngrams",
        "1 more are in the table `metrics`",
    ):
        assert part in text
    assert "None" not in text
    assert ". ," not in text
    lines = [line for line in text.splitlines() if run.path not in line]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text


def test_rows_are_shared_between_over_and_under(tmp_path: Path) -> None:
    text = shown(full(tmp_path / "runs"), rows=5)
    found = re.findall(r"^(over\d|under\d)", text, re.MULTILINE)
    assert found == ["over0", "over1", "over2", "under0", "under1"]


def test_bars_point_to_their_side(tmp_path: Path) -> None:
    lines = shown(full(tmp_path / "runs")).splitlines()
    header = next(line for line in lines if line.startswith("tokens"))
    middle = header.index("over")
    over = next(line for line in lines if line.startswith("over0"))
    under = next(line for line in lines if line.startswith("under0"))
    assert over.index("\u2588") == middle
    assert under.rindex("\u2588") == middle - 2


@pytest.mark.parametrize("q_value", [None, math.nan, 0.05, 0.3])
def test_only_what_has_a_valid_test_is_listed(tmp_path: Path, q_value: float | None) -> None:
    rows = [
        ngram("rare", True, share=0.9, q_value=q_value),
        ngram("common", True, share=0.1),
        ngram("never", True, per_million_human=0.0, share=0.05),
    ]
    text = shown(run_with(tmp_path / "runs", metrics=[metric()], ngrams=rows))
    assert "common" in text
    assert not re.search("^rare", text, re.MULTILINE)
    assert "1 more in `ngrams` have no test, being too rare, or a q above 0.05" in text
    assert "new: the human text does not have it" in text


def test_views_of_one_phrase_are_one_line(tmp_path: Path) -> None:
    rows = [
        ngram("it is important to", True, 4, share=0.5),
        ngram("is important to note", True, 4, share=0.4),
        ngram("important to", True, 2, share=0.3),
        ngram("to the other", True, 3, share=0.2),
        ngram("in order to", True, 3, share=0.1),
    ]
    text = shown(run_with(tmp_path / "runs", metrics=[metric()], ngrams=rows), width=100)
    assert "it is important to" in text
    assert "important to note" not in text
    assert not re.search(r"^important to", text, re.MULTILINE)
    assert "to the other" in text
    assert "in order to" in text


@pytest.mark.parametrize("color", [False, True])
def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path, color: bool) -> None:
    run = run_with(
        tmp_path / "runs",
        metrics=[metric(HOSTILE), metric(HOSTILE, stratum=HOSTILE), metric("b", HOSTILE)],
        ngrams=[ngram(HOSTILE, True, model=HOSTILE), ngram(f"{HOSTILE} x", True, 2, model=HOSTILE)],
        corpora=[corpus(HOSTILE, "model")],
    )
    text = shown(run, width=400, color=color)
    text = re.sub(r"\x1b\[[\d;]*m", "", text) if color else text
    whole = "[red]a\\x1b[31mb\\u202ec\\nd\\x07[/red] [link=x]"
    assert text.count("d\\x07") == text.count(whole) >= 7
    assert not [c for c in text if unicodedata.category(c)[0] == "C" and c != "\n"]


def test_two_hundred_models_are_a_ranking(tmp_path: Path) -> None:
    rows = [
        metric(f"m{i:03}", n_tell=n, n_tell_low=n - 1.0, n_tell_high=n + 1.0)
        for i, n in enumerate(range(4_000, 24_000, 100))
    ]
    corpora = [corpus(f"m{i:03}", "model", rejected=i) for i in range(200)]
    run = run_with(tmp_path / "runs", metrics=rows, corpora=[*corpora, corpus("web", "human")])
    text = shown(run)
    assert re.findall(r"^m\d{3}(?= +~?\d+,\d{3} +\d+,\d{3} to)", text, re.MULTILINE) == [
        f"m{i:03}" for i in range(199, -1, -1)
    ]
    assert "m199 is nearest to human" in text
    assert "One answer can look fine" not in text, "no page of any one"
    assert re.search(r"^all 200 together +811,000 +800,000 +19,900 ", text, re.MULTILINE)
    assert re.search(r"^m199 +4,055 +4,000 +199 ", text, re.MULTILINE)
    assert len(text.splitlines()) < 225


def test_strata_are_shown_beside_the_whole(tmp_path: Path) -> None:
    rows = [metric(), metric(stratum="news", n_tell=50.0), metric(stratum="essays")]
    text = shown(run_with(tmp_path / "runs", metrics=rows))
    assert "within each stratum" in text
    assert re.search(r"^news +50 ", text, re.MULTILINE)
    assert text.index("essays") < text.index("news")


def test_a_profile_says_what_to_do_next(tmp_path: Path) -> None:
    run = run_with(tmp_path / "runs", corpora=[corpus("web", "human")])
    assert "Nothing is compared yet." in shown(run)


def test_a_console_without_blocks_gets_signs(tmp_path: Path) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    run = run_with(tmp_path / "runs", metrics=[metric()], ngrams=[ngram("delve", True)])
    render(run, Console(file=file, width=80))
    file.seek(0)
    assert "#####" in file.read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" the", "\u2423the"),
        ("a  b ", "a\u2423\u2423b\u2423"),
        ("   ", "\u2423" * 3),
        ("\t\r\n\\n", "\\t\\r\\n\\\\n"),
        ("\u00a0\u200b\u2066\u2028\ufeff", "\\xa0\\u200b\\u2066\\u2028\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\u0301x", "\u25cc\u0301x"),
        ("\u6587\u5b57 na\u00efve \u2014", "\u6587\u5b57 na\u00efve \u2014"),
        ("", ""),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_visible_is_bounded() -> None:
    assert visible("x" * 10**6) == "x" * 200 + "\u2026"
    assert visible_lines("a\n  b\x1b[0m") == "a\n  b\\x1b[0m"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0213, "0.0213"),
        (0.0, "0"),
        (1.0, "1.00"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (9.96e-05, "9.96e-05"),
        (-0.5, "-0.500"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    assert number(value) == expected


def test_ratios_counts_and_bars() -> None:
    assert [ratio(v) for v in (0.1, 3.14, 31.4, 1234.0, math.inf)] == [
        "0.10x",
        "3.1x",
        "31x",
        "1,234x",
        "inf",
    ]
    assert [count(v) for v in (12, 12_345, 3_100_000, 2.5e9)] == ["12", "12,345", "3.1 M", "2.5 G"]
    assert [bar(share, 4, "#") for share in (0, 0.01, 0.5, 1, 7, math.nan)] == [
        "",
        "#",
        "##",
        "####",
        "####",
        "",
    ]


def test_rules_that_failed_come_first(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "night")
    writer.write("metrics", pa.Table.from_pylist([metric()], schema=schema.METRICS))
    said = [f"far, {HOSTILE}: metric l2_1gram is 3"]
    checks = {"outcome": "fail", "counts": {"pass": 2, "fail": 1, "warn": 0}, "said": said}
    text = shown(writer.publish({"name": "night", "checks": checks}))
    lines = text.splitlines()
    assert lines[1].strip() == "checks: 2 pass, 1 fail"
    assert "far, [red]a" in lines[2]
    assert "\x1b" not in text
    assert "checks" not in shown(run_with(tmp_path / "none", metrics=[metric()]))


def compared(name: str, model: str, **changes: Any) -> dict[str, Any]:
    row = {
        "run_id": "r",
        "date": "",
        "human": "web",
        "model": model,
        "stratum": "",
        "property": name,
        "unit": "share of documents",
        "value_human": 0.66,
        "value_model": 0.004,
        "p_value": 1e-9,
        "threshold": "0.2 apart",
        "differs": True,
        "advice": "look whether it was lost",
        "n_human": 300,
        "n_model": 200,
    }
    return {**row, **changes}


def test_what_is_not_writing_comes_before_the_verdict(tmp_path: Path) -> None:
    rows = [
        compared("single_line", "gpt"),
        compared("newlines", "gpt", unit="per 100 words", value_human=1.46, value_model=5.5),
        compared("cut_off", "gpt", differs=False, advice=""),
        compared("mojibake", "gpt", stratum="news"),
        compared(f"token {HOSTILE}", "gpt", value_human=0.0),
        *(compared("language_fr", f"m{i}", value_model=i / 10) for i in range(5)),
    ]
    text = shown(run_with(tmp_path, metrics=[metric()], comparability=rows), width=300)
    said = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    assert said[:2] == [
        "documents in French: human 66%, 5 models 0% to 40%; look whether it was lost.",
        "documents of a single line: human 66%, gpt 0.4%; look whether it was lost.",
    ]
    assert said[2].startswith("line breaks per 100 words: human 1.5, gpt 5.5; ")
    assert len(said) == 4
    assert "[red]a" in said[3]
    assert "\x1b" not in text
    assert text.index("Before you read it as style") < text.index("documents in French")
    assert text.index("look whether it was lost") < text.index("One answer can look fine")
    quiet = shown(run_with(tmp_path / "quiet", metrics=[metric()], comparability=rows[2:3]))
    assert "Before you read" not in quiet


def test_warnings_of_a_run_are_told(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path), "a")
    writer.write("metrics", pa.Table.from_pylist([metric()], schema=schema.METRICS))
    said = f"50% of {HOSTILE} repeat another cluster's text"
    run = writer.publish({"name": "a", "warnings": [said], "tests_withheld": True})
    text = shown(run, width=200)
    assert "- 50% of [red]a" in text
    assert "\x1b" not in text
    assert withholds_tests(run)
    assert not withholds_tests(run_with(tmp_path / "b", metrics=[metric()]))
