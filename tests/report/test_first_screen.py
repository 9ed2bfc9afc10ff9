"""The first screen, read as text: who, how far, by what, how sure, and what to be wary of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftspark.report.page.run import page
from dftspark.report.page.run_diff import page as diff_page
from dftspark.report.words.run_diff import diff
from dftspark.store.run import Run
from tests.report.browser import axe, chromium, look
from tests.report.page_runs import metrics, publish, row, tables

pytestmark = pytest.mark.program

TEXTS = ("tapestry", "delve", "a testament to", "in the end")
SIX = ("gpt-4", "opus", "gemini", "llama", "mistral", "command-r")
# What a reader must find of each kind: who, how far, by what, how sure, what to be wary of.
ANSWERS = {
    "one": ("gpt", "about 50", "100 by words", "p =", "3,000 model", "token tapestry"),
    "six": ("gpt-4", "command-r", "100", "by structure", "tied", "p =", "token tapestry"),
    "sweep": ("toy/0.05", "toy/2.00", "By words", "temperature", "atapestry", "p =", "token"),
    "checkpoints": ("ft/step-250", "step-8000", "By content", "checkpoint", "p =", "token"),
    "nights": ("gpt", "1 failed", "delve", "Words by night", "atapestry", "p =", "token"),
    "judge": ("gpt", "31%", "mini", "26% to 36%", "p = 0.001", "prefers longer texts"),
    "diff": ("gpt", "B is", "100", "words", "How sure", "p adjusted", "token tapestry"),
}
_SHOWN = """
const out = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode, range = document.createRange();
  if (text.parentElement.closest('script, style, .hidden, .skip')) continue;
  range.selectNodeContents(text);
  const box = range.getBoundingClientRect();
  if (box.width && box.bottom > 0 && box.bottom <= 900) out.push(text.textContent);
}
return out.join('').replace(/\\s+/g, ' ');
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("first")
    nights = [
        publish(folder / "nights", {"metrics": metrics("gpt", 90.0 + i)}, date=f"2026-11-0{i + 1}")
        for i in range(8)
    ]
    one = publish(folder / "one", tables(["gpt"], TEXTS))
    html = {
        "one": page(one),
        "six": page(publish(folder / "six", tables(SIX, TEXTS))),
        "sweep": page(_sweep(folder / "sweep", "toy", "temperature")),
        "checkpoints": page(_sweep(folder / "steps", "ft", "checkpoint")),
        "nights": page(one, nights),
        "judge": page(_judged(folder / "judge")),
        "diff": diff_page(nights[0], one, diff(nights[0], one)),
    }
    for name, text in html.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in html}


def _sweep(out: Path, name: str, axis: str) -> Run:
    """40 temperatures, or six checkpoints."""
    values = [f"{i / 20:.2f}" for i in range(1, 41)]
    if axis == "checkpoint":
        values = [f"step-{n}" for n in (250, 500, 1000, 2000, 4000, 8000)]
    models = [f"{name}/{value}" for value in values]
    found = tables(models, TEXTS)
    found["metrics"] = [m for i, model in enumerate(models) for m in metrics(model, 30.0 + 20 * i)]
    best = models[len(models) // 2]
    found["samplers"] = [
        row(
            "samplers",
            sweep=name,
            model=model,
            settings=[(axis, value)],
            challenger=False,
            metric="js_1gram",
            better="lower",
            super_baseline=model == best,
        )
        for model, value in zip(models, values, strict=True)
    ]
    found["super_baseline"] = [
        row(
            "super_baseline",
            sweep=name,
            metric="js_1gram",
            judged=True,
            settings=len(models),
            best=best,
            better="lower",
        )
    ]
    return publish(out, found, name=name)


def _judged(out: Path) -> Run:
    nothing = dict.fromkeys(("floor", "n_tell", "n_tell_low", "n_tell_high"), float("nan"))
    said = row(
        "metrics",
        model="gpt",
        lens="judge",
        metric="jmq_overall:mini",
        better="parity",
        value=0.62,
        ci_low=0.52,
        ci_high=0.72,
        p_value=0.001,
    )
    told: dict[str, Any] = {"judge": {"warnings": ["mini prefers longer texts"]}}
    return publish(out, {"metrics": [said | nothing]}, **told)


@pytest.mark.parametrize("kind", ANSWERS)
def test_it_answers_and_the_rest_is_two_screens(
    browser: Any, pages: dict[str, Path], kind: str
) -> None:
    look(browser, pages[kind])
    shown = browser.execute_script(_SHOWN)
    plain = shown.replace("'", "").lower()
    missing = [said for said in ANSWERS[kind] if said.lower() not in plain]
    assert not missing, shown
    assert browser.execute_script("return document.documentElement.scrollHeight") <= 3 * 900


@pytest.mark.parametrize("kind", [pytest.param("sweep", marks=pytest.mark.slow), "nights", "diff"])
def test_axe_finds_nothing_on_them(browser: Any, pages: dict[str, Path], kind: str) -> None:
    source = axe()
    look(browser, pages[kind], "dark", 360)
    assert browser.get_log("browser") == []
    browser.set_script_timeout(300)
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    width, window = browser.execute_script(wide)
    assert width <= window, "a phone scrolls down only"
    browser.execute_script(source)
    found = browser.execute_async_script(
        "var done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r), e => done({error: String(e)}))"
    )
    assert "error" not in found, found
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
