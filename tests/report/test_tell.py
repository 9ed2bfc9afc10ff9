"""How many documents give a model away: one rule, said in the same words everywhere (B19)."""

from __future__ import annotations

import html
import io
import itertools
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from dftspark import schema
from dftspark.report.page import figures
from dftspark.report.page.overview import overview
from dftspark.report.page.run import page
from dftspark.report.terminal.run import render
from dftspark.report.words import tell
from dftspark.report.words.tell import Size, ranked, size_of, tied
from dftspark.report.words.verdict import (
    documents,
    finding,
    headline,
    headline_of,
    short,
    span,
    verdict,
)
from dftspark.store.listing import runs
from dftspark.store.run import Run
from tests.report.page_runs import aged, made, metrics, publish, row, sized

LENSES = {"words": "js_1gram", "content": "mmd_squared", "structure": "structure_omnibus"}


def lens(
    name: str, n: float, low: float, high: float, p: float, model: str = "gpt", **more: Any
) -> dict[str, Any]:
    size = {"n_tell": n, "n_tell_low": low, "n_tell_high": high, "n_tell_unit": "documents"}
    own = {"n_human": 4_000, "n_model": 3_000, "better": "lower", **size, **more}
    return row("metrics", model=model, metric=LENSES[name], p_value=p, **own)


def untold(name: str, n: float, p: float = 0.4, model: str = "gpt") -> dict[str, Any]:
    return lens(name, math.inf, n, math.inf, p, model)


GPT = [
    lens("words", 99, 70, 140, 1e-9),
    lens("content", 147, 90, 260, 1e-5),
    lens("structure", 46, 29, 62, 4e-7),
]


def named(name: str, rows: list[dict[str, Any]], times: float = 1.0) -> list[dict[str, Any]]:
    """The rows as another model's that takes `times` as many documents."""
    sizes = ("n_tell", "n_tell_low", "n_tell_high")
    return [{**r, "model": name, **{k: times * r[k] for k in sizes}} for r in rows]


def test_the_sentence_leads_with_the_lens_that_needs_the_fewest() -> None:
    (model,) = ranked(GPT)
    assert finding(model) == (
        "One answer can look fine; about 46 (29 to 62) give gpt away by structure, 99 by words, "
        "150 by content"
    )
    assert verdict(model) == f"{finding(model)} (p = 3e-9)."
    assert verdict(model, 0.01).endswith("(p = 3e-9, fitted tail)."), "of the clearest, times three"


def test_withheld_tests_give_no_verdict_and_say_why() -> None:
    nothing = dict.fromkeys(("p_value", "floor", "n_tell", "n_tell_low", "n_tell_high"), math.nan)
    (model,) = ranked([row | nothing for row in GPT])
    assert not model.lenses
    assert finding(model) == (
        "gpt has no tell size: no test is given, since the human side repeats itself"
    )


def test_a_lens_is_told_by_its_holm_adjusted_p() -> None:
    (model,) = ranked([*GPT[:1], lens("content", 700, 300, 2_000, 0.03), untold("structure", 210)])
    assert {one.name: one.told for one in model.lenses} == {
        "words": True,
        "content": False,
        "structure": False,
    }
    assert [one.p_value for one in model.lenses] == pytest.approx([3e-9, 0.06, 0.4])
    assert finding(model) == (
        "One answer can look fine; about 99 (70 to 140) give gpt away by words; by content more "
        "than 300 documents; by structure more than 210 documents"
    )
    (alone,) = ranked([lens("content", 700, 300, 2_000, 0.03)])
    assert alone.told, "one lens is corrected for one"


def test_what_is_not_told_apart_would_take_more_than_the_least_of_the_lenses() -> None:
    rows = [untold("words", 210), untold("content", 500), lens("structure", 400, 180, 900, 0.03)]
    (model,) = ranked(rows)
    assert verdict(model) == (
        "gpt is not told apart: it would take more than 180 documents a side (p = 0.09)."
    )


def test_below_sixteen_is_a_handful() -> None:
    (model,) = ranked([lens("words", 9, 6, 13, 1e-9), lens("structure", 15.9, 11, 22, 1e-9)])
    assert finding(model) == (
        "One answer can look fine; a handful (at most 16) give gpt away by words, at most 16 by "
        "structure"
    )


def test_prompts_are_counted_where_several_answers_share_one() -> None:
    rows = [{**r, "n_tell_unit": "prompts", "n_model": 2_500} for r in GPT]
    assert "about 46 prompts (29 to 62) give gpt" in finding(ranked(rows)[0])
    (model,) = ranked(rows, {"gpt": 500, "web": 500})
    assert "about 46 prompts (29 to 62; 5 answers each) give gpt away" in finding(model)
    (few,) = ranked(rows, {"gpt": 60, "web": 500})
    assert [short(one.size) for one in few.lenses] == ["46", "about 99", "about 150"]


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (3, "16"),
        (16, "16"),
        (46.4, "46"),
        (99.6, "100"),
        (147, "150"),
        (1_240, "1,200"),
        (123_456, "120,000"),
    ],
)
def test_numbers_have_two_digits_above_a_hundred(n: float, shown: str) -> None:
    assert documents(n) == shown


