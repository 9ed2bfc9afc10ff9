"""A lens that the package does not know: page and terminal show it by what it declares."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from dftspark import schema
from dftspark.config import Audit
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.lenses import lens as registry
from dftspark.report.page.run import page
from dftspark.report.terminal.run import render
from dftspark.report.terminal.table import print_table
from dftspark.report.words import lenses
from dftspark.report.words.tell import of_run
from dftspark.report.words.verdict import finding
from dftspark.store.run import Run
from tests.report.page_runs import metrics, publish, row, sized
from tests.report.vowels import forget, installed
from tests.report.vowels.lens import TABLE, Vowels, VowelsLens
from tests.report.vowels.shown import VowelsShown


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run with measures of vowels, which tell the model earlier than all others."""
    monkeypatch.syspath_prepend(str(installed(tmp_path)))
    vowels = pa.table({"model": ["gpt", "gpt"], "letter": ["a", "<e>"]})
    forget()
    schema.TABLES["vowels"] = TABLE
    own = row(
        "metrics",
        model="gpt",
        lens="vowels",
        metric="vowel_distance",
        value=0.2,
        p_value=1e-9,
        **sized(20.0),
    )
    yield publish(tmp_path, {"metrics": [*metrics("gpt"), own], "vowels": vowels})
    monkeypatch.undo()
    forget()


def test_a_page_shows_all_that_it_declares(run: Run) -> None:
    html = page(run)
    for said in (
        '<a href="#gpt/vowels">Vowels</a>',
        "<h2>Which vowels</h2>",
        "<li>&lt;e&gt;</li>",
        "<summary>All vowels</summary><p>folded</p>",
        "Vowels and their like",
        "Vowels, distance",
        "<bdi>&lt;a&gt;</bdi>",
        "The letters a, e, i, o and u.",
        "y is no vowel here.",
        "A text of vowels",
        "a &lt;e&gt; i",
        "by vowels",
    ):
        assert said in html, said


def test_a_word_need_not_be_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VowelsShown, "glossary", {})
    assert "<dt>by vowels</dt>" in page(run)


def test_a_terminal_shows_all_that_it_declares(run: Run) -> None:
    file = io.StringIO()
    render(run, Console(file=file, width=100))
    said = file.getvalue()
    assert "[bold]gpt says a" in said, "a name is no markup"
    assert "vowel_distance" in said
    assert "- y is no vowel here." in said
    assert f"show {run.path} vowels" in said


def test_it_may_lead(run: Run) -> None:
    (model,) = of_run(run)
    assert model.lenses[0].name == "vowels"
    assert "give gpt away by vowels, " in finding(model)


def test_its_columns_come_in_its_order(run: Run) -> None:
    file = io.StringIO()
    print_table(run.table("vowels"), "vowels", Console(file=file), 5)
    assert file.getvalue().split()[:2] == ["letter", "model"]


def test_a_lens_that_is_not_installed_is_shown_under_its_name(tmp_path: Path) -> None:
    own = row("metrics", model="gpt", lens="scents", metric="musk", value=0.2)
    run = publish(tmp_path, {"metrics": [*metrics("gpt"), own]})
    html = page(run)
    assert "musk" in html
    file = io.StringIO()
    render(run, Console(file=file, width=100))
    assert "more are in the table `metrics`" in file.getvalue()


def test_a_title_repeats_a_number_as_it_is() -> None:
    """Only orders of n-grams are put into words."""
    about = lenses.measure("mmd_squared_gaussian_1")
    assert about.title == "MMD², Gaussian kernel of 1 × the median distance"
    assert lenses.measure("l2_1gram").title == "Token frequencies, L2"
    assert lenses.measure("jmq_overall:mini").title == "Judge, overall (mini)"


def test_a_configuration_may_name_it(run: Run) -> None:
    sides = {"human": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m"}}
    config = Audit.parse({"corpora": sides, "lenses": ["vowels", "ngrams"]}, "a test")
    assert [one.name for one in registry.chosen(config)] == ["ngrams", "vowels"]
    assert registry.home("vowels") == "tests.report.vowels"
    sized = {"corpora": sides, "lenses": ["vowels", "ngrams"], "vowels": {"letters": "aeiouy"}}
    assert Audit.parse(sized, "a test").section("vowels", Vowels).letters == "aeiouy"
    for wrong, said in (
        ({"letter": "a"}, "did you mean 'letters'"),
        ({"letters": ""}, "at least 1 character"),
    ):
        with pytest.raises(ConfigError, match=r"vowels\.letter.*" + said):
            Audit.parse({**sized, "vowels": wrong}, "a test")
    with pytest.raises(ConfigError, match=r"vowels' is read where lenses has 'vowels'"):
        Audit.parse({**sized, "lenses": ["ngrams"]}, "a test")
    with pytest.raises(ConfigError, match=r"no lens 'vowel'; did you mean 'vowels'\?"):
        Audit.parse({"corpora": sides, "lenses": ["vowel"]}, "a test")


def test_its_tables_are_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.lens("vowels")
    assert schema.TABLES["vowels"] == TABLE
    monkeypatch.setattr(VowelsLens, "schemas", {"metrics": TABLE})
    registry.lens.cache_clear()
    with pytest.raises(EnvironmentProblem, match=r"declares tables .*\['metrics'\]"):
        registry.lens("vowels")


def test_a_package_that_cannot_be_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    registry._registered()["broken"] = "tests.report.vowels.lens:Nothing"
    with pytest.raises(EnvironmentProblem, match="the lens 'broken' is declared as 'tests"):
        registry.lens("broken")
