"""The page as text: what it says, in which order, what it escapes and how large it may be."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.report.page import figure
from dftspark.report.page.anchors import anchors
from dftspark.report.page.run import LARGEST, MODELS, page
from dftspark.store.listing import open_run
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from tests.report.page_runs import HOSTILE, SCRIPT, made, metrics, ngrams, publish, row, tables

PLAIN = ("a testament to", "tapestry", "delve", "and so on")


class Reader(HTMLParser):
    """Elements, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Reader:
    return Reader(text)


def said(text: str) -> str:
    return " ".join(" ".join(read(text).text).split())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(made(tmp_path_factory.mktemp("runs"), models=[SCRIPT]))


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("runs"), texts=PLAIN)


@pytest.fixture(scope="module")
def plain(plain_run: Run) -> str:
    return page(plain_run)


def test_the_first_words_are_the_verdict(plain: str) -> None:
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", plain, re.DOTALL)
    assert heading is not None
    assert html.unescape(heading[1]) == (
        "One answer can look fine; about 50 (38 to 65) give gpt away by structure, 100 by words, "
        "150 by content."
    )
    top = said(plain[: plain.index("<nav")])
    for answer in (
        "How far by structure 50 by words 100 by content 150 documents a side are what it takes",
        "1% of pairs (1% to 1%) are told apart by a reader who has learnt the difference;",
        "What gives it away It gives itself away by",
        "How sure 38 to 65 is the 95% interval of the number by structure.",
        "The difference is hardly chance: p = 3e-6, fitted tail , the least of 3 lenses times 3.",
    ):
        assert answer in top
    assert "4,000 human and 3,000 model documents" in top


def test_the_order_is_the_readers(plain: str) -> None:
    chapters = re.findall(r'<div class="body" id="([a-z/]+)"', plain)
    of_model = ["measures", "words", "clouds", "structure", "variety", "examples"]
    assert chapters == [*(f"gpt/{name}" for name in of_model), "search", "how"]
    opened = re.findall(r"<details[^>]*\bopen\b", plain)
    assert not opened, "chapters are closed"


def test_what_is_not_writing_is_on_the_first_screen(plain_run: Run, plain: str) -> None:
    top = said(plain[: plain.index("<nav")])
    assert "Be wary of documents with the token 'a testament to': human 0%, gpt 1%" in top
    writer = RunWriter.create(str(Path(plain_run.path).parent), "bare")
    writer.write("metrics", pa.Table.from_pylist(metrics("gpt"), schema=schema.METRICS))
    assert "Be wary of Nothing that is not writing differs" in said(
        page(writer.publish({"name": "bare"}))
    )


def test_every_section_can_be_reached(tmp_path: Path) -> None:
    found = read(page(made(tmp_path, models=["a", "b"], texts=PLAIN)))
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links
    assert {str(link).removeprefix("#") for link in links} <= set(ids)


def test_parts_of_a_shift_chart_sum_to_the_distance(plain: str) -> None:
    parts = re.findall(r"Parts: (\S+) in these rows.*?together (\S+) of L2²", said(plain))
    assert [whole for _, whole in parts] == ["100%", "100%"]


def test_corpora_that_are_one_and_the_same_have_a_page(tmp_path: Path) -> None:
    """No n-gram has a share of no distance."""
    found = tables(["gpt"], PLAIN)
    found["ngrams"] = [row | {"share": None, "contribution": 0.0} for row in found["ngrams"]]
    text = said(page(publish(tmp_path, found)))
    assert "No n-gram of this order differs." in text


def test_text_of_documents_and_names_is_only_text(hostile: str) -> None:
    found = read(hostile)
    assert {tag for tag, _ in found.tags} & {"script", "img", "b"} == {"script", "b"}
    kinds = [attrs.get("type") for tag, attrs in found.tags if tag == "script"]
    assert kinds == ["application/json", None], "the page's own data and program"
    handlers = [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    assert not handlers
    assert not [attrs for _, attrs in found.tags if "style" in attrs], "the policy forbids them"
    assert "{{ 7 * 7 }}" in hostile, "what a document says is not a template"
    assert "alert(1)" in said(hostile)


def test_nothing_hides_and_nothing_is_long(hostile: str) -> None:
    shown = html.unescape(hostile)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b]", shown)
    assert "\\u202e" in shown
    assert "W" * 241 not in shown
    assert "\u0351\u0334" * 121 not in shown


