"""The stand-in for Spark's part of the command line."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftspark.config import Audit, request
from dftspark.store.run import Run
from tests.commands import publish


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the commands hand to Spark's part, which is replaced."""
    monkeypatch.chdir(tmp_path)
    made: list[tuple[Any, ...]] = []

    monkeypatch.setattr("dftspark.spark.in_process.possible", lambda *_: False)

    @contextlib.contextmanager
    def session(app: str, master: str | None = None, settings: Any = None) -> Iterator[str]:
        made.append(("session", app, master, *([settings] if settings else [])))
        yield "spark"

    def stand_in(name: str) -> Any:
        def call(spark: str, config: Audit, *rest: Any) -> Run:
            assert spark == "spark"
            with rest[-1].stage("read", None) as stage:
                stage.advance(3)
            made.append((name, config, *rest[:-1]))
            return publish(config.out)

        return call

    fakes = types.ModuleType("dftspark.runs")
    for name in ("audit", "profile", "compare"):
        setattr(fakes, name, stand_in(name))
    fakes.demo_config = lambda out: request.from_paths(["h"], ["m"], out)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dftspark.runs", fakes)
    monkeypatch.setattr(importlib.import_module("dftspark"), "runs", fakes, raising=False)
    spark = types.ModuleType("dftspark.spark.session")
    spark.session = session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dftspark.spark.session", spark)
    return made
