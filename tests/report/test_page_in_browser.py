"""The page as people see it: in headless Chromium, in both color schemes and on a phone."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftspark.report.page.overview import overview
from dftspark.report.page.run import page
from dftspark.store.listing import runs
from dftspark.store.run import Run
from tests.report.browser import chromium, look, requests, violations
from tests.report.page_runs import SCRIPT, made, metrics, publish, row, tables

pytestmark = pytest.mark.program

WORDS = "Plain words of a text that a model wrote, enough of them to be swapped for fruits " * 2


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model; hostile ones with nights; with the swap; over a store."""
    folder = tmp_path_factory.mktemp("pages")
    plain = made(folder / "plain", texts=[WORDS, "tapestry", "delve", "a testament to"])
    names = [SCRIPT, "second"]
    nights = [
        publish(
            folder / "nights",
            {"metrics": [m for name in names for m in metrics(name, 50.0 * (2 + i), told=i != 1)]},
            name="nightly",
            date=f"2026-11-{i + 1:02d}",
        )
        for i in range(4)
    ]
    for day in (1, 2):  # a second audit in the store
        day_rows = {"metrics": metrics("third", 60.0 * day)}
        publish(folder / "nights", day_rows, name="other", date=f"2026-11-0{day}")
    found = {
        "plain": page(plain),
        "hostile": page(made(folder / "hostile", models=names), nights),
        "crowded": page(crowded(folder / "crowded")),
        "swapping": page(plain, copy_swap=True),
        "judge": page(judged(folder / "judge")),
        "store": overview(str(folder / "nights"), runs(str(folder / "nights")), {}),
    }
    for name, text in found.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8", errors="backslashreplace")
    return {name: folder / f"{name}.html" for name in found}


def crowded(out: Path) -> Run:
    """Eight regions whose peaks lie in a few cells of the map."""
    found = tables(["gpt"], ["plain"])
    names = ("tense", "teacher", "learners", "automotive", "MMMMMMMM", "cattle", "butte", "hottest")
    found["regions"] = [
        row("regions", model="gpt", region=r, mass=0.1 - r / 100, within=0.0, label=[name])
        for r, name in enumerate(names)
    ]
    found["cloud_map"] += [
        row(
            "cloud_map",
            corpus="web",
            role="human",
            region=r,
            x=24 + r % 3,
            y=24 + r // 3,
            documents=5_000,
        )
        for r in range(len(names))
    ]
    return publish(out, found)


def judged(out: Path) -> Run:
    """Two models of which only a judge was asked, with a control and a warning."""
    said = {"lens": "judge", "metric": "jmq_overall:mini", "better": "parity", "p_value": 0.001}
    nothing = dict.fromkeys(("floor", "n_tell", "n_tell_low", "n_tell_high"), float("nan"))
    models = ("gpt", "other")
    rates = [
        row("win_rates", model=model, kind=kind, against="web", judge="mini", dimension="overall")
        for model in models
        for kind in ("model", "broken")
    ]
    rows = [row("metrics", model=model, value=0.6, **said, **nothing) for model in models]
    told: dict[str, Any] = {"judge": {"warnings": ["mini prefers longer texts"]}}
    return publish(out, {"metrics": rows, "win_rates": rates}, **told)


KINDS = ("plain", "hostile", "judge", "store")


@pytest.mark.parametrize("kind", KINDS)
def test_it_loads_in_silence_and_alone(browser: Any, pages: dict[str, Path], kind: str) -> None:
    look(browser, pages[kind])
    assert browser.get_log("browser") == []
    assert requests(browser) == [pages[kind].as_uri()]


def test_no_script_of_a_document_runs(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["hostile"])
    assert "owned" not in browser.title.split("·")[1]
    assert browser.execute_script("return document.images.length") == 0
    assert "onerror" in browser.find_element("css selector", "h1").text, "it is shown as text"


def test_charts_are_there_and_have_a_size(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["hostile"])
    browser.execute_script("document.querySelectorAll('.chapter').forEach(e => { e.open = true; })")
    boxes = browser.execute_script(
        "return Array.from(document.querySelectorAll('figure svg[role=img], td svg'))"
        ".filter(e => !e.closest('details:not([open])')).map(e => e.getBoundingClientRect())"
        ".map(b => [b.width, b.height])"
    )
    assert len(boxes) > 60
    assert min(min(box) for box in boxes) >= 18
    marks = browser.execute_script(
        "return ['circle.dot', 'rect.over', 'rect.under', 'path.model', 'line.step']"
        ".map(s => document.querySelectorAll(s).length)"
    )
    assert all(marks)


