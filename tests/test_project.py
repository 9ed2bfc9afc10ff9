"""The files around the code: configurations, packaging, documents, imports without Spark."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import dftspark
from dftspark.config import Audit

ROOT = Path(__file__).resolve().parents[1]
BUILT = {"build", "dist", "runs", "results", "artifacts", "spark-warehouse", "__pycache__"}
TEXT = {"", ".cfg", ".conf", ".ini", ".ipynb", ".json", ".md", ".properties", ".py", ".sh", ".sql"}
TEXT |= {".toml", ".txt", ".yaml", ".yml"}


def project_files() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in BUILT and (not name.startswith(".") or name in {".ci", ".github"})
        ]
        found += [Path(folder) / name for name in names if name != ".git"]  # a worktree's pointer
    return sorted(found)


def readme() -> str:
    file = ROOT / "README.md"
    if not file.exists():
        pytest.skip("there is no README.md")
    return file.read_text(encoding="utf-8")


def commands_in(document: str, program: str) -> set[str]:
    """First words after `program` at the start of a command, in code blocks and in backticks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", document, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", document)
    command = re.compile(rf"^\s*(?:[$%]\s+)?(?:\.venv/bin/)?{program}\s+([a-z][a-z-]*)\b")
    return {match[1] for line in lines if (match := command.match(line))}


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, flags=re.MULTILINE))


def test_no_file_names_a_place_on_one_machine() -> None:
    place = re.compile(r"(?<![\w.~])/(?:root|work|home/[a-z]\w*|Users/[A-Za-z]\w*)/")
    offences = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for file in project_files()
        if file.suffix in TEXT
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if place.search(line)
    ]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.toml")), ids=lambda file: file.name)
def test_shipped_configurations_are_valid(file: Path) -> None:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    if "corpora" in document:
        Audit.load(file)


@pytest.mark.parametrize("file", ["spark-defaults.conf", "spark-gpu.conf"])
def test_spark_settings_are_keys_and_values(file: str) -> None:
    text = (ROOT / "conf" / file).read_text(encoding="utf-8")
    pairs = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    assert all(len(pair) == 2 and pair[0].startswith("spark.") for pair in pairs), pairs
    assert not [pair for pair in pairs if "#" in pair[1]], "a comment would be part of the value"
    keys = [pair[0] for pair in pairs]
    assert len(keys) == len(set(keys))


def discover_gpus(folder: Path, nvidia_smi: str | None) -> subprocess.CompletedProcess[str]:
    for tool in ("sed", "paste", "sh"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    if nvidia_smi is not None:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{nvidia_smi}\n")
        (folder / "nvidia-smi").chmod(0o755)
    script = [str(ROOT / "conf" / "getGpus.sh")]
    return subprocess.run(
        script, env={"PATH": str(folder)}, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("indices", "addresses"), [("0", '"0"'), ("0\\n1\\n 10", '"0","1","10"')], ids=["one", "three"]
)
def test_gpu_discovery_prints_what_spark_reads(
    tmp_path: Path, indices: str, addresses: str
) -> None:
    done = discover_gpus(tmp_path, f"printf '{indices}\\n'")
    assert (done.stdout, done.returncode) == (f'{{"name":"gpu","addresses":[{addresses}]}}\n', 0)


@pytest.mark.parametrize(
    "nvidia_smi",
    [None, "echo no driver >&2; exit 9", "echo No devices were found"],
    ids=["absent", "failing", "no devices"],
)
def test_gpu_discovery_says_why_there_is_none(tmp_path: Path, nvidia_smi: str | None) -> None:
    done = discover_gpus(tmp_path, nvidia_smi)
    assert (done.stdout, done.returncode) == ("", 1)
    assert "nvidia-smi" in done.stderr


def test_constraints_are_pins_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert not [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[\w.]+", pin)]
    assert len({pin.split("==")[0] for pin in pins}) == len(pins)


def test_the_changelog_knows_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(dftspark.__version__)}\]", changelog, re.MULTILINE)


@pytest.mark.parametrize("file", ["Makefile", "CONTRIBUTING.md", "README.md"])
def test_named_make_targets_exist(file: str) -> None:
    text = readme() if file == "README.md" else (ROOT / file).read_text(encoding="utf-8")
    named = commands_in(text, "make")
    assert named <= make_targets(), f"{file} names {sorted(named - make_targets())}"


def test_named_commands_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = pytest.importorskip("dftspark.cli", reason="there is no dftspark.cli")
    unknown = []
    for command in sorted(commands_in(readme(), "dftspark")):
        monkeypatch.setattr(sys, "argv", ["dftspark", command, "--help"])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code
        if code not in (0, None):
            unknown.append(command)
    assert not unknown, f"README.md names {unknown}"


@pytest.mark.parametrize("program", ["ci", "gpu"])
def test_scripts_can_be_executed(program: str) -> None:
    file = {"ci": ROOT / ".ci" / "run", "gpu": ROOT / "conf" / "getGpus.sh"}[program]
    if not file.exists():
        pytest.skip(f"{file.name} is not part of a source distribution")
    assert file.stat().st_mode & stat.S_IXUSR


IMPORT_WITHOUT = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def import_without(absent: str, *modules: str) -> str:
    """Standard error of a fresh interpreter that imports `modules` and cannot find `absent`."""
    command = [sys.executable, "-c", IMPORT_WITHOUT, absent, *modules]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stderr if done.returncode else ""


CORE = ["dftspark.stats", "dftspark.inference"] + [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for kind in ("statistic", "distance")
    for file in sorted((ROOT / "dftspark" / "lenses").glob(f"*/{kind}*.py"))
]
EXTRAS = (
    "pyspark py4j pandas torch sentence_transformers openvino faiss contourpy jinja2 urllib3 duckdb"
)


@pytest.mark.program
def test_an_absent_library_is_noticed() -> None:
    assert "ModuleNotFoundError" in import_without("pyarrow", "dftspark.schema")


@pytest.mark.program
def test_reading_runs_needs_no_extra() -> None:
    compute = "numba scipy tokenizers zstandard polars"
    assert not import_without(f"{EXTRAS} {compute}", "dftspark.store.writer", "dftspark.cli")


@pytest.mark.program
def test_the_numerical_core_needs_no_spark() -> None:
    assert not import_without(EXTRAS, *CORE)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """Names in the wheel and in the source distribution, built here without a network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed; it is in the extra `dev`")
    readme()  # the build reads it
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return in_wheel, in_sdist


@pytest.mark.program
def test_distributions_hold_the_whole_package(distributions: tuple[set[str], set[str]]) -> None:
    wanted = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "dftspark").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert any(name.endswith(".npz") for name in wanted)
    assert any(name.startswith("dftspark/sample/") for name in wanted)
    recipes = {
        str(file.relative_to(ROOT)) for name in ("conf", "jobs") for file in (ROOT / name).iterdir()
    }
    assert (
        not {f"dftspark/_recipes/{n}" for n in recipes if "__pycache__" not in n}
        - (distributions[0])
    )
    for names in distributions:
        assert not wanted - names
        assert not [name for name in names if "__pycache__" in name]


@pytest.mark.program
def test_distributions_hold_the_license_and_the_source_holds_the_tests(
    distributions: tuple[set[str], set[str]],
) -> None:
    in_wheel, in_sdist = distributions
    assert any(name.endswith("licenses/LICENSE") for name in in_wheel)
    assert not [name for name in in_wheel if name.startswith(("tests/", "conf/"))]
    assert {"LICENSE", "Makefile", "constraints.txt", "tests/test_project.py"} <= in_sdist
