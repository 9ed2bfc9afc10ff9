"""Who may import whom and name what, read from the source with ast."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dftspark"

# A module imports from its own line or from lines above it. A new module gets a line here, a
# folder whose parts lie apart one for each.
LAYERS = (
    "redaction",
    "logs",
    "errors",
    "needs_spark",
    "progress",
    "compiled",
    "schema",
    "state",
    "lenses.lens",
    "azure",
    "fsspec_storage",
    "time_limit",
    "location",
    "choose.splits",
    "config",
    "polling",
    "corpus",
    "sample",
    "text",
    "stats",
    "inference",
    "lenses",
    "differences",
    "sweeps",
    "java",
    "store",
    "endpoints",
    "report.words",
    "judge",
    "nights",
    "ban_list",
    "checks",
    "report.page",
    "report.terminal",
    "trackers",
    "spark",
    "embedding",
    "doctor",
    "making",
    "lineage",
    "lenses.ngrams",
    "lenses.embeddings",
    "lenses.judge",
    "lenses.structure",
    "lenses.variety",
    "spark.daemon",
    "testing",
    "stages",
    "nights.days",
    "choose",
    "generation",
    "tuning",
    "nights.merging",
    "checks.readings",
    "runs",
    "figures",
    "nights.shift",
    "entry",
    "writing",
    "recipes",
    "cli",
    "__main__",
)
# What is said in words stands under two ways to show it, which know nothing of each other.
APART = (("report.page", "report.terminal"), ("report.terminal", "report.page"))
NUMERICAL_CORE = ("stats", "inference")
NUMERICAL_FILES = ("statistic", "distance")  # what the names of such files of a lens begin with
NUMERICAL_LIBRARIES = {"numpy", "numba", "scipy"}
# Spark Connect has none of these. One file may adapt to sessions that do.
CLASSIC_ONLY = {"rdd", "sparkContext", "_sc", "_jsc", "_jvm", "_jdf", "_jsparkSession"}


class Import(NamedTuple):
    line: int
    module: str
    for_types_only: bool
    in_function: bool


def sources(*folders: Path) -> list[Path]:
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


parsed = cache(ast.parse)


@cache
def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def imports_of(source: str) -> list[Import]:
    return list(_imports(parsed(source), for_types_only=False, in_function=False))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What a node holds apart from expressions, which hold no import."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        inner = getattr(node, field, ())
        yield from inner if isinstance(inner, list) else ()


def _imports(node: ast.AST, for_types_only: bool, in_function: bool) -> Iterator[Import]:
    for child in _statements(node):
        typed, inner = for_types_only, in_function
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(child.lineno, name.name, typed, inner)
        elif isinstance(child, ast.ImportFrom):
            for name in child.names:
                yield Import(child.lineno, f"{child.module}.{name.name}", typed, inner)
        elif isinstance(child, ast.If) and _is_for_types(child.test):
            typed = True
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = True
        yield from _imports(child, typed, inner)


def _is_for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def needs_spark(found: Import) -> bool:
    return not found.for_types_only and found.module.split(".")[0] in {"pyspark", "py4j"}


def layer_of(module: str) -> str | None:
    """The part of `dftspark.corpus.files` that LAYERS lists; None for what is not a module."""
    first, *parts = module.split(".")
    if first != "dftspark" or not parts:
        return None
    exists = (PACKAGE / parts[0]).is_dir() or (PACKAGE / f"{parts[0]}.py").exists()
    return _line(parts) if exists else None


def runs_on_spark(file: Path) -> bool:
    """A file of spark/, or one of these folders whose name says so."""
    folders = ("lenses", "embedding", "choose", "generation", "tuning")
    own = any(file.is_relative_to(PACKAGE / name) for name in folders)
    return file.is_relative_to(PACKAGE / "spark") or (own and file.name.startswith("spark_"))


def home_of(file: Path) -> str:
    return _line(file.relative_to(PACKAGE).with_suffix("").parts)


def _line(parts: Sequence[str]) -> str:
    """A module that has a line of its own stands there, any other in that of its folder."""
    own = ".".join(parts[:2])
    return own if own in LAYERS else parts[0]


def classic_attributes(source: str) -> list[tuple[int, str]]:
    """Uses of what Spark Connect lacks, as an attribute or as the name in a getattr."""
    found: list[tuple[int, str]] = []
    if not re.search("|".join(CLASSIC_ONLY), source):
        return found
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLASSIC_ONLY:
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "hasattr"}:
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found += [(node.lineno, str(name)) for name in names if name in CLASSIC_ONLY]
    return found


def report(file: Path, line: int, text: str) -> str:
    return f"{file.relative_to(ROOT)}:{line}: {text}"


def test_only_spark_and_jobs_import_pyspark() -> None:
    allowed = (ROOT / "jobs", ROOT / "tests" / "spark", ROOT / "tests" / "jobs")
    offences = [
        report(file, found.line, found.module)
        for file in sources(PACKAGE, ROOT / "tests")
        if not (runs_on_spark(file) or any(file.is_relative_to(folder) for folder in allowed))
        if re.search("pyspark|py4j", text_of(file))
        for found in imports_of(text_of(file))
        if needs_spark(found)
    ]
    assert not offences, (
        "pyspark is for dftspark/spark, spark_*.py of a lens, jobs and tests:\n"
        + ("\n".join(offences))
    )


def test_tests_outside_spark_can_be_collected_without_pyspark() -> None:
    homes = (ROOT / "tests" / "spark", ROOT / "tests" / "jobs")
    offences = [
        report(file, found.line, found.module)
        for file in sources(ROOT / "tests")
        if not any(file.is_relative_to(folder) for folder in homes)
        if re.search(r"\bspark\b", text_of(file))
        for found in imports_of(text_of(file))
        if layer_of(found.module) == "spark" or ".spark_" in found.module
        if not (found.in_function or found.for_types_only)
    ]
    assert not offences, "move these to tests/spark or import in a fixture:\n" + "\n".join(offences)


def test_every_module_has_a_layer() -> None:
    homes = {home_of(file) for file in sources(PACKAGE) if text_of(file)} - {"__init__"}
    assert homes <= set(LAYERS), f"give {sorted(homes - set(LAYERS))} a line in LAYERS"


def test_imports_point_to_lower_layers() -> None:
    offences = [
        report(file, found.line, f"{home_of(file)} imports {found.module}")
        for file in sources(PACKAGE)
        if home_of(file) in LAYERS
        for found in imports_of(text_of(file))
        if (target := layer_of(found.module)) in LAYERS
        and not found.for_types_only
        and LAYERS.index(target) > LAYERS.index(home_of(file))
    ]
    assert not offences, "imports point up the layers:\n" + "\n".join(offences)


@pytest.mark.parametrize(("room", "other"), APART)
def test_page_and_terminal_do_not_import_each_other(room: str, other: str) -> None:
    """Nor for types, nor inside a function: what both need is in words."""
    offences = [
        report(file, found.line, found.module)
        for file in sources(PACKAGE / room.replace(".", "/"))
        for found in imports_of(text_of(file))
        if layer_of(found.module) == other
    ]
    assert not offences, f"{room} imports {other}:\n" + "\n".join(offences)


def test_words_import_neither_page_nor_terminal() -> None:
    offences = [
        report(file, found.line, found.module)
        for file in sources(PACKAGE / "report" / "words")
        for found in imports_of(text_of(file))
        if layer_of(found.module) in {room for room, _ in APART}
    ]
    assert not offences, "words are said without knowing where:\n" + "\n".join(offences)


def test_what_is_shown_over_all_lenses_names_none() -> None:
    """Neither a lens nor a table or measure of one: those are asked for in words/lenses.py."""
    from dftspark.report.words.lenses import lenses

    shown = PACKAGE / "report"
    names = {name for lens in lenses() for name in (lens.name, lens.lead, *lens.tables)} - {""}
    offences = [
        report(file, node.lineno, str(node.value))
        for file in sources(shown / "words", shown / "page", shown / "terminal")
        if file != shown / "words" / "lenses.py"
        for node in ast.walk(parsed(text_of(file)))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert not offences, "let the lens declare it:\n" + "\n".join(offences)


@pytest.mark.parametrize(
    ("module", "layer"),
    [
        ("dftspark.report.page.run.page", "report.page"),
        ("dftspark.corpus.files", "corpus"),
        ("dftspark.report", "report"),
        ("dftspark.nowhere", None),
        ("numpy", None),
    ],
)
def test_a_folder_may_have_several_layers(module: str, layer: str | None) -> None:
    assert layer_of(module) == layer


@pytest.mark.parametrize("layer", NUMERICAL_CORE)
def test_the_numerical_core_is_numpy(layer: str) -> None:
    allowed = NUMERICAL_LIBRARIES | sys.stdlib_module_names | {"dftspark"}
    offences = [
        report(file, found.line, found.module)
        for file in sources(PACKAGE / layer)
        for found in imports_of(text_of(file))
        if found.module.split(".")[0] not in allowed
    ]
    assert not offences, f"{layer} may import {sorted(NUMERICAL_LIBRARIES)}:\n" + "\n".join(
        offences
    )


def test_numbers_of_a_lens_are_numpy() -> None:
    allowed = NUMERICAL_LIBRARIES | sys.stdlib_module_names | {"dftspark"}
    offences = [
        report(file, found.line, found.module)
        for file in sources(PACKAGE / "lenses")
        if file.name.startswith(NUMERICAL_FILES)
        for found in imports_of(text_of(file))
        if found.module.split(".")[0] not in allowed
    ]
    assert not offences, f"only {sorted(NUMERICAL_LIBRARIES)} here:\n" + "\n".join(offences)


def test_no_lens_imports_another() -> None:
    lenses = [folder for folder in (PACKAGE / "lenses").iterdir() if (folder / "lens.py").exists()]
    offences = [
        report(file, found.line, found.module)
        for folder in lenses
        for file in sources(folder)
        for found in imports_of(text_of(file))
        for other in lenses
        if other != folder and f"{found.module}.".startswith(f"dftspark.lenses.{other.name}.")
    ]
    assert not offences, "lenses know nothing of each other:\n" + "\n".join(offences)


def test_spark_code_runs_on_connect() -> None:
    uses = {
        file: found
        for file in sources(PACKAGE, ROOT / "jobs")
        if (found := classic_attributes(text_of(file)))
    }
    offences = [report(file, *use) for file, found in uses.items() for use in found]
    assert len(uses) <= 1, "at most one file adapts to classic sessions:\n" + "\n".join(offences)
    assert all(map(runs_on_spark, uses)), "\n".join(offences)


@pytest.mark.parametrize(
    ("source", "spark", "in_function"),
    [
        ("import pyspark.sql as s", True, False),
        ("from pyspark.sql import functions", True, False),
        ("try:\n    import pyspark\nexcept ImportError:\n    pass", True, False),
        ("def f():\n    from pyspark.sql import Row", True, True),
        ("if TYPE_CHECKING:\n    from pyspark.sql import Row", False, False),
        ("if True:\n    import pyspark", True, False),
        ("if True:\n    pass\nelse:\n    import pyspark", True, False),
        ("try:\n    pass\nexcept E:\n    import pyspark", True, False),
        ("try:\n    pass\nfinally:\n    import pyspark", True, False),
        ("class A:\n    with b:\n        import pyspark", True, False),
        ("while a:\n    for b in c:\n        import pyspark", True, False),
        ("match a:\n    case b:\n        import pyspark", True, False),
        ("async def f():\n    import pyspark", True, True),
        ("import pysparkling", False, False),
    ],
)
def test_the_reader_sees_every_form(source: str, spark: bool, in_function: bool) -> None:
    (found,) = imports_of(source)
    assert (needs_spark(found), found.in_function) == (spark, in_function)


@pytest.mark.parametrize(
    ("source", "uses"),
    [
        ("frame.rdd.map(f)", 1),
        ("spark.sparkContext", 1),
        ("getattr(spark, 'sparkContext', None)", 1),
        ("hasattr(frame, '_jdf')", 1),
        ("rdd = frame.mapInArrow(f, schema)", 0),
        ("text = 'sparkContext'", 0),
    ],
)
def test_the_reader_sees_classic_sessions(source: str, uses: int) -> None:
    assert len(classic_attributes(source)) == uses