@pytest.mark.parametrize("kind", ["plain", "crowded"])
@pytest.mark.parametrize("width", [1200, 360])
def test_names_on_the_map_do_not_overlap(
    browser: Any, pages: dict[str, Path], kind: str, width: int
) -> None:
    look(browser, pages[kind], width=width)
    maps = browser.execute_script(
        "return Array.from(document.querySelectorAll('.map svg')).map(m => { const f ="
        " m.getBoundingClientRect(); return Array.from(m.querySelectorAll('.spot, .name')).map(e =>"
        " { const b = e.getBoundingClientRect(); return [b.left - f.left, b.top - f.top,"
        " f.right - b.right, f.bottom - b.bottom, b.left, b.top, b.right, b.bottom]; }); })"
    )
    assert len(maps) == 2
    for boxes in maps:
        assert len(boxes) >= (6 if kind == "plain" else 12)
        assert min(min(box[:4]) for box in boxes) > -1, "inside the map, but for rounding"
        for a, b in itertools.combinations([box[4:] for box in boxes], 2):
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            # A line of text is higher than its letters, by a third of a pixel each way at most.
            assert min(across, down) < 1, (a, b)


def test_a_word_is_explained_on_a_tap(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["plain"], width=360)
    shown = "return Array.from(document.querySelectorAll('.meaning:popover-open')).map(e => e.id)"
    assert browser.execute_script(shown) == []
    words = browser.find_elements("css selector", "button.word")
    assert len(words) >= 6
    for word in words:
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", word)
        word.click()
        (opened,) = browser.execute_script(shown)
        assert opened == word.get_attribute("popovertarget")
        browser.execute_script("document.getElementById(arguments[0]).hidePopover()", opened)


def test_text_in_charts_and_excerpts_can_be_selected(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["plain"])
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    for place in ("blockquote", "svg text", "td.n"):
        selected = browser.execute_script(
            "var s = getSelection(), e = document.querySelector(arguments[0]);"
            "s.selectAllChildren(e); return [s.toString(), e.textContent]",
            place,
        )
        assert selected[0].strip()
        assert selected[0].split() == selected[1].split()


def copied(browser: Any, selector: str) -> tuple[str, str]:
    """What stands there, and what Ctrl+C puts on the clipboard."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    text = browser.execute_script(
        "var e = document.querySelector(arguments[0]); window.copied = null;"
        "addEventListener('copy', function (event) { window.copied = event.defaultPrevented ?"
        " event.clipboardData.getData('text/plain') : getSelection().toString(); }, {once: true});"
        "e.scrollIntoView(); getSelection().selectAllChildren(e); return e.textContent",
        selector,
    )
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("c").key_up(Keys.CONTROL).perform()
    return text, browser.execute_script("return window.copied")


def test_copying_an_excerpt_swaps_a_few_words(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["swapping"])
    text, taken = copied(browser, ".excerpt blockquote")
    before, after = text.split(), taken.split()
    assert taken != text
    strange = set(
        re.findall(r'"([a-z ]+)"', browser.page_source.split("strange = [")[1].split("]")[0])
    )
    assert any(fruit in taken for fruit in strange)
    kept = sum(word in before for word in after)
    assert kept >= 0.7 * len(before), "a few words, not most"
    note = browser.find_element("id", "swapped")
    assert "fruits and animals" in note.text
    browser.execute_script(
        "addEventListener('copy', e => { window.copied = e.clipboardData.getData('text/plain'); })"
    )
    note.find_element("xpath", ".//button[text()='Copy as is']").click()
    assert browser.execute_script("return window.copied").split() == before
    assert not browser.find_elements("id", "swapped")


def test_copying_numbers_copies_numbers(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["swapping"])
    text, taken = copied(browser, ".chapter td.n")
    assert taken.split() == text.split()


def test_copying_leaves_an_excerpt_as_it_is(browser: Any, pages: dict[str, Path]) -> None:
    look(browser, pages["plain"])
    text, taken = copied(browser, ".excerpt blockquote")
    assert taken.split() == text.split()


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_scrolls_down_only(browser: Any, pages: dict[str, Path], kind: str) -> None:
    look(browser, pages[kind], width=360)
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_axe_finds_nothing(
    browser: Any, pages: dict[str, Path], kind: str, scheme: str, width: int
) -> None:
    look(browser, pages[kind], scheme, width)
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    bad = violations(browser)
    assert not bad, json.dumps(bad, indent=1)


def test_the_keyboard_reaches_all_links(browser: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, pages["plain"])
    reached = set()
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focus = "var e = document.activeElement; return e.getAttribute('href') || e.tagName"
        reached.add(browser.execute_script(focus))
    of_model = ("measures", "words", "clouds", "structure", "examples")
    wanted = {"#main", "#how", "SUMMARY", *(f"#gpt/{name}" for name in of_model)}
    assert wanted <= reached


def test_it_prints(browser: Any, pages: dict[str, Path]) -> None:
    import base64

    look(browser, pages["plain"])
    paper = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    assert base64.b64decode(paper["data"]).startswith(b"%PDF")
