"""What a reader can ask of a page: sort, filter, search, open, point at, link. In a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftspark.report.page.run import page
from tests.report.browser import axe, chromium, look
from tests.report.page_runs import SCRIPT, made, publish, row, tables, without

pytestmark = pytest.mark.program

PHRASES = ("a testament to", "rich tapestry", "delve deeper", "bustling", SCRIPT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two models whose phrases stand in excerpts of both sides."""
    folder = tmp_path_factory.mktemp("asked")
    found = tables(["gpt-4", "org/other"], ["plain"])
    for name in ("ngrams", "document_ratios"):
        found[name] = []
    for model in ("gpt-4", "org/other"):
        for i, text in enumerate(PHRASES):
            for n in range(7):
                found["ngrams"].append(_phrase(model, text, i, n))
        found["document_ratios"].append(_word(model))
    target = folder / "page.html"
    target.write_text(page(publish(folder / "runs", found)), encoding="utf-8")
    return target


def _phrase(model: str, text: str, i: int, n: int) -> dict[str, Any]:
    """A listed n-gram; of seven with one text, in longer and longer ones, the first is the text."""
    whole = " ".join([text, *(f"and{k}" for k in range(n))])
    return row(
        "ngrams",
        model=model,
        n=len(whole.split()),
        text=whole,
        tokens=whole.split(),
        docs_human=3 + i,
        docs_model=900 - 10 * i - n,
        per_million_human=1.0,
        per_million_model=100.0 + i,
        q_value=1e-6,
        contribution=0.01,
        share=0.01 / (1 + n),
        example_human=f"It is {whole}, said a person." if n < 2 else None,
        example_model=f"It stands as {whole} once more.",
        example_human_id=f"h{n}",
        example_model_id=f"{model} m{n}",
    )


def _word(model: str) -> dict[str, Any]:
    return row(
        "document_ratios",
        model=model,
        token="newfound",
        share_human=0.001,
        share_model=0.2,
        ratio=150.0,
        q_value=1e-6,
    )


def texts(browser: Any, selector: str) -> list[str]:
    shown: list[str] = browser.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0])).filter(e => e.offsetParent)"
        ".map(e => e.textContent.trim())",
        selector,
    )
    return shown


def at(browser: Any, asked: Path, place: str = "", **how: Any) -> None:
    look(browser, asked, **how)
    if place:
        browser.execute_script("location.hash = arguments[0]", f"#{place}")


def opened(browser: Any) -> list[str]:
    bodies: list[str] = browser.execute_script(
        "return Array.from(document.querySelectorAll('.chapter[open] > .body')).map(e => e.id)"
    )
    return bodies


def test_chapters_are_closed_and_a_link_opens_its_own(browser: Any, asked: Path) -> None:
    look(browser, asked)
    assert opened(browser) == []
    at(browser, asked, "gpt-4/words")
    assert opened(browser) == ["gpt-4", "gpt-4/words"]
    top = browser.execute_script(
        "return document.getElementById('gpt-4/words').getBoundingClientRect().top"
    )
    assert 0 <= top < 300, "it is what one sees"


def test_a_chapter_gives_its_link(browser: Any, asked: Path) -> None:
    at(browser, asked, "org-other/structure")
    browser.execute_script(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: t => { window.copied = t; return Promise.resolve(); }}})"
    )
    browser.execute_script(
        "document.getElementById('org-other/structure').querySelector('button.link').click()"
    )
    assert browser.execute_script("return window.copied").endswith("#org-other/structure")


def test_a_table_is_sorted_by_its_heads(browser: Any, asked: Path) -> None:
    at(browser, asked, "gpt-4/structure")
    first = "[id='gpt-4/structure'] > table"
    column = f"{first} tbody td[data-is=ratio]"
    before = texts(browser, column)
    head = browser.find_element("xpath", "//*[@id='gpt-4/structure']/table//button[text()='ratio']")
    values = []
    for _ in range(2):
        browser.execute_script("arguments[0].click()", head)
        values.append([float(t.removesuffix("×").replace(",", "")) for t in texts(browser, column)])
    assert len(before) >= 8
    assert values[0] == sorted(values[0], reverse=True), "numbers: the largest first"
    assert values[1] == sorted(values[1])
    assert texts(browser, f"{first} th[aria-sort=ascending]") == ["ratio"]


def test_a_head_with_an_explained_word_sorts_and_explains(browser: Any, asked: Path) -> None:
    look(browser, asked)
    head = browser.find_element("css selector", ".beside-models th.lens")
    head.find_element("css selector", "button.word").click()
    (meaning,) = browser.find_elements("css selector", "[popover]:popover-open")
    assert meaning.text, "the explanation"
    assert not texts(browser, ".beside-models [aria-sort]"), "that is all"
    browser.execute_script("document.querySelector('[popover]:popover-open').hidePopover()")
    head.find_element("css selector", "button.sort").click()
    assert texts(browser, ".beside-models [aria-sort] .sort") == ["by words"]


def test_a_table_is_filtered_by_words(browser: Any, asked: Path) -> None:
    at(browser, asked, "gpt-4/structure")
    rows = "[id='gpt-4/structure'] > table tbody th"
    every = texts(browser, rows)
    field = browser.find_element("css selector", "[id='gpt-4/structure'] > .asking input")
    field.send_keys("CONSTRUCTION 29a")
    left = texts(browser, rows)
    assert len(every) > len(left) == 1
    assert left[0].startswith("construction 29")
    field.clear()
    field.send_keys("nothing like this")
    assert texts(browser, rows) == []


