"""Which words and phrases a first screen names, and where they are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dftspark.lenses.ngrams.figures import gist, rarer, telling
from dftspark.lenses.ngrams.recognizable import PLACES, recognized, telltales
from dftspark.store.run import Run
from tests.report.page_runs import metrics, publish, row


def gram(text: str, human: int, model: int, **more: Any) -> dict[str, Any]:
    """A listed n-gram by the documents of 4,000 human and 3,000 model ones that have it."""
    own: dict[str, Any] = {
        "model": "gpt",
        "n": len(text.split()),
        "text": text,
        "tokens": text.split(),
        "docs_human": human,
        "docs_model": model,
        "per_million_human": human / 10,
        "per_million_model": model / 10,
        "q_value": 1e-6,
        "contribution": 0.01 if model / 3 > human / 4 else -0.01,
        "share": 0.01,
        "example_human": None,
        "example_model": None,
    }
    return row("ngrams", **{**own, **more})


def run_of(
    out: Path, rows: list[dict[str, Any]], ratios: list[dict[str, Any]] | None = None
) -> Run:
    return publish(
        out, {"metrics": metrics("gpt"), "ngrams": rows, "document_ratios": ratios or []}
    )


def names(run: Run, **how: Any) -> list[str]:
    return [one.text for one in recognized(run, "gpt", "", **how)]


def test_a_phrase_stands_for_its_words(tmp_path: Path) -> None:
    rows = [
        gram("testament", 8, 610),
        gram("a testament", 7, 600),
        gram("a testament to", 6, 590),
        gram("testament to his", 1, 60),
        gram("a", 3_900, 2_990, per_million_human=20_000.0),
        gram("to", 3_900, 2_990, per_million_human=20_000.0),
    ]
    assert names(run_of(tmp_path, rows)) == ["a testament to"]


@pytest.mark.parametrize(
    "told",
    [
        gram(", but", 100, 2_000),
        gram("don't", 100, 2_000),
        gram("of", 100, 2_000),
        gram("known", 100, 2_000, q_value=0.2),
        gram("untested", 100, 2_000, q_value=None),
        gram("same", 1_000, 800),
    ],
    ids=["mark", "contraction", "short", "chance", "no test", "as often"],
)
def test_what_says_nothing_is_left_out(tmp_path: Path, told: dict[str, Any]) -> None:
    run = run_of(tmp_path, [told, gram("tapestry", 4, 300)])
    assert names(run) == ["tapestry"]


def test_what_is_everywhere_in_the_human_text_says_nothing(tmp_path: Path) -> None:
    rows = [
        gram("which", 2_000, 2_900, per_million_human=3_000.0),
        gram("which which", 20, 900),
        gram("rare", 20, 900),
    ]
    assert names(run_of(tmp_path, rows)) == ["rare"]


def test_a_factor_is_weighed_with_the_documents_that_have_it(tmp_path: Path) -> None:
    """Thirty times as many in a tenth counts before three hundred times as many in a thousandth."""
    rows = [gram("seldom", 0, 3), gram("spread", 13, 300), gram("everyday", 1_000, 1_200)]
    run = run_of(tmp_path, rows)
    assert names(run)[0] == "spread"
    assert telling(run, "gpt", "")[0].label == "spread 30×"


def test_what_it_has_too_rarely_is_a_fraction(tmp_path: Path) -> None:
    run = run_of(tmp_path, [gram("probably", 1_000, 50), gram("tapestry", 4, 300)])
    assert names(run, over=False) == ["probably"]
    assert [chip.label for chip in rarer(run, "gpt", "")] == ["probably 1/15"]


def test_words_by_documents_are_among_them(tmp_path: Path) -> None:
    ratio = row(
        "document_ratios",
        model="gpt",
        token="bustling",
        share_human=0.01,
        share_model=0.2,
        ratio=20.0,
        q_value=0.001,
    )
    run = run_of(tmp_path, [gram("tapestry", 4, 300)], [ratio, {**ratio, "token": "!"}])
    assert set(names(run)) == {"bustling", "tapestry"}
    assert gist(run, "gpt", "").startswith("1 word is in more")


def test_places_are_whole_words_of_up_to_five_documents_a_side(tmp_path: Path) -> None:
    rows = [gram("realm", 40, 900)]
    rows += [
        gram(
            f"other{i}",
            5,
            300,
            example_model=f"In the Realm of\n\nnumber {i}." if i else "Two realms.",
            example_model_id=f"m{i // 2}",
            example_human="A realm of one." if i < 2 else None,
            example_human_id=f"h{i}",
        )
        for i in range(16)
    ]
    told = next(one for one in telltales(run_of(tmp_path, rows), "gpt", "") if one.text == "realm")
    assert (told.kind, told.unit) == ("word", "% of documents")
    assert (told.human, told.model) == (1.0, 30.0)
    by_side = {side: [p for p in told.places if p.side == side] for side in ("human", "model")}
    assert [place.doc_id for place in by_side["human"]] == ["h0", "h1"]
    assert len({place.doc_id for place in by_side["model"]}) == len(by_side["model"]) == PLACES
    assert by_side["model"][0].text == "…In the Realm of number 1.…"


def test_what_no_screen_names_can_still_be_searched(tmp_path: Path) -> None:
    run = run_of(tmp_path, [gram("tapestry", 4, 300), gram(", and", 900, 2_000)])
    told = telltales(run, "gpt", "")
    assert [(one.text, one.unit) for one in told] == [
        ("tapestry", "% of documents"),
        (", and", "per million"),
    ]