def test_sizes_say_what_they_are() -> None:
    said = [
        (Size(46, 29, 62, "documents", True), "46", "29 to 62"),
        (Size(46, 29, math.inf, "documents", True), "46", "29 or more"),
        (Size(46, 9, 62, "documents", True), "46", "16 to 62"),
        (Size(9, 6, 13, "documents", True), "at most 16", "-"),
        (Size(5_200, 900, math.inf, "documents", True, beyond=True), "about 5,200", "900 or more"),
        (Size(300, 200, 400, "documents", True, at_most=True), "at most 300", "200 to 400"),
        (Size(math.inf, 210, math.inf, "documents", False), "more than 210", "-"),
        (Size(math.nan, math.nan, math.nan, "documents", True), "-", "-"),
        (Size(math.nan, math.nan, math.nan, "documents", False), "-", "-"),
    ]
    assert [(short(size), span(size)) for size, *_ in said] == [(a, b) for _, a, b in said]
    assert size_of(GPT[0] | {"metric": "js_2gram"}).at_most, "longer n-grams err upward"
    assert not size_of(GPT[0]).at_most
    assert size_of(GPT[0] | {"n_human": 90}).beyond


def test_models_are_ranked_by_what_it_takes() -> None:
    rows = [
        *named("far", GPT, 0.5),
        *named("near", GPT, 10),
        *[untold(name, 100, model="untold") for name in LENSES],
        *[untold(name, 900, model="unseen") for name in LENSES],
        lens("words", math.nan, math.nan, math.nan, math.nan, "few") | {"ci_low": math.nan},
    ]
    models = ranked(rows)
    assert [m.model for m in models] == ["unseen", "untold", "near", "far", "few"]
    assert "fewer than 16 documents or prompts a side" in models[-1].reason
    assert [m.model for m in ranked(reversed(rows))] == [m.model for m in models]


def test_overlapping_intervals_are_a_tie() -> None:
    near, same, far = (ranked(named("x", GPT, times))[0] for times in (10, 12, 1))
    open_end = ranked([untold("words", 200)])[0]
    assert tied(near, same)
    assert not tied(near, far)
    assert tied(open_end, near), "290 to 620 is not clearly less than more than 200"
    assert not tied(open_end, far)
    handful = [ranked([lens("words", n, 0.9 * n, 1.1 * n, 1e-9)])[0] for n in (5, 12)]
    assert tied(*handful), "below 16 nothing is told from 16"


def test_one_sentence_on_several_models() -> None:
    near, far = named("near", GPT, 10), named("far", GPT)
    assert headline_of(ranked([*far, *near])) == (
        "near is nearest to human: about 460 (290 to 620) give it away by structure; far is "
        "farthest: about 46 (29 to 62) give it away by structure"
    )
    assert headline_of(ranked([*far, *near, *named("also", GPT, 11)])).startswith(
        "also and near are nearest to human, tied: about 510 (320 to 680) give also away"
    )
    assert headline_of(ranked([*far, *named("same", GPT)])).startswith("far and same are tied: ")
    none = [untold("words", n, model=name) for name, n in (("a", 300), ("b", 200))]
    assert headline_of(ranked(none)) == (
        "None of 2 models is told apart: it would take more than 200 documents a side"
    )
    assert headline_of(ranked([*none, *far])).startswith(
        "a and b are nearest to human, tied: a is not told apart, it would take more than 300"
    )
    many = [r for i in range(9) for r in named(f"m{i}", GPT)]
    assert "m0, m1, m2 and 6 more are tied" in headline_of(ranked(many))


# --- B19: the same on page, terminal, listing and in the manifest ---------------------------------

NO_DIFFERENCE = r"no farther|[Nn]ot told apart|is told apart|may be chance"
NUMBER = r"give [\w<>/=]+ away|gives itself away|times as far from human"
GRID = [
    pytest.param(ps, n, id=f"{ps}-{n}")
    for ps in (
        (1e-9, 1e-5, 4e-7),
        (0.001, 0.2, 0.3),
        (0.0166, 0.04, 0.9),
        (0.0167, 0.04, 0.9),
        (0.04, 0.04, 0.04),
        (0.4, 0.6, 0.9),
    )
    for n in (9.0, 46.0, 5_000.0)
]


def rows_at(ps: tuple[float, ...], n: float, model: str = "gpt") -> list[dict[str, Any]]:
    """Rows as the statistics write them: without a point where p is above 5%."""
    made_up = metrics(model, n)
    for name, p in zip(LENSES.values(), ps, strict=True):
        for one in made_up:
            if one["metric"] == name:
                one |= {"p_value": p, **sized(n, p < 0.05)}
    return made_up


