"""Two runs as a page: what moved, with intervals; which phrases came, went and moved."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dftspark import cli
from dftspark.report.page.run_diff import page
from dftspark.report.words.phrase_diff import phrase_diff
from dftspark.report.words.run_diff import diff
from dftspark.store.run import Run
from tests.report.page_runs import SCRIPT, metrics, publish, row, tables


def test_the_page_says_which_measures_moved_and_by_how_much(tmp_path: Path) -> None:
    html = page(*(pair := _pair(tmp_path)), diff(*pair))
    (headline,) = re.findall(r"<h1[^>]*>(.*?)</h1>", html)
    assert headline == "gpt: B is nearer to human by words."
    assert re.search(r">200<small>150 to 260</small>", html)
    # By words from .0035 to .0020, each with an error of .0001: less by 1.96 x .000141 each way.
    assert "−0.0018 to −0.0012" in html
    assert "src=" not in html


def test_phrases_came_went_and_moved(tmp_path: Path) -> None:
    first, second = _pair(tmp_path)
    moves = {one.told.text: one.move for one in phrase_diff(first, second, "gpt", "gpt")}
    assert moves["rich tapestry"] == "went"
    assert moves["delve deeper"] == "came"
    assert moves["a testament to"] == "more"
    assert moves["bustling streets"] == "same"


def test_a_run_without_the_tables_of_phrases_has_lost_none(tmp_path: Path) -> None:
    _, second = _pair(tmp_path)
    bare = publish(tmp_path / "bare", {"metrics": _metrics(100.0)})
    assert phrase_diff(bare, second, "gpt", "gpt") == []
    assert "do not both keep phrases" in page(bare, second, diff(bare, second))


def test_text_of_a_run_is_text(tmp_path: Path) -> None:
    first, second = (publish(tmp_path / n, tables([SCRIPT], [SCRIPT])) for n in "ab")
    html = page(first, second, diff(first, second))
    assert SCRIPT not in html
    assert "&lt;script&gt;" in html


def test_the_command_prints_the_table_and_writes_the_page(tmp_path: Path, capsys: Any) -> None:
    pair = _pair(tmp_path)
    out = tmp_path / "diff.html"
    assert cli.main(["diff", *(run.path for run in pair), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "B is nearer to human by words" in said
    assert str(out) in said.replace("\n", "")
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def _pair(folder: Path) -> tuple[Run, Run]:
    """Two runs: by words the second is nearer; of four phrases one came, went, moved and stayed."""
    made = []
    for name, n, docs in (
        ("first", 100.0, {"rich tapestry": 500, "a testament to": 100, "bustling streets": 300}),
        ("second", 200.0, {"delve deeper": 500, "a testament to": 900, "bustling streets": 310}),
    ):
        found = {"metrics": _metrics(n), "ngrams": [_phrase(*one) for one in docs.items()]}
        made.append(publish(folder / name, found))
    return made[0], made[1]


def _metrics(n: float) -> list[dict[str, Any]]:
    rows = metrics("gpt", n, std_error=1e9)
    words = next(row for row in rows if row["metric"] == "js_1gram")
    words |= {"std_error": 1e-4, "value": 0.35 / n if n == 100.0 else 0.4 / n}
    return rows


def _phrase(text: str, docs: int) -> dict[str, Any]:
    return row(
        "ngrams",
        model="gpt",
        n=len(text.split()),
        text=text,
        tokens=text.split(),
        docs_human=10,
        docs_model=docs,
        q_value=1e-6,
        contribution=0.01,
    )
