"""The writing page as a person uses it: in headless Chromium, while texts are written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dftspark.writing.band import HumanBand, HumanRate
from dftspark.writing.marks import marked
from tests.report.browser import axe, chromium
from tests.writing.endpoint import Slow, streaming
from tests.writing.served import Served, asked, serving

pytestmark = pytest.mark.program

SCRIPT = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
TEXT = (
    "It's not a fox, it's a rumor. The den was dry, warm, and quiet, and nobody came. "
    "However, the night was long \N{EM DASH} longer than the road.\n\nShe waited. "
)
WORDS = [f"{word} " for word in (TEXT + TEXT).replace("\n\n", "\n\n ").split(" ")]
BAND = HumanBand("essays", 1_200, {"em_dash": HumanRate(0.002, 1.0)})


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    marked("What compiled code takes to load is no part of these tests.")
    with chromium(tmp_path_factory.mktemp("profile"), "none") as driver:
        yield driver


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., tuple[Served, list[Slow]]]]:
    """Opens the page of endpoints in the browser, with its form filled by address."""
    with ExitStack() as stack:

        def made(*slow: Slow, kept: Path | None = None) -> tuple[Served, list[Slow]]:
            endpoints = [stack.enter_context(streaming(one)) for one in slow]
            names = ["tuned", "sft"][: len(slow)]
            engines = [asked(e.url, name) for e, name in zip(endpoints, names, strict=True)]
            page = stack.enter_context(serving(engines, BAND, kept))
            emulate(browser)
            browser.get(page.address)
            until(browser, "form.brief")
            return page, endpoints

        yield made


def emulate(driver: Any, scheme: str = "light", width: int = 1200) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def until(driver: Any, selector: str, text: str = "", seconds: float = 30.0) -> Any:
    """Waits for an element that holds the text, and returns it."""
    from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    def there(_: Any) -> Any:
        elements = driver.find_elements("css selector", selector)
        return next((one for one in elements if text in one.get_attribute("textContent")), None)

    ignored = (StaleElementReferenceException, WebDriverException)
    return WebDriverWait(driver, seconds, 0.05, ignored).until(there, f"{selector} with {text!r}")


def fill(driver: Any, **fields: str) -> None:
    for name, value in fields.items():
        element = driver.find_element("id", name)
        element.clear()
        element.send_keys(value)


def send(driver: Any) -> None:
    driver.find_element("css selector", "button.main").click()


def words_of(driver: Any, selector: str = "blockquote[data-excerpt]") -> str:
    return str(until(driver, selector).get_attribute("textContent"))


def test_words_are_read_before_the_next_are_written(browser: Any, opened: Any) -> None:
    """The endpoint says nothing more until the page shows what it has said."""
    _, (slow,) = opened(Slow(["Foxes ", "sleep ", "by day."], held=1))
    browser.get_log("browser")
    fill(browser, prompt="A note on foxes")
    send(browser)
    until(browser, "blockquote[data-excerpt]", "Foxes ")
    assert slow.ended == 0
    assert "sleep" not in words_of(browser)
    slow.go.set()
    assert until(browser, ".in-place blockquote").get_attribute("textContent") == (
        "Foxes sleep by day."
    )
    assert not browser.find_element("css selector", ".plain").is_displayed()
    assert not browser.find_element("css selector", ".stop").is_displayed()
    assert browser.find_element("id", "prompt").get_attribute("value") == "A note on foxes"
    assert browser.get_log("browser") == []


def copied(driver: Any, selector: str) -> tuple[str, str]:
    """What stands there, and what Ctrl+C puts on the clipboard."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    text = driver.execute_script(
        "var e = document.querySelector(arguments[0]); window.copied = null;"
        "addEventListener('copy', function (event) { window.copied = event.defaultPrevented ?"
        " event.clipboardData.getData('text/plain') : getSelection().toString(); }, {once: true});"
        "getSelection().selectAllChildren(e); return e.textContent",
        selector,
    )
    ActionChains(driver).key_down(Keys.CONTROL).send_keys("c").key_up(Keys.CONTROL).perform()
    return str(text), str(driver.execute_script("return window.copied"))


def dragged(driver: Any, selector: str) -> tuple[str, str]:
    """What stands there, and what dragging it away would carry."""
    carried = driver.execute_script(
        "var e = document.querySelector(arguments[0]), data = new DataTransfer();"
        "getSelection().selectAllChildren(e); data.setData('text/html', e.innerHTML);"
        "e.dispatchEvent(new DragEvent('dragstart', {dataTransfer: data, bubbles: true}));"
        "return [e.textContent, data.getData('text/plain'), data.getData('text/html')]",
        selector,
    )
    assert carried[2] == ""
    return str(carried[0]), str(carried[1])


