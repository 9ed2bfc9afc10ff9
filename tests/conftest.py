"""What tests of every kind share: the way to the reference corpora."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# Before NumPy is loaded: threads of linear algebra and of k-means only wait for each other here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the reference corpora are not there: {DATA.name} beside the project")
    return DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of the longest tests first, or one process waits for the other at the end."""
    places: dict[Path, int] = {}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        own = 0 if "cluster" in marks else 1 if "spark" in marks else 2
        places[item.path] = min(own, places.get(item.path, own))
    items.sort(key=lambda item: places[item.path])


def pytest_collection_finish() -> None:
    """What is imported stays, so the garbage collector need not walk through it in every test."""
    gc.freeze()
