"""`dftspark warm` leaves what makes later runs begin sooner: classes of Java, and kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dftspark.errors import EnvironmentProblem
from dftspark.spark import class_archive
from tests.spark.processes import dftspark, finished

pytestmark = pytest.mark.spark


@pytest.mark.slow
def test_an_archive_of_classes_and_compiled_kernels_are_kept(tmp_path: Path) -> None:
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    done = finished(dftspark("warm"), tmp_path, **places)
    assert done.returncode == 0, done.stderr
    (archive,) = (tmp_path / "cache" / "dftspark" / "classes").glob("*.jsa")
    assert archive.stat().st_size > 20 * 2**20
    done = finished(dftspark("demo", "--log", "json"), tmp_path, **places)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert not [event for event in told if event["event"] == "compiling"]


def test_the_audit_that_makes_the_archive_is_not_one_without_java(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def run(command: list[str], **_: object) -> None:
        asked.extend(command)
        raise OSError("enough")

    monkeypatch.setattr(class_archive, "place", lambda: tmp_path / "classes.jsa")
    monkeypatch.setattr(class_archive, "ensure_java", lambda: None)
    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(EnvironmentProblem, match="enough"):
        class_archive.make()
    assert "--master" in asked