def strange(driver: Any) -> set[str]:
    listed = driver.page_source.split("strange = [")[1].split("]")[0]
    return set(re.findall(r'"([a-z ]+)"', listed))


def swapped(driver: Any, before: str, after: str) -> None:
    assert any(fruit in after for fruit in strange(driver))
    kept = sum(word in before.split() for word in after.split())
    assert len(before.split()) > kept >= 0.7 * len(before.split()), "a few words, not most"


def test_copying_swaps_words_while_the_text_is_written_and_after(browser: Any, opened: Any) -> None:
    _, (slow,) = opened(Slow(WORDS, pause=0.0, held=30))
    fill(browser, prompt="A note on foxes")
    send(browser)
    until(browser, "blockquote[data-excerpt]", WORDS[29].strip())
    assert slow.ended == 0
    swapped(browser, *copied(browser, "blockquote[data-excerpt]"))
    swapped(browser, *dragged(browser, "blockquote[data-excerpt]"))
    slow.go.set()
    until(browser, ".in-place blockquote mark")
    swapped(browser, *copied(browser, ".in-place blockquote"))
    text, taken = copied(browser, ".facts")
    assert taken.split() == text.split(), "what is not a text is copied as it is"


def test_what_a_model_or_a_person_writes_is_text(browser: Any, opened: Any) -> None:
    _, (slow,) = opened(Slow(["Foxes ", SCRIPT, "</blockquote>", "\x00&amp; end."], pause=0.0))
    browser.get_log("browser")
    fill(browser, prompt=SCRIPT, style='"><b>bold</b>')
    send(browser)
    shown = until(browser, ".in-place blockquote", "end.").get_attribute("textContent")
    assert shown == f"Foxes {SCRIPT}</blockquote>&amp; end."
    assert browser.title == "Write · dftspark"
    assert browser.execute_script("return document.images.length") == 0
    assert browser.find_element("id", "prompt").get_attribute("value") == SCRIPT
    assert browser.find_element("id", "style").get_attribute("value") == '"><b>bold</b>'
    assert SCRIPT in slow.requests[0]["messages"][0]["content"]
    assert browser.get_log("browser") == []


def test_stop_ends_the_request_and_the_page_stays(browser: Any, opened: Any) -> None:
    page, (slow,) = opened(Slow(WORDS, pause=0.0, held=12))
    fill(browser, prompt="A note on foxes", outline="red\nshy")
    send(browser)
    until(browser, "blockquote[data-excerpt]", WORDS[11].strip())
    until(browser, ".stop button").click()
    assert slow.until(lambda e: e.given_up == 1)
    stopped = until(browser, ".in-place .written", "Stopped.")
    assert WORDS[11].strip() in stopped.text
    assert browser.find_element("id", "outline").get_attribute("value") == "red\nshy"
    assert browser.current_url == f"http://127.0.0.1:{page.port}/write"
    assert (slow.ended, len(slow.requests)) == (0, 1)
    assert not page.desk.busy


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(0, id="before the first word", marks=pytest.mark.slow),
        pytest.param(12, id="between words"),
    ],
)
def test_closing_the_tab_ends_the_request(browser: Any, opened: Any, held: int) -> None:
    page, (slow,) = opened(Slow(WORDS, pause=0.0, held=held))
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(f"http://127.0.0.1:{page.port}/")
    until(browser, "form.brief")
    fill(browser, prompt="A note on foxes")
    send(browser)
    assert slow.until(lambda e: e.now == 1)
    until(browser, ".stop button")
    browser.close()
    browser.switch_to.window(first)
    assert slow.until(lambda e: e.given_up == 1)
    assert slow.ended == 0


def test_without_script_it_writes_as_well(browser: Any, opened: Any) -> None:
    page, _ = opened(Slow(WORDS, pause=0.0))
    off = "Emulation.setScriptExecutionDisabled"
    browser.execute_cdp_cmd(off, {"value": True})
    try:
        browser.get(f"http://127.0.0.1:{page.port}/")
        until(browser, "form.brief")
        fill(browser, prompt="A note on foxes")
        send(browser)
        until(browser, ".in-place mark")
        fill(browser, prompt="")
        send(browser)
        assert "Prompt is empty" in until(browser, "#prompt-wrong").text
    finally:
        browser.execute_cdp_cmd(off, {"value": False})