def test_the_policy_allows_its_own_style_and_script_alone(hostile: str) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', hostile)
    assert found is not None
    rules = html.unescape(found[1]).split("; ")
    inline = dict(re.findall(r"<(style|script)>(.*?)</\1>", hostile, re.DOTALL))
    digests = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in inline.items()
    }
    assert rules == [
        "default-src 'none'",
        f"style-src 'sha256-{digests['style']}'",
        f"script-src 'sha256-{digests['script']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_no_address_is_in_the_page(hostile: str) -> None:
    assert not re.search(
        r"https?://|url\(|@import|srcset|\bsrc=\"(?!#)", hostile.replace(html.escape(SCRIPT), "")
    )


def test_copying_is_left_alone_unless_it_is_asked_for(plain_run: Run, plain: str) -> None:
    assert "swaps a few words" not in said(plain)
    assert "axolotl" not in plain
    swapping = page(plain_run, copy_swap=True)
    assert "Copying from an excerpt swaps" in said(swapping)
    assert "axolotl" in swapping


def test_the_setting_of_the_run_asks_for_the_swap(tmp_path: Path) -> None:
    run = made(tmp_path, texts=PLAIN, config={"report": {"copy_swap": True}})
    assert "axolotl" in page(run)
    assert "axolotl" not in page(run, copy_swap=False)


def test_a_link_leads_to_the_same_model_whatever_its_rank(tmp_path: Path) -> None:
    names = ["gpt-4", "org/model 7B", "how"]
    pages = [
        page(made(tmp_path / str(turn), models=names[turn:] + names[:turn], texts=PLAIN))
        for turn in range(2)
    ]
    places = [set(re.findall(r'<article class="body" id="([^"]+)"', text)) for text in pages]
    assert places[0] == places[1]
    assert {"gpt-4", "org-model-7B"} < places[0]
    assert "how" not in places[0], "that is the chapter on how numbers were made"
    assert 'id="gpt-4/words"' in pages[0]


def test_names_that_would_share_an_anchor_keep_one_each() -> None:
    first = anchors(["a/b", "a b", "a-b", "c", ""])
    assert len(set(first.values())) == 5
    assert first["c"] == "c"
    assert anchors(["", "c", "a b", "a-b", "a/b"]) == first


def test_the_script_has_every_phrase_as_data(hostile: str) -> None:
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', hostile, re.DOTALL)
    assert found is not None
    assert not re.search("[<>&]", found[1]), "nothing can end the element"
    data = json.loads(found[1])
    kinds = {data["kinds"][row[1]] for row in data["rows"]}
    assert kinds == {"word", "phrase", "construction"}
    texts = {place[2] for place in data["places"]}
    assert texts
    assert not [text for text in texts if "\u202e" in text or len(text) > 241]


def test_several_models_stand_side_by_side_first(tmp_path: Path) -> None:
    text = said(page(made(tmp_path, models=["near", "mid", "far"], texts=PLAIN)))
    assert text.index("near is nearest to human: about 50 (38 to 65) give it away") < text.index(
        "How many documents a side tell each model"
    )
    assert "far and mid are farthest, tied: about 17 (16 to 22) give far away by structure" in text


def test_models_are_chosen_by_name(tmp_path: Path) -> None:
    run = made(tmp_path, models=["a", "b", "c"], texts=PLAIN)
    text = page(run, models=["b"])
    assert re.findall(r'<article class="body" id="([^"]+)"', text) == ["b"]
    with pytest.raises(ConfigError, match="'nobody'"):
        page(run, models=["nobody"])


def test_a_run_without_comparisons_has_no_page(tmp_path: Path) -> None:
    run = publish(tmp_path, {"corpora": [row("corpora", corpus="web", role="human")]})
    with pytest.raises(ConfigError, match="compares nothing"):
        page(run)


def test_metrics_alone_are_enough(tmp_path: Path) -> None:
    text = page(publish(tmp_path, {"metrics": metrics("gpt")[:1]}))
    assert "about 100 (75 to 130) give gpt away by words" in said(text)


def test_missing_numbers_are_said(tmp_path: Path) -> None:
    nan = float("nan")
    none = dict.fromkeys(
        (
            "std_error",
            "ci_low",
            "ci_high",
            "p_value",
            "floor",
            "ratio_to_floor",
            "mde",
            "n_tell",
            "n_tell_low",
            "n_tell_high",
        ),
        nan,
    )
    bare = {**metrics("gpt")[0], **none, "blocks": 1}
    text = said(page(publish(tmp_path, {"metrics": [bare]})))
    assert "gpt has no tell size: fewer than 16 documents or prompts a side" in text
    assert "too few clusters" in text
    assert not re.search(r"\bnan\b", text.lower())


@pytest.mark.parametrize("models", [1, 200])
def test_the_size_is_bounded_however_many_models_there_are(tmp_path: Path, models: int) -> None:
    names = [f"model-{i:03d}" for i in range(models)]
    own = tables(["model-000"], HOSTILE)
    words = [f"{HOSTILE[i % len(HOSTILE)] if i < 40 else 'word'}{i}" for i in range(1_000)]
    own["ngrams"] = [r for n in (1, 2, 3, 4) for r in ngrams("model-000", words, n)]
    own["metrics"] = [
        r for s in ("", *(f"stratum {i}" for i in range(20))) for r in metrics("model-000", 3.0, s)
    ]
    large = {}
    for name, rows in own.items():
        table = pa.Table.from_pylist(rows, schema=schema.TABLES[name])
        place = table.column_names.index("model") if "model" in table.column_names else -1
        column = table.schema.field(place) if place >= 0 else None
        large[name] = (
            table
            if column is None
            else pa.concat_tables(
                table.set_column(place, column, pa.array([model] * len(table), column.type))
                for model in names
            )
        )
    run = publish(tmp_path, large)
    text = page(run)
    assert len(text.encode()) < LARGEST
    in_full = len(re.findall(r"<article", text)) or 1
    assert in_full <= min(models, MODELS)


def test_pages_need_jinja2_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins
    from typing import Any

    plain = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jinja2":
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    figure.environment.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EnvironmentProblem, match=r"dftspark\[report\]"):
        figure.environment()


