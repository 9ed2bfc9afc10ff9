"""Mistakes of newcomers, as whole processes that end before Spark would start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.program

ROOT = Path(__file__).resolve().parents[1]
# Python imports it first of all, if it is on the path: a process without these packages.
_WITHOUT = (
    "import sys\n"
    "from importlib.abc import MetaPathFinder\n"
    "class Absent(MetaPathFinder):\n"
    "    def find_spec(self, name, path, target=None):\n"
    "        if name.split('.')[0] in {packages!r}:\n"
    "            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
    "sys.meta_path.insert(0, Absent())\n"
)


def told(folder: Path, code: int, model: str, out: str = "runs", *without: str) -> str:
    """What an audit with this corpus of a model says, in few lines and without a traceback."""
    (folder / "human.jsonl").write_text(json.dumps({"text": "words"}) + "\n")
    (folder / "a.toml").write_text(
        f"out = {json.dumps(out)}\nlenses = ['ngrams']\n"
        "[corpora.human]\nrole = 'human'\npath = 'human.jsonl'\n"
        f"[corpora.model]\nrole = 'model'\n{model}\n"
    )
    (folder / "without").mkdir()
    (folder / "without" / "sitecustomize.py").write_text(_WITHOUT.format(packages=without))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "without"), str(ROOT)]),
        "DFTSPARK_DEBUG": "",
    }
    command = [sys.executable, "-m", "dftspark", "audit", "a.toml", "--quiet"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 10
    assert not (folder / "runs").exists(), "nothing was begun"
    return done.stderr


@pytest.mark.parametrize("absent", ["fsspec", "huggingface_hub"])
def test_a_source_whose_package_is_missing(tmp_path: Path, absent: str) -> None:
    if absent == "huggingface_hub":
        pytest.importorskip("fsspec")
    said = told(tmp_path, 75, "path = 'hf://datasets/o/n/x.jsonl'", "runs", absent)
    assert "corpora.model.path: cannot look up 'hf://datasets/o/n/x.jsonl': hf: " in said
    assert absent in said
    assert "pip install 'dftspark[fsspec]'" in said


def test_an_address_that_only_a_missing_package_knows(tmp_path: Path) -> None:
    said = told(tmp_path, 2, "path = 'https://127.0.0.1:9/x.jsonl'", "runs", "fsspec")
    assert "corpora.model.path: 'https://127.0.0.1:9/x.jsonl'" in said
    assert "with the extra fsspec" in said


def test_an_out_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps({"text": "words"}) + "\n")
    said = told(tmp_path, 75, "path = 'm.jsonl'", "m.jsonl/runs")
    assert "m.jsonl/runs" in said
    assert "A part of the path is a file, not a folder; choose another `out`." in said


def test_a_query_that_is_no_query(tmp_path: Path) -> None:
    said = told(tmp_path, 2, "query = 'SELEC text FROM t'")
    assert "corpora.model.query: a query begins with SELECT or WITH, got 'SELEC text" in said
