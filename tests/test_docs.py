"""The documentation: links lead somewhere, code blocks run or are checked, generated pages are
whole. `tests/test_site.py` has the site that is made of it."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest
import typer

import dftspark
from dftspark import errors, schema
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
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
# Options of spark-submit and of a program in benchmarks/.
OF_OTHERS = {"--archives", "--properties-file", "--seed"}


def builder() -> Any:
    return runpy.run_path(str(ROOT / "docs" / "build.py"))


def blocks(kind: str) -> list[Any]:
    return [
        pytest.param(dedent(text), id=f"{file.stem}-{number}")
        for file in TEXTS
        for number, (_, language, text) in enumerate(_BLOCK.findall(file.read_text("utf-8")))
        if language == kind
    ]


def prose(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(file: Path) -> set[str]:
    """Of the headings, as code hosts and MyST make them: small letters, dashes for blanks."""
    headings = re.findall(r"^#+ (.+)$", prose(file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(file: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", prose(file.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, place = target.partition("#")
        there = file.parent / path if path else file
        assert there.exists(), f"{file.name} links to {target}"
        assert not place or place in anchors(there), f"{file.name} links to {target}"


def test_the_index_leads_to_every_page_once() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\* \[[^\]]+\]\(([\w-]+)\.md\)", text, re.MULTILINE)
    assert sorted(listed) == sorted({file.stem for file in DOCS} - {"index"})


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_a_page_begins_with_what_it_is_for(file: Path) -> None:
    title, _, rest = file.read_text(encoding="utf-8").partition("\n")
    assert title.startswith("# ")
    assert re.match(r"\n[\w`][^\n]{40,}", rest), f"{file.name} begins with {rest[:60]!r}"


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_code_stands_between_fences_that_name_its_language(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    opened = re.findall(r"^ *```(.*)$", text, re.MULTILINE)[::2]
    assert set(opened) <= {"python", "py", "toml", "sh", "text"}, opened
    indented = re.findall(r"\n\n {4}(?! *[*\-\d|`])(\S.*)", prose(text))
    assert not indented, f"{file.name} has code without a language: {indented}"


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


@pytest.mark.parametrize("block", blocks("py"))
def test_blocks_that_need_more_than_is_here_compile_and_name_what_exists(block: str) -> None:
    """They need a session or a trainer. What they import of the package is there."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dftspark"):
            home = import_module(node.module)
            assert not [name.name for name in node.names if not hasattr(home, name.name)]
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("dftspark."):
            called = getattr(dftspark, ast.unparse(node.func).removeprefix("dftspark."))
            inspect.signature(called).bind(
                *node.args, **{word.arg: None for word in node.keywords if word.arg}
            )


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
        elif program == "pip":
            extras = re.findall(r"\[([\w,-]+)\]", line)
            assert {name for group in extras for name in group.split(",")} <= EXTRAS, line
        else:
            pytest.fail(f"a block of another kind, or a wrong command: {line}")


def commands() -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands


def parse(words: list[str]) -> None:
    """As the command line would, without doing it."""
    words = list(itertools.takewhile(lambda word: word not in (">", ">>", "|"), words))
    if "--help" not in words:
        commands()[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_commands_and_options_in_sentences_exist(file: Path) -> None:
    known = commands()
    options = {
        word for of in known.values() for p in of.params for word in (*p.opts, *p.secondary_opts)
    }
    spans = re.findall(r"`([^`\n]+)`", prose(file.read_text(encoding="utf-8")))
    for words in (span.removeprefix(".venv/bin/").split() for span in spans):
        named = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
        if words and words[0] == "dftspark" and words[1:] and re.match(r"[a-z]", words[1]):
            assert words[1] in known, f"{file.name}: {words}"
            its = {word for p in known[words[1]].params for word in (*p.opts, *p.secondary_opts)}
            assert named <= its | {"--help"}, f"{file.name}: {words}"
        elif words and words[0].startswith("--"):
            assert named <= options | OF_OTHERS, f"{file.name}: {words}"


def test_configuration_has_every_setting() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    def check(model: Any, prefix: str) -> None:
        for name, field in model.model_fields.items():
            inner = [field.annotation, *get_args(field.annotation)]
            sections = [of for of in inner if hasattr(of, "model_fields")]
            if name == "corpora":
                check(sections[0], "corpora.NAME.")
            elif sections:
                check(sections[0], f"{prefix}{name}.")
            else:
                assert f"| `{prefix}{name}` |" in text, f"{prefix}{name}"

    check(Audit, "")


def test_tables_have_every_column() -> None:
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    for name, table in schema.TABLES.items():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for column in table:
            assert f"| `{column.name}` |" in section, f"{name}.{column.name}"


def test_public_names_are_documented_and_documented_ones_exist() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\* `(dftspark[\w.]+)`: (.+)$", text, re.MULTILINE)
    assert {f"dftspark.{name}" for name in dftspark.__all__} - {"dftspark.__version__"} <= {
        name for name, _ in listed
    }
    for name, said in listed:
        home, _, last = name.rpartition(".")
        value = getattr(import_module(home), last)
        assert inspect.getdoc(value), name
        if home == "dftspark.errors" and "exit code" in said:
            assert said == f"exit code {value.exit_code}."
    of_errors = {
        f"dftspark.errors.{name}" for name, of in vars(errors).items() if inspect.isclass(of)
    }
    assert of_errors <= {name for name, _ in listed}


def test_every_measure_that_a_page_explains_is_in_the_documentation() -> None:
    from dftspark.report.words.lenses import lenses

    text = "".join(file.read_text(encoding="utf-8") for file in DOCS)
    stems = {
        m.pattern.partition("(")[0].rstrip("_") for lens in lenses() for m in lens.measures
    } - {"jmq"}  # judge.md
    unexplained = {stem for stem in stems if stem not in text}
    assert not unexplained