def test_the_keyboard_is_enough(browser: Any, opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    _, (slow,) = opened(Slow(WORDS, pause=0.0, held=12))

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    def reach(selector: str) -> None:
        focus = "return document.activeElement.matches(arguments[0])"
        for _ in range(40):
            if browser.execute_script(focus, selector):
                return
            press(Keys.TAB)
        raise AssertionError(f"no Tab leads to {selector}")

    reach("#prompt")
    press("A note on foxes", Keys.TAB, "red", Keys.TAB, "plain", Keys.TAB, "a leaflet", Keys.TAB)
    press(Keys.CONTROL, "a", Keys.NULL, "250", Keys.TAB, Keys.ARROW_RIGHT)
    reach("button.main")
    press(Keys.ENTER)
    until(browser, "blockquote[data-excerpt]", WORDS[11].strip())
    asked = slow.requests[0]["messages"][0]["content"]
    for part in ("A note on foxes", "red", "plain", "a leaflet", "about 250", "are welcome"):
        assert part in asked
    reach(".stop button")
    press(Keys.ENTER)
    until(browser, ".in-place .written", "Stopped.")
    reach("a.number")
    press(Keys.ENTER)
    row = browser.execute_script("return document.querySelector(':target').textContent")
    assert "contrast" in row


def test_constructions_are_marked_beside_the_human_band_and_nothing_is_scored(
    browser: Any, opened: Any
) -> None:
    opened(Slow(WORDS, pause=0.0))
    fill(browser, prompt="A note on foxes")
    send(browser)
    text = until(browser, ".in-place blockquote")
    assert text.get_attribute("textContent") == "".join(WORDS).strip()
    marks = [mark.text for mark in browser.find_elements("css selector", ".in-place mark")]
    assert marks.count("\N{EM DASH}") == 2
    rows = [row.text for row in browser.find_elements("css selector", ".in-place tbody tr")]
    (dash,) = [row for row in rows if "em dash" in row]
    assert dash.split("\n")[-1].split() == ["2", "0–1"] or dash.endswith("2 0–1")
    facts = until(browser, ".facts").text
    assert "No em-dash was asked for, and the text has 2." in facts
    page = browser.find_element("css selector", "main").text
    assert "Why there is no score" in page
    assert "%" not in page.replace("95% of texts of the corpus essays", "")


def pair(browser: Any) -> None:
    fill(browser, prompt="A note on foxes")
    send(browser)
    until(browser, "form.pick")


def test_two_texts_are_picked_from_blindly_and_then_named(
    browser: Any, opened: Any, tmp_path: Path
) -> None:
    opened(Slow(["Tuned words."]), Slow(["Plain words."]), kept=tmp_path / "picks")
    pair(browser)
    body = browser.find_element("tag name", "body").get_attribute("innerHTML")
    assert "tuned" not in body
    assert "sft" not in body
    assert not browser.find_element("name", "consent").is_selected()
    texts = [one.text for one in browser.find_elements("css selector", "blockquote")]
    assert sorted(texts) == ["Plain words.", "Tuned words."]
    browser.find_element("css selector", "button[value=A]").click()
    said = until(browser, ".picked").text
    names = ("tuned", "sft") if texts[0].startswith("Tuned") else ("sft", "tuned")
    assert f"Text A is by {names[0]}, text B by {names[1]}. You picked text A" in said
    assert "Nothing was kept." in said
    assert not (tmp_path / "picks").exists()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [pytest.param("light", 1200, marks=pytest.mark.slow), ("dark", 360)],
)
def test_axe_finds_nothing_and_a_phone_scrolls_down_only(
    browser: Any, opened: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    source = axe()
    opened(Slow(WORDS, pause=0.0), Slow(WORDS[::-1], pause=0.0), kept=tmp_path / "picks")
    emulate(browser, scheme, width)
    clean(browser, source, "form")
    fill(browser, words="5")
    send(browser)
    until(browser, "#words-wrong")
    clean(browser, source, "mistakes")
    fill(browser, words="200")
    pair(browser)
    clean(browser, source, "pair")
    browser.find_element("css selector", "button[value=tie]").click()
    until(browser, ".picked")
    clean(browser, source, "picked")
    opened(Slow(WORDS, pause=0.0, held=30))
    emulate(browser, scheme, width)
    fill(browser, prompt="A note on foxes")
    send(browser)
    until(browser, "blockquote[data-excerpt]", WORDS[29].strip())
    clean(browser, source, "while it is written")
    until(browser, ".stop button").click()
    until(browser, ".in-place .written", "Stopped.")
    clean(browser, source, "stopped and marked")


def clean(browser: Any, source: str, what: str) -> None:
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1], what
    browser.set_script_timeout(120)
    browser.execute_script(source)
    report = browser.execute_async_script(
        "var done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r), e => done({error: String(e)}))"
    )
    assert "error" not in report, report
    bad = [(v["id"], v["nodes"][0]["html"][:200]) for v in report["violations"]]
    assert not bad, f"{what}: {json.dumps(bad, indent=1)}"
