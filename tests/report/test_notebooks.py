"""The notebooks: kept without outputs, drawing with the package or Altair, and every cell runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from dftspark import schema
from tests.report.page_runs import metrics, publish, row, tables

ROOT = Path(__file__).resolve().parents[2]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICK = [book for book in BOOKS if book.stem != "8_checkpoints"]  # tests/spark runs that one too
CHART = "application/vnd.vegalite.v5+json"  # which JupyterLab draws without a network
CHARTS = {
    "1_first_look": 1,
    "4_sampler_sweep": 1,
    "5_nightly_history": 1,
    "7_your_own_text": 1,
    "8_checkpoints": 1,
}
TEXTS = ("a testament to", "tapestry", "delve", "kind of", "and so on", "such as")


def codes(book: Path) -> list[str]:
    nbformat = pytest.importorskip("nbformat", reason="NOTEBOOKS NOT TESTED: no nbformat")
    return [c.source for c in nbformat.read(book, as_version=4).cells if c.cell_type == "code"]


def test_there_are_eight() -> None:
    assert [book.name[0] for book in BOOKS] == list("12345678")


def used(source: str) -> set[str]:
    """The names of the package that code imports, and those that it takes from what it imports."""
    tree, named, names = ast.parse(source), dict[str, str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            home = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            own = {a.asname or a.name: f"{home}{a.name}" for a in node.names}
            named |= {name: of for name, of in own.items() if of.split(".")[0] == "dftspark"}
    for node in ast.walk(tree):
        taken = node.value if isinstance(node, ast.Attribute) else node
        if isinstance(node, ast.Attribute) and ast.unparse(taken) in named:
            names.add(f"{named[ast.unparse(taken)]}.{node.attr}")
    modules = {of for of in named.values() if is_module(of)}
    return names | (set(named.values()) - modules)


def is_module(name: str) -> bool:
    """Whether it is a module."""
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or place.is_dir()


@pytest.mark.parametrize(
    "book", [*BOOKS, ROOT / "notebooks" / "prepare.py"], ids=lambda book: book.stem
)
def test_only_public_names_are_used(book: Path) -> None:
    """Those that docs/api.md lists, and the methods that it calls in a sentence."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    public = set(re.findall(r"^\* `(dftspark[\w.]+)`: ", text, re.MULTILINE))
    for home, method in re.findall(r"`(dftspark\.[\w.]+)\.(\w+)\(", text):
        public |= {home, f"{home}.{method}"}
    is_program = book.suffix == ".py"
    names = used(book.read_text(encoding="utf-8") if is_program else "\n".join(codes(book)))
    assert names
    assert names <= public


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import dftspark\ndftspark.audit(x.y)", {"dftspark.audit"}),
        ("from dftspark import figures\nfigures.shift(run)", {"dftspark.figures.shift"}),
        ("from dftspark.store.run import Run", {"dftspark.store.run.Run"}),
        ("from dftspark import ban_list as b\nb.of_run(1)", {"dftspark.ban_list.of_run"}),
        ("import dftspark.runs\ndftspark.runs.audit()", {"dftspark.runs.audit"}),
        ("if a:\n    import dftspark as d\n    with d.session() as s: pass", {"dftspark.session"}),
        ("import numpy\nnumpy.array", set()),
    ],
)
def test_the_reader_sees_what_is_used(source: str, names: set[str]) -> None:
    assert used(source) == names


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_outputs_are_not_kept(book: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="NOTEBOOKS NOT TESTED: no nbformat")
    cells = [c for c in nbformat.read(book, as_version=4).cells if c.cell_type == "code"]
    assert not [c for c in cells if c.outputs or c.execution_count]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_nothing_draws_that_loads_from_elsewhere(book: Path) -> None:
    libraries = {"matplotlib", "seaborn", "plotly", "bokeh"}
    for source in codes(book):
        for node in ast.walk(ast.parse(source)):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            )
            assert not {name.split(".")[0] for name in names} & libraries


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the names that prepare.py makes, with made-up rows."""
    out = tmp_path_factory.mktemp("store")
    whole = tables(["gpt"], TEXTS)
    for stratum in ("types", "statements"):
        whole["metrics"] += metrics("gpt", 250.0, stratum)
    for number, length in enumerate(("document_words", "sentence_words")):
        whole["patterns"].append(
            row(
                "patterns",
                model="gpt",
                pattern=length,
                group="length",
                kind="distribution",
                ratio=1.0 + number,
            )
        )
    publish(out, whole, "sample", shared_clusters={"gpt": 900})
    for number in range(4):
        words = [*TEXTS[:2], "Crucially"] if number > 2 else TEXTS[:2]
        night = tables(["gpt"], words)
        publish(
            out,
            {
                "metrics": metrics("gpt", 200.0 + 50 * number),
                "ngrams": night["ngrams"],
                "checks": night["checks"],
            },
            "nights",
            date=f"2026-11-0{number + 1}",
        )
    names = [f"toy/{temperature}" for temperature in ("0.7", "0.9", "1.0")]
    sweep = {"metrics": [m for i, name in enumerate(names) for m in metrics(name, 200.0 * (1 + i))]}
    if "samplers" in schema.TABLES:
        sweep |= sweep_tables(names)
    publish(out, sweep, "sweep")
    return out


def sweep_tables(names: list[str]) -> dict[str, list[dict[str, object]]]:
    values = {"l2_1gram": (3.0, 2.0, 2.5), "structure_factor": (1.5, 2.0, 4.0)}
    return {
        "samplers": [
            row(
                "samplers",
                sweep="toy",
                model=name,
                settings=[("temperature", name[4:])],
                challenger=False,
                metric=metric,
                value=0.01 * value,
                ci_low=0.009 * value,
                ci_high=0.011 * value,
                floor=0.01,
                ratio_to_floor=value,
                better="lower",
                rank=1 + sorted(own).index(value),
                super_baseline=value == min(own),
                p_best=0.5 if value < 2.6 else 0.001,
            )
            for metric, own in values.items()
            for name, value in zip(names, own, strict=True)
        ],
        "super_baseline": [
            row(
                "super_baseline",
                sweep="toy",
                metric=metric,
                judged=True,
                settings=3,
                best=names[own.index(min(own))],
                naive=0.02,
                honest=0.021,
                better="lower",
            )
            for metric, own in values.items()
        ],
        "tradeoffs": [row("tradeoffs", sweep="toy", metric="l2_1gram", other="structure_factor")],
    }


def executed(
    book: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[Any]]:
    """Runs every cell in a fresh kernel; the HTML that its outputs show, and the charts."""
    nbclient = pytest.importorskip("nbclient", reason="NOTEBOOKS NOT TESTED: no nbclient")
    nbformat = pytest.importorskip("nbformat", reason="NOTEBOOKS NOT TESTED: no nbformat")
    from traitlets.config import Config

    for package in ("ipykernel", "altair"):
        pytest.importorskip(package, reason=f"NOTEBOOKS NOT TESTED: no {package}")
    monkeypatch.setenv("DFTSPARK_NOTEBOOK_RUNS", str(store))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    read = nbformat.read(book, as_version=4)
    local = Config({"KernelManager": {"transport": "ipc"}})
    nbclient.NotebookClient(read, timeout=120, kernel_name="python3", config=local).execute()
    outputs = [output for cell in read.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"], outputs
    shown = [output.data for output in outputs if "data" in output]
    drawn = [data["text/html"] for data in shown if "text/html" in data]
    assert not [html for html in drawn if "<script" in html], "something loads a library"
    return drawn, [data[CHART] for data in shown if CHART in data]


@pytest.mark.program
@pytest.mark.parametrize("book", QUICK, ids=lambda book: book.stem)
def test_every_cell_runs(book: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sweep" in book.stem and "samplers" not in schema.TABLES:
        pytest.skip("NOTEBOOK NOT TESTED: there are no sweeps yet")
    shown, charts = executed(book, store, monkeypatch)
    drawn = [html for html in shown if 'class="dftspark"' in html]
    assert len(drawn) >= (0 if book.stem.startswith("6") else 1)
    check_charts(book, charts)


def check_charts(book: Path, charts: list[Any]) -> None:
    """Those that are there have rows, intervals and something to point at."""
    assert len(charts) == CHARTS.get(book.stem, 0)
    for chart in charts:
        rows = chart["data"].get("values") or chart["datasets"][chart["data"]["name"]]
        assert len(rows) > 1
        layers = chart.get("layer") or chart["spec"]["layer"]
        assert all(layer["encoding"]["tooltip"] for layer in layers)
        edges = {"x2", "y2"} & {channel for layer in layers for channel in layer["encoding"]}
        assert edges, "a number without its interval"
