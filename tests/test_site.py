"""The site of the documentation as Sphinx builds it, and as people use it in headless Chromium."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import dftspark
from tests.report.browser import ROOT, chromium, look, requests, violations

pytestmark = [pytest.mark.program, pytest.mark.slow]  # half a minute of one core, most of it Sphinx


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it, where a warning is an error."""
    for package in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(package, reason="SITE NOT TESTED: the extra `docs` is not installed")
    out = tmp_path_factory.mktemp("site")
    strict = ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{out}.doctrees"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, str(ROOT / "docs"), str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    return out


class Page(HTMLParser):
    """Anchors of a page, where its links lead and what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids |= {named["id"]} if "id" in named else set()
        if "href" in named:
            (self.links if tag == "a" else self.loads).append(named["href"])
        self.loads += [named["src"]] if "src" in named else []


def test_every_link_leads_to_a_place_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {file: Page(file) for file in site.glob("*.html")}
    assert {f"{file.stem}.html" for file in (ROOT / "docs").glob("*.md")} <= {p.name for p in pages}
    for file, page in pages.items():
        for target in page.loads:
            assert target.startswith("#") or (site / urlsplit(target).path).is_file(), (
                f"{file.name} loads {target}"
            )
        for target in page.links:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            to = (site / parts.path) if parts.path else file
            assert to.is_file(), f"{file.name} links to {target}"
            if parts.fragment and to in pages:
                place = unquote(parts.fragment)
                assert place in pages[to].ids, f"{file.name} links to {target}"


def test_public_names_have_their_docstrings(site: Path) -> None:
    api = (site / "api.html").read_text(encoding="utf-8")
    for name in sorted(set(dftspark.__all__) - {"__version__"}):
        assert f'id="dftspark.{name}"' in api
    text = " ".join(api.split())
    assert "Opens a run by" in text
    assert 'id="dftspark.store.run.Run.table"' in api
    assert 'href="#dftspark.errors.DamagedRun"' in api, "errors in docstrings are links"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["index", "api", "configuration", "search"])
def test_a_page_asks_no_other_host(browser: Any, site: Path, name: str) -> None:
    look(browser, site / f"{name}.html")
    asked = requests(browser)
    assert len(asked) > 3
    assert not [url for url in asked if not url.startswith((site.as_uri(), "data:"))]
    assert browser.get_log("browser") == []


def results(driver: Any) -> list[str]:
    from selenium.webdriver.support.ui import WebDriverWait

    box = driver.find_element("id", "search-results")
    WebDriverWait(driver, 30).until(lambda _: "Search finished" in box.text)
    return [item.text for item in box.find_elements("css selector", "ul.search li > a")]


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("winner's curse", "Sampler sweeps"),
        ("open_run", "dftspark.open_run"),
        ("--junit", "Nightly"),
    ],
)
def test_search_finds_by_keyboard(browser: Any, served: str, words: str, title: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get_log("performance")
    browser.get(f"{served}/index.html")
    for _ in range(10):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.get_attribute("name") == "q":
            break
    browser.switch_to.active_element.send_keys(words, Keys.ENTER)
    listed = results(browser)
    assert any(title in item for item in listed), listed
    assert not [url for url in requests(browser) if not url.startswith((served, "data:"))]


def test_search_needs_no_server(browser: Any, site: Path) -> None:
    look(browser, site / "search.html")
    browser.get(f"{(site / 'search.html').as_uri()}?q=curse")
    listed = results(browser)
    assert any("Sampler sweeps" in item for item in listed), listed


def test_a_block_is_copied_by_keyboard(browser: Any, served: str) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    granted = {"origin": served, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", granted)
    browser.get(f"{served}/api.html")
    button = browser.find_element("css selector", "div.highlight button")
    button.send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: button.text == "Copied")
    taken = browser.execute_async_script(
        "var done = arguments[0]; navigator.clipboard.readText().then(done, e => done(String(e)))"
    )
    assert taken.startswith('import dftspark\n\nrun = dftspark.open_run("runs", "latest")\n')
    assert "Copy" not in taken


def test_a_phone_scrolls_down_only(browser: Any, site: Path) -> None:
    for file in sorted(site.glob("*.html")):
        look(browser, file, width=360)
        wide = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1], file.name


@pytest.mark.parametrize("name", ["index", "concepts", "configuration", "api"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_axe_finds_nothing(browser: Any, site: Path, name: str, scheme: str, width: int) -> None:
    look(browser, site / f"{name}.html", scheme, width)
    bad = violations(browser)
    assert not bad, json.dumps(bad, indent=1)


def test_the_dark_scheme_is_dark(browser: Any, site: Path) -> None:
    shades = []
    for scheme in ("light", "dark"):
        look(browser, site / "index.html", scheme)
        color = browser.find_element("css selector", "body").value_of_css_property(
            "background-color"
        )
        shades.append(int(color.partition("(")[2].split(",")[0]))
    assert shades[0] > 200 > 60 > shades[1]
