"""The documentation: links lead somewhere, code blocks run, generated pages are whole."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer

from dftspark import schema
from dftspark.cli import app
from dftspark.config import Audit
from dftspark.config.audit import parsed
from dftspark.config.briefs import BriefMaking
from dftspark.config.generate import Generation
from dftspark.config.tune import Tuning
from dftspark.config.write import WritePage
from dftspark.lenses.structure.catalogue import all_measures, labeled
from tests.report.page_runs import made

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def builder() -> Any:
    return runpy.run_path(str(ROOT / "docs" / "build.py"))


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    pytest.importorskip("jinja2", reason="DOCUMENTATION NOT TESTED: no jinja2")
    pages: dict[str, str] = builder()["site"]()
    return pages


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.hrefs: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {str(found["id"])} if "id" in found else set()
        self.hrefs += [str(found["href"])] if "href" in found else []
        self.sources += [str(found["src"])] if "src" in found else []


def blocks(kind: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{file.stem}-{number}")
        for file in TEXTS
        for number, (found, text) in enumerate(_BLOCK.findall(file.read_text(encoding="utf-8")))
        if found == kind
    ]


def test_every_link_of_the_site_leads_to_a_place(site: dict[str, str]) -> None:
    read = {name: Links(text) for name, text in site.items()}
    for name, page in read.items():
        assert not page.sources, f"{name} loads {page.sources}"
        for href in page.hrefs:
            if re.match(r"https?://", href):
                continue
            file, _, place = href.partition("#")
            target = file.removesuffix(".html") or name
            assert target in read, f"{name} links to {href}"
            assert not place or place in read[target].ids, f"{name} links to {href}"


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_every_relative_link_of_the_sources_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://|#", target):
            continue
        path = target.partition("#")[0]
        assert (file.parent / path).exists(), f"{file.name} links to {target}"


def test_the_pages_made_from_the_code_are_current() -> None:
    for name, text in builder()["generated"]().items():
        stored = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert stored == text, f"docs/{name}.md is of other code; make docs writes it"


def test_the_texts_say_how_many_patterns_measures_and_hits_there_are() -> None:
    kinds = Counter(measure.kind for measure in all_measures())
    patterns, others = kinds["pattern"], kinds.total() - kinds["pattern"]
    tested = kinds.total() - kinds["distribution"]
    read = sum(number for _, number in labeled().values())
    for file, said in (
        ("README.md", f"`patterns`: {patterns} constructions"),
        ("README.md", f" and {others} measures of pacing"),
        ("README.md", f"`structure_omnibus`, {tested} rates and means in one test"),
        ("docs/structure.md", f"counts {patterns} patterns and {others} other measures"),
        ("docs/structure.md", f"{read:,} hits in real text were read"),
    ):
        text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
        assert said in text, f"{file} should say: {said}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(made(tmp_path_factory.mktemp("runs"), texts=["tapestry", "delve"]).path).parent


@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_run(
    block: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["block"])
    (tmp_path / "block.py").write_text(block)
    runpy.run_path(str(tmp_path / "block.py"))


@pytest.mark.parametrize("block", blocks("toml"))
def test_toml_blocks_are_settings(block: str) -> None:
    sides: dict[str, dict[str, Any]] = {
        side: {"role": side, "path": side} for side in ("human", "model")
    }
    document = tomllib.loads(block)
    if "generate" in document:
        parsed(Generation, document, "block")
        return
    if "tune" in document:
        parsed(Tuning, document, "block")
        return
    if "briefs" in document:
        parsed(BriefMaking, document, "block")
        return
    if "write" in document:
        parsed(WritePage, document, "block")
        return
    corpora = document.pop("corpora", {})
    for name, settings in corpora.items():
        sides[name] = {"role": "model", "path": name, **sides.get(name, {}), **settings}
        if {"table", "query"} & settings.keys():
            del sides[name]["path"]
    Audit.parse({"corpora": sides, **document}, "block")


@pytest.mark.parametrize("block", blocks("sh"))
def test_commands_of_shell_blocks_can_be_parsed(block: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    joined = re.sub(r"\\\n\s*", " ", block)
    for line in filter(None, (line.split("  #")[0].strip() for line in joined.splitlines())):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        program = words[0].removeprefix(".venv/bin/")
        if program == "dftspark":
            parse(words[1:])
        elif program == "make":
            assert words[1] in targets, line
        elif program == "spark-submit":
            for word in words[1:]:
                if word.endswith((".py", ".conf")):
                    assert (ROOT / word).is_file(), line
        elif program == "python":
            assert (ROOT / words[1]).is_file(), line


def parse(words: list[str]) -> None:
    """As the command line would, without doing it."""
    group: Any = typer.main.get_command(app)
    if "--help" not in words:
        group.commands[words[0]].make_context(words[0], list(words[1:]))


def test_configuration_has_every_setting(site: dict[str, str]) -> None:
    text = site["configuration"]

    def check(model: Any, prefix: str) -> None:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if name == "corpora":
                continue
            if hasattr(inner, "model_fields"):
                check(inner, f"{name}." if not prefix else f"{prefix}{name}.")
            else:
                assert f"<code>{prefix}{name}</code>" in text, f"{prefix}{name}"

    check(Audit, "")


def test_tables_have_every_column(site: dict[str, str]) -> None:
    for name, table in schema.TABLES.items():
        assert f'<h2 id="{name}">' in site["tables"]
        section = site["tables"].split(f'<h2 id="{name}">')[1].split("<h2")[0]
        for column in table:
            assert f"<code>{column.name}</code>" in section, f"{name}.{column.name}"


def test_every_measure_that_a_page_explains_is_in_the_documentation() -> None:
    from dftspark.report.words.lenses import lenses

    text = "".join(file.read_text(encoding="utf-8") for file in DOCS)
    stems = {
        m.pattern.partition("(")[0].rstrip("_") for lens in lenses() for m in lens.measures
    } - {"jmq"}  # judge.md
    unexplained = {stem for stem in stems if stem not in text}
    assert not unexplained
