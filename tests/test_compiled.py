"""Kernels run without a folder for their machine code, and with one that a power cut left."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dftspark import compiled, doctor
from dftspark.lenses.ngrams import counting
from dftspark.progress import Events, Lines, Progress, Silent

KERNEL = """
from dftspark.compiled import compiled

@compiled
def twice(x):
    return 2 * x
"""
_numbers = itertools.count()


def loaded(folder: Path) -> Callable[[int], int]:
    """The kernel as a process would have it that starts now."""
    folder.mkdir(exist_ok=True)
    file = folder / "kernel.py"
    file.write_text(KERNEL)
    spec = importlib.util.spec_from_file_location(f"kernel{next(_numbers)}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[int], int] = module.twice
    return found


def hits(kernel: Callable[[int], int]) -> int:
    return sum(kernel.stats.cache_hits.values())  # type: ignore[attr-defined]


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package and a home in which no folder can be made, whoever asks: their place is taken by a
    file. The temporary folder is empty."""
    taken = tmp_path / "taken"
    taken.write_text("")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__pycache__").write_text("")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(taken / "home"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return package


def test_a_read_only_package_and_home_fall_back_to_a_temporary_folder(read_only: Path) -> None:
    first = loaded(read_only)
    assert first(21) == 42
    folder, why = compiled.kept(first)
    assert Path(folder).is_relative_to(tempfile.gettempdir())
    assert "cannot be written" in why
    again = loaded(read_only)
    assert again(21) == 42
    assert hits(again) == 1


def test_nowhere_to_write_costs_the_time_alone(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "taken"))
    kernel = loaded(read_only)
    assert kernel(21) == 42
    assert compiled.kept(kernel)[0] == ""


def test_a_temporary_folder_that_others_may_write_is_not_used(read_only: Path) -> None:
    """What is in it would be run."""
    foreign = compiled._own_temporary()
    foreign.mkdir()
    foreign.chmod(0o777)
    kernel = loaded(read_only)
    assert kernel(21) == 42
    assert compiled.kept(kernel)[0] == ""
    assert not list(foreign.iterdir())


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 11])
def test_what_a_power_cut_left_is_rebuilt(tmp_path: Path, suffix: str, left: int) -> None:
    folder = tmp_path / "package"
    assert loaded(folder)(21) == 42
    (file,) = (folder / "__pycache__").glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:left])
    kernel = loaded(folder)
    assert kernel(21) == 42
    assert hits(kernel) == 0
    mended = loaded(folder)
    assert mended(21) == 42
    assert hits(mended) == 1


def test_a_full_disk_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert loaded(tmp_path / "package")(21) == 42


def test_doctor_says_where_the_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor._compiled()
    assert found.ok
    assert found.found.startswith("kept in ")
    assert "NUMBA_CACHE_DIR" not in found.found
    monkeypatch.setattr(compiled, "kept", lambda _: ("", "no folder can be written"))
    assert doctor._compiled().found == (
        "not kept: no folder can be written; name a folder that lasts in NUMBA_CACHE_DIR"
    )


def test_a_kernel_is_ready_once_it_was_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "package"
    first = loaded(folder)
    assert not compiled.ready(first)
    first(21)
    assert compiled.ready(first)
    assert compiled.ready(loaded(folder)), "as a later process has it"
    target = compiled._target.target_context.codegen()
    monkeypatch.setattr(type(target), "magic_tuple", lambda _: ("another processor",))
    assert not compiled.ready(loaded(folder))


def test_a_kernel_without_a_folder_is_ready_after_its_first_call(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "taken"))
    kernel = loaded(read_only)
    assert not compiled.ready(kernel)
    kernel(21)
    assert compiled.ready(kernel)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("/kept", ""), "later ones find them in /kept. `dftspark warm` does it beforehand."),
        (("", "no folder can be written"), "as each run does: no folder can be written. Name a"),
    ],
)
def test_a_run_that_compiles_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    found: tuple[str, str],
    said: str,
) -> None:
    from dftspark.spark.rows import InProcess
    from dftspark.stages import compiling

    caplog.set_level("INFO", "dftspark")
    compiling._tell_once.cache_clear()
    monkeypatch.setattr(counting, "uncompiled", lambda: found)

    def told(progress: Progress) -> list[str]:
        compiling.tell(SimpleNamespace(progress=progress, spark=InProcess()))  # type: ignore[arg-type]
        return caplog.messages

    assert not told(Silent())
    (message,) = told(Lines())
    assert told(Events()) == [message]
    assert said in message
    compiling._tell_once.cache_clear()


@pytest.mark.slow
@pytest.mark.program
def test_a_first_run_says_that_it_compiles_and_a_second_one_does_not(tmp_path: Path) -> None:
    for name in ("human", "model"):
        texts = (f"{name} writes number {i}, and then another one." for i in range(20))
        rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (tmp_path / f"{name}.jsonl").write_text(rows)
    (tmp_path / "a.toml").write_text(
        'lenses = ["ngrams"]\n'
        '[corpora.human]\nrole = "human"\npath = "human.jsonl"\n'
        '[corpora.model]\nrole = "model"\npath = "model.jsonl"\n'
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
    }

    def events(*arguments: str) -> list[dict[str, str]]:
        command = [sys.executable, "-m", "dftspark", "audit", "a.toml", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stderr.splitlines()]

    first, *later = events("--log", "json")
    assert first["event"] == "compiling"
    assert "`dftspark warm`" in first["message"]
    assert first["folder"].startswith(str(tmp_path / "kept"))
    assert later[0]["event"] == "stage_started"
    assert all(event["event"] != "compiling" for event in [*later, *events("--log", "json")])
