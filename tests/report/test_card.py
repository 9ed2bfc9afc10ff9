"""A run to paste: a picture of one size, and Markdown in which untrusted text is only text."""

from __future__ import annotations

import re
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dftspark import cli
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.report.page import card
from dftspark.report.words.markdown import code, escaped, markdown
from dftspark.store.run import Run
from tests.report.page_runs import HOSTILE, SCRIPT, made, publish, row

PLAIN = ("a testament to", "tapestry", "delve")
SVG = "{http://www.w3.org/2000/svg}"


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("card"), texts=PLAIN)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    names = [SCRIPT, "@everyone | [x](y)", "`ticks` ``two``", "*bold*", "a", "b", "c"]
    return made(tmp_path_factory.mktemp("hostile"), models=names, texts=HOSTILE)


def test_the_picture_says_who_how_far_by_what_and_how_sure(run: Run) -> None:
    said = " ".join(texts(card.card(run)))
    assert "give gpt away by structure" in said
    for number, below in (("50", "by structure"), ("100", "by words"), ("150", "by content")):
        assert re.search(rf"\b{number} +{below}", said), said
    assert "a trained reader" in said
    assert "It gives itself away by" in said
    assert "in 4 of 5 samples. Read: 4,000 human documents, 3,000 of the model." in said


def test_it_is_a_picture_of_the_size_that_is_previewed(run: Run, hostile: Run) -> None:
    for one in (run, hostile):
        picture = card.png(card.card(one))
        assert size_of(picture) == (1200, 630)
        assert len(picture) > 10_000, "with letters on it"


def test_what_stands_on_it_stays_on_it(hostile: Run) -> None:
    root = ET.fromstring(card.card(hostile))
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        *("svg", "title", "rect", "text", "g", "line", "circle"),
    }, "no script and no image of a name"
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.attrib["x"]) <= 1140
        assert 0 < float(text.attrib["y"]) < 630
    for chip in list(root.iter(f"{SVG}rect"))[2:]:
        assert float(chip.attrib["x"]) + float(chip.attrib["width"]) <= 1140


def test_several_models_stand_in_lines(hostile: Run) -> None:
    said = texts(card.card(hostile))
    assert "by words" in said
    assert len([text for text in said if text in ("a", "b", "c")]) == 2, "the farthest of seven"


def test_markdown_has_a_table_and_what_gives_it_away(run: Run) -> None:
    said = markdown(run)
    assert said.startswith("**One answer can look fine; about 50 (38 to 65) give gpt away by")
    assert "| model | by words | by content | by structure | a trained reader |" in said
    assert "| `gpt` | 100 (75 to 130) | 150 (110 to 200) | 50 (38 to 65) | 1% |" in said
    assert "It gives itself away by `" in said
    assert "The difference is hardly chance: p = 3e-6" in said
    assert "Be wary of:" in said


def test_names_in_markdown_are_only_names(hostile: Run) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown(hostile))
    assert "<script" not in html
    assert "<a " not in html
    assert "<em>" not in html
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    assert len(rows) >= 8
    assert {row.count("<t") for row in rows} == {5}, "a name ends no cell"
    assert "@everyone" not in re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL)


def test_code_holds_its_ticks_and_bars() -> None:
    assert code("a|b") == "`a\\|b`"
    assert code("``x`") == "``` ``x` ```"
    assert escaped("@me_too <b>") == "@<!-- -->me\\_too \\<b\\>"


def test_the_command_writes_three_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = made(tmp_path, texts=PLAIN)
    assert cli.main(["card", own.path]) == 0
    places = capsys.readouterr().out.split()
    assert places == [f"{own.path}.card.{ending}" for ending in ("svg", "png", "md")]
    assert size_of(Path(places[1]).read_bytes()) == (1200, 630)
    assert cli.main(["card", own.path, "--as", "svg", "--out", f"{tmp_path}/mine"]) == 0
    assert (tmp_path / "mine.svg").read_text() == Path(places[0]).read_text()
    assert not (tmp_path / "mine.png").exists()


def test_markdown_goes_to_standard_output(
    run: Run, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli.main(["card", run.path, "--as", "markdown", "--out", "-"]) == 0
    assert capsysbinary.readouterr().out.decode() == markdown(run)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--as", "gif"], "svg, png, markdown, got gif"), (["--out", "-"], "prints one form")],
)
def test_mistakes_are_said(
    run: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["card", run.path, *words]) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_compares_nothing_has_no_card(tmp_path: Path) -> None:
    bare = publish(tmp_path, {"corpora": [row("corpora", corpus="web", role="human")]})
    for draw in (card.card, markdown):
        with pytest.raises(ConfigError, match="compares nothing"):
            draw(bare)


def test_without_its_renderer_a_png_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'dftspark\[report\]'; --as svg"):
        card.png("<svg/>")