def test_the_page_is_part_of_the_run(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path), "audit")
    seen = []

    def drawn(run: object) -> str:
        seen.append(run)
        return "<p>page</p>"

    run = writer.publish({"name": "audit"}, page=drawn)
    assert Path(run.page).read_text() == "<p>page</p>"
    assert open_run(str(tmp_path)).page == run.page
    assert len(seen) == 1


def test_a_page_that_fails_does_not_cost_the_run(tmp_path: Path) -> None:
    def fails(_: object) -> str:
        raise ZeroDivisionError("by zero")

    run = RunWriter.create(str(tmp_path), "audit").publish({"name": "audit"}, page=fails)
    assert run.page == ""
    assert open_run(str(tmp_path)).manifest["page"] == {"problem": "ZeroDivisionError: by zero"}


@pytest.mark.parametrize("q_value", [None, 0.05, 0.4])
def test_no_chip_and_no_list_has_a_row_that_is_not_told(
    tmp_path: Path, q_value: float | None
) -> None:
    found = tables(["gpt"], PLAIN)
    for name in ("document_ratios", "ngrams", "patterns"):
        found[name] = [row | {"q_value": q_value} for row in found[name]]
    text = page(publish(tmp_path, found))
    assert 'class="chips' not in text
    assert "No word and no construction stands out beyond chance." in said(text)
    assert "none is in more of them than chance gives" in said(text)
    assert "None differs by more than chance." in said(text)
    shift = text[text.index("fig shift") : text.index('id="gpt/clouds"')]
    rows = re.findall(r'<tr role="row"( class="faint")?><th role="rowheader".*?</th>', shift)
    assert rows
    assert all(rows), "parts of the distance that are no findings are faint"
    assert ("no test" if q_value is None else f"q = {q_value:.2g}") in said(shift)