def terminal(run: Run) -> str:
    file = io.StringIO()
    render(run, Console(file=file, width=10_000))
    return file.getvalue()


def first_screen(text: str) -> str:
    """What the page says before its measures, as words."""
    top = text[text.index("<body") : text.index('<nav class="contents"')]
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", top)).split())


@pytest.mark.parametrize(("ps", "n"), GRID)
def test_words_never_belie_the_p_value(ps: tuple[float, ...], n: float, tmp_path: Path) -> None:
    run = publish(tmp_path, {"metrics": rows_at(ps, n)})
    (model,) = tell.of_run(run)
    told = min(1.0, 3 * min(ps)) < 0.05
    assert model.told is told
    for said in (first_screen(page(run)), terminal(run).split("words  ")[0], finding(model)):
        if told:
            assert not re.search(NO_DIFFERENCE, said), said
            assert re.search(r"One answer can look fine; (about|a handful)", said)
        else:
            assert not re.search(NUMBER, said), said
            assert not re.search(r"\d(?:\.\d+)?[x×]", said), said
            assert re.search(r"more than [\d,]+ documents a side", said)


def test_a_row_that_tells_nothing_has_no_number_of_documents(tmp_path: Path) -> None:
    rows = [r for r in metrics("gpt", 300, told=False) if r["metric"] in LENSES.values()]
    run = publish(tmp_path, {"metrics": rows})
    for text in (str(figures.measures(run, "gpt")), str(figures.matrix(run)), terminal(run)):
        assert re.findall(r"(?:more than |(?:>|&gt;))(\d+)", text)
        assert 'class="dot' not in text
    assert 'class="dot' in str(figures.measures(made(tmp_path), "gpt"))


@pytest.mark.parametrize("models", list(itertools.permutations(("a", "b", "c"))))
def test_one_page_names_one_winner(models: tuple[str, ...], tmp_path: Path) -> None:
    """By words the nearest is another one than by structure: all places go by the same rule."""
    rows = []
    for model, words, structure in zip(models, (400, 3_000, 60), (2_000, 150, 20), strict=True):
        for name, n in (("words", words), ("structure", structure)):
            rows.append(lens(name, n, 0.9 * n, 1.1 * n, 1e-9, model))
    order = list(models)
    table = pa.Table.from_pylist(rows, schema=schema.METRICS)
    run = publish(tmp_path, {"metrics": table}, headline=headline(table))
    text = page(run)
    body = text[text.index("<body") :]
    assert re.findall(r'<li><a href="#\w">(\w)<', body) == order, "navigation"
    chapters = re.findall(r'class="chapter model"><summary><h2>(\w)</h2>', body)
    assert chapters == order
    ladders = [str(figures.ladder(run)), overview(str(tmp_path), runs(str(tmp_path)), {})]
    for drawn in ladders:
        ladder = drawn[drawn.index("ladder") :]
        assert re.findall(r'scope="row">(\w)<', ladder)[:3] == order
    matrix = str(figures.matrix(run))
    assert re.findall(r'scope="row">(\w)<', matrix) == order
    said = f"{order[0]} is nearest to human"
    (listed,) = runs(str(tmp_path))
    for place in (first_screen(text), terminal(run), listed.headline, ladders[1]):
        assert said in place
        assert f"{order[2]} is farthest" in place
    assert re.findall(r"^(\w) +[\d~]", terminal(run), re.M) == order


def test_ties_are_called_ties_everywhere(tmp_path: Path) -> None:
    rows = [*named("near", GPT, 10), *named("too", GPT, 11), *named("far", GPT)]
    run = publish(tmp_path, {"metrics": rows})
    for text in (first_screen(page(run)), terminal(run)):
        assert "too and near are nearest to human, tied" in text
        assert text.count("tied with the one above") == 1


def test_runs_made_before_say_so_and_still_have_a_page(tmp_path: Path) -> None:
    run = aged(made(tmp_path, models=["gpt", "b"], texts=("tapestry", "delve")))
    text = page(run)
    for said in (first_screen(text), terminal(run)):
        assert "This run was made before there were tell sizes" in said
        assert "audit again" in said
        assert not re.search(NUMBER, said)
        assert "nearest to human" not in said.replace("nearest to human first", "")
    assert "not shown: the run was made before they had a test" in text
    assert "nan" not in first_screen(text)
    assert "between random halves of the human text" in text
    assert "exactly where the value is above it" not in text, "that is of the new floor"


def test_squares_and_roots_share_no_axis() -> None:
    """All stand on one axis of documents, where both forms of one test have one place."""
    square, root = (size_of(GPT[1] | {"metric": name}) for name in ("mmd_squared", "mmd"))
    assert square == root
