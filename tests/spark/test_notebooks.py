"""The notebooks on the runs that prepare.py makes with Spark from the bundled sample."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.test_notebooks import BOOKS, ROOT, check_charts, executed

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("notebooks") / "runs"
    done = subprocess.run(
        [sys.executable, str(ROOT / "notebooks" / "prepare.py"), str(out)],
        cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_every_cell_runs_on_the_sample(
    book: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if book.stem.startswith("6"):
        monkeypatch.setenv("DFTSPARK_NOTEBOOK_SPARK", "1")
    _, charts = executed(book, store, monkeypatch)
    check_charts(book, charts)