def test_all_phrases_can_be_searched(browser: Any, asked: Path) -> None:
    at(browser, asked, "search")
    field = browser.find_element("id", "phrase")
    field.send_keys("tapestry")
    found = texts(browser, "table.results tbody th")
    assert found
    assert all("tapestry" in text for text in found)
    models = browser.find_element("id", "phrase-model")
    models.find_element("xpath", ".//option[text()='gpt-4']").click()
    assert len(texts(browser, "table.results tbody th")) == len(found) / 2
    field.clear()
    field.send_keys("construction")
    assert set(texts(browser, "table.results tbody td:nth-child(2)")) == {"construction"}


@pytest.mark.parametrize("width", [1200, 360])
def test_a_phrase_opens_to_where_it_stands(browser: Any, asked: Path, width: int) -> None:
    from selenium.webdriver.common.keys import Keys

    at(browser, asked, "search", width=width)
    browser.find_element("id", "phrase").send_keys("rich tapestry")
    browser.find_element("css selector", "table.results button.open").click()
    assert texts(browser, "dialog h2") == ["rich tapestry"]
    ids = texts(browser, "dialog figcaption")
    assert len([text for text in ids if text.startswith("h")]) == 2
    assert len([text for text in ids if " m" in text]) == 5, "five documents a side at most"
    assert {text.lower() for text in texts(browser, "dialog mark")} == {"rich tapestry"}
    assert "--document ID" in texts(browser, "dialog code")[0]
    wide = browser.execute_script(
        "var d = document.querySelector('dialog');return [d.scrollWidth, d.clientWidth]"
    )
    assert wide[0] <= wide[1]
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert texts(browser, "dialog h2") == []


@pytest.mark.parametrize("width", [1200, 360])
def test_a_construction_opens_to_where_it_stands(browser: Any, asked: Path, width: int) -> None:
    at(browser, asked, "search", width=width)
    browser.find_element("id", "phrase").send_keys("construction")
    browser.find_element("css selector", "table.results button.open").click()
    (heading,) = texts(browser, "dialog h2")
    assert heading.startswith("construction")
    names = [text.split()[0] for text in texts(browser, "dialog figcaption")]
    assert names == ["h", "h2", "m", "m2", "m3", "m4", "m5"]
    browser.execute_script(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: t => { window.copied = t; return Promise.resolve(); }}})"
    )
    browser.execute_script("document.querySelectorAll('dialog figcaption button')[6].click()")
    assert browser.execute_script("return window.copied").endswith(" --document m5")
    wide = browser.execute_script(
        "var d = document.querySelector('dialog');return [d.scrollWidth, d.clientWidth]"
    )
    assert wide[0] <= wide[1]


def test_a_run_that_kept_one_example_a_side_opens_to_it(browser: Any, tmp_path: Path) -> None:
    run = without(made(tmp_path / "runs", ["gpt-4"], ["plain"]), "patterns", "examples_")
    assert "examples_human" not in run.columns("patterns")
    target = tmp_path / "page.html"
    target.write_text(page(run), encoding="utf-8")
    at(browser, target, "search")
    browser.find_element("id", "phrase").send_keys("construction")
    browser.find_element("css selector", "table.results button.open").click()
    assert [text.split()[0] for text in texts(browser, "dialog figcaption")] == ["h", "m"]


def test_a_chip_of_the_first_screen_opens_too(browser: Any, asked: Path) -> None:
    at(browser, asked, "gpt-4")
    chip = browser.find_element("css selector", "[id='gpt-4'] .chips button.open")
    name = chip.text
    chip.click()
    (heading,) = texts(browser, "dialog h2")
    assert name[:20] == heading[:20]


def test_text_of_a_document_is_text_there_too(browser: Any, asked: Path) -> None:
    at(browser, asked, "search")
    browser.find_element("id", "phrase").send_keys("onerror")
    browser.find_element("css selector", "table.results button.open").click()
    assert "onerror" in texts(browser, "dialog h2")[0]
    assert browser.execute_script("return document.images.length") == 0
    assert "owned" not in browser.title


def test_a_chart_says_its_values_where_it_is_pointed_at(browser: Any, asked: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    look(browser, asked)
    mark = browser.find_element("css selector", ".beside-models td.lens svg")
    ActionChains(browser).move_to_element(mark).perform()
    (said,) = texts(browser, ".tip") or [
        browser.execute_script(
            "var t = document.querySelector('.tip'); return t.hidden ? '' : t.textContent"
        )
    ]
    assert "95% interval" in said


def test_axe_finds_nothing_in_what_is_opened(browser: Any, asked: Path) -> None:
    source = axe()
    at(browser, asked, "search")
    browser.find_element("id", "phrase").send_keys("rich tapestry")
    browser.find_element("css selector", "table.results button.open").click()
    browser.set_script_timeout(300)
    browser.execute_script(source)
    found = browser.execute_async_script(
        "var done = arguments[0]; axe.run('dialog', {resultTypes: ['violations']})"
        ".then(r => done(r.violations.map(v => v.id)), e => done([String(e)]))"
    )
    assert found == []


def test_paper_has_everything(browser: Any, asked: Path) -> None:
    look(browser, asked)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(opened(browser)) == len(browser.find_elements("css selector", ".chapter > .body"))
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert opened(browser) == []


def test_without_a_script_everything_can_be_read(browser: Any, asked: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get("about:blank")
        browser.get(f"{asked.as_uri()}#gpt-4/words")
        text = browser.find_element("css selector", "main").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Words that give the model away" in text, "the link opened its chapter"
    assert "newfound" in text
    assert not texts(browser, "button.sort")
