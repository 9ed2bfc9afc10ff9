"""A folder that is made once appears whole or not at all, and the first of its name stays."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from dftspark.embedding import cache
from dftspark.errors import EnvironmentProblem


def filled(folder: Path, word: str) -> None:
    folder.mkdir()
    (folder / "word").write_text(word)


def test_the_first_stays_where_there_are_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    target = tmp_path / "cache" / "model"

    def overtaken(folder: Path) -> None:
        cache.made(target, lambda own: filled(own, "first"), "a model")
        filled(folder, "second")

    assert cache.made(target, overtaken, "a model") == target
    assert (target / "word").read_text() == "first"
    assert list(target.parent.iterdir()) == [target]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "model"

    def broken(folder: Path) -> None:
        filled(folder, "half")
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        cache.made(target, broken, "a model")
    assert list(tmp_path.iterdir()) == []
    assert cache.made(target, lambda own: filled(own, "whole"), "a model").is_dir()


def test_a_cache_that_cannot_be_written_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match="It caches a model; XDG_CACHE_HOME"):
        cache.made(cache.place("model"), lambda own: filled(own, "x"), "a model")
