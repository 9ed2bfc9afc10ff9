"""A run at work says so in its folder, and is not pruned."""

from __future__ import annotations

import gc
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow import fs

from dftspark.errors import EnvironmentProblem
from dftspark.location import Location
from dftspark.nights.retention import doomed, prune
from dftspark.store.alive import SIGN, SILENT, SignOfLife, last_sign
from dftspark.store.writer import RunWriter
from tests.stores import states, table

OLD = "20250101T000000Z"


def beating() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sign of life"]


def wait_for(file: Path, there: bool) -> None:
    for _ in range(3_000):
        if file.exists() == there:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{file} is still {'not ' * there}there")


def test_the_sign_is_given_again_and_again_and_taken_away(tmp_path: Path) -> None:
    place = Location.parse(str(tmp_path))
    assert last_sign(place) is None
    sign = SignOfLife(place, 0.01)
    wait_for(tmp_path / SIGN, True)
    (tmp_path / SIGN).unlink()
    wait_for(tmp_path / SIGN, True)
    seen = last_sign(place)
    assert seen is not None
    assert abs(seen - datetime.now(UTC)) < SILENT
    sign.end()
    assert list(tmp_path.iterdir()) == []


def test_storage_of_any_kind_has_signs() -> None:
    """No disk: a file system that has files and times alone, as an object store does."""
    storage = fs._MockFileSystem(datetime(2026, 11, 22, 1, tzinfo=UTC))
    storage.create_dir("runs/a")
    place = Location(storage, "runs/a")
    sign = SignOfLife(place, 0.01)
    for _ in range(3_000):
        if last_sign(place):
            break
        threading.Event().wait(0.01)
    assert last_sign(place) == datetime(2026, 11, 22, 1, tzinfo=UTC)
    sign.end()
    assert place.children() == []


def test_nobody_gives_signs_for_a_run_that_is_forgotten(tmp_path: Path) -> None:
    """As after an error in a notebook, whose process lives on."""
    before = beating()
    sign = SignOfLife(Location.parse(str(tmp_path)), 0.01)
    (own,) = set(beating()) - set(before)
    del sign
    gc.collect()
    own.join(60)
    assert not own.is_alive()


def test_a_folder_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    sign = SignOfLife(Location.parse(str(tmp_path / "run")), 0.01)
    wait_for(tmp_path / "run" / SIGN, True)
    while (tmp_path / "run").exists():
        (tmp_path / "run" / SIGN).unlink(missing_ok=True)
        try:
            (tmp_path / "run").rmdir()
        except OSError:
            continue
    sign.end()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["published", "refused", "given up", "given up empty"])
def test_the_end_of_a_run_ends_its_signs(tmp_path: Path, end: str) -> None:
    before = beating()
    writer = RunWriter.create(str(tmp_path), "audit")
    folder = Path(writer.path)
    assert len(set(beating()) - set(before)) == 1
    if end != "given up empty":
        writer.write("metrics", table("metrics", 1))
    (folder / SIGN).touch()
    if end == "refused":
        (folder / "metrics.parquet").unlink()
    if end == "published":
        writer.publish({})
    elif end == "refused":
        with pytest.raises(EnvironmentProblem):
            writer.publish({})
    else:
        writer.give_up()
    assert set(beating()) <= set(before)
    assert not (folder / SIGN).exists()
    assert folder.exists() == (end != "given up empty")


def unfinished(out: Path, sign: timedelta | None) -> Path:
    """The folder of a run that began long ago and gave its last sign that long ago."""
    writer = RunWriter.create(str(out), "audit")
    folder = out / f"{OLD}-{writer.id.split('-', 1)[1]}"
    Path(writer.path).rename(folder)
    if sign is not None:
        (folder / SIGN).touch()
        at = (datetime.now(UTC) - sign).timestamp()
        os.utime(folder / SIGN, (at, at))
    return folder


@pytest.mark.parametrize(
    ("sign", "hours", "goes"),
    [
        (None, 24.0, True),
        (timedelta(minutes=2), 24.0, False),
        (timedelta(minutes=2), 0.0, False),
        (timedelta(hours=1), 24.0, False),
        (timedelta(hours=1), 0.0, True),
        (timedelta(hours=25), 24.0, True),
    ],
)
def test_a_run_at_work_is_not_pruned(
    tmp_path: Path, sign: timedelta | None, hours: float, goes: bool
) -> None:
    folder = unfinished(tmp_path, sign)
    going = doomed(str(tmp_path), unfinished=True, hours=hours)
    assert [run.id for run in going] == [folder.name] * goes


def test_a_run_that_has_just_begun_is_at_work(tmp_path: Path) -> None:
    RunWriter.create(str(tmp_path), "audit")
    assert doomed(str(tmp_path), unfinished=True, hours=0.0) == []


def test_a_run_that_goes_on_while_pruning_is_left(tmp_path: Path) -> None:
    folder = unfinished(tmp_path, None)
    going = doomed(str(tmp_path), unfinished=True)
    (folder / SIGN).touch()
    assert prune(str(tmp_path), going) == [folder.name]
    assert states(tmp_path) == ["unfinished"]
    (folder / SIGN).unlink()
    assert prune(str(tmp_path), going) == []
    assert not folder.exists()
