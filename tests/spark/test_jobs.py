"""The jobs under spark-submit: exit codes, and what is left, of a killed one too."""

from __future__ import annotations

from pathlib import Path

import pytest

from dftspark import sample
from dftspark.errors import InputError
from dftspark.store.listing import open_run, runs
from dftspark.store.run import Run
from tests.spark import processes
from tests.spark.agreement import assert_same

pytestmark = [pytest.mark.spark, pytest.mark.cluster]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where jobs run: the sample and a configuration that names it by relative paths."""
    folder = tmp_path_factory.mktemp("jobs")
    sample.write(folder / "texts-2026-01-31")
    columns = 'columns = { doc_id = "prompt_id" }\n'
    (folder / "audit.toml").write_text(
        'name = "nightly"\nout = "runs"\nlenses = ["ngrams"]\n'
        f'[corpora.human]\nrole = "human"\npath = "texts-{{date}}/human.jsonl"\n{columns}'
        f'[corpora.gpt]\nrole = "model"\npath = "texts-{{date}}/polished.jsonl"\n{columns}'
        "[ngrams]\norders = [1, 2]\n"
    )
    return folder


@pytest.fixture(scope="module")
def killed(folder: Path) -> str:
    """The id of a run that got SIGKILL after its profile began to be written."""
    command = processes.spark_submit("audit.py", "--conf", "audit.toml", "--date", "2026-01-31")
    found: list[Path] = []

    def begun() -> bool:
        found.extend((folder / "runs").glob("*/profile.parquet"))
        return bool(found)

    processes.killed(command, folder, begun)
    return found[0].parent.name


@pytest.fixture(scope="module")
def audited(folder: Path) -> Run:
    command = processes.spark_submit("audit.py", "--conf", "audit.toml", "--date", "2026-01-31")
    done = processes.finished(command, folder)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "count: done" in done.stdout  # spark-submit sends both streams there
    return open_run(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_killed_run_is_never_taken_for_a_finished_one(
    folder: Path, killed: str, audited: Run
) -> None:
    store = str(folder / "runs")
    states = {info.id: info.state for info in runs(store)}
    assert states == {killed: "unfinished", audited.id: "finished"}
    assert open_run(store).id == audited.id
    for arguments in ((store, killed), (f"{store}/{killed}",)):
        with pytest.raises(InputError, match="did not finish"):
            open_run(*arguments)


def test_the_audit_job_prints_the_run_it_made(folder: Path, audited: Run) -> None:
    assert Path(audited.path).parent == folder / "runs"
    assert audited.id.split("-")[1] == "nightly"
    assert audited.manifest["date"] == "2026-01-31"
    assert set(audited.table("metrics")["model"].to_pylist()) == {"gpt"}
    assert set(audited.table("ngrams")["n"].to_pylist()) == {1, 2}
    assert not list(Path(audited.path).glob("*.staging"))


@pytest.mark.slow
def test_any_command_runs_under_spark_submit(folder: Path, audited: Run) -> None:
    command = ["command.py", "audit", "audit.toml", "--date", "2026-01-31", "--quiet"]
    done = processes.finished(processes.spark_submit(*command), folder)
    assert done.returncode == 0, done.stderr[-4000:]
    assert_same(open_run(done.stdout.splitlines()[-1]), audited)
    done = processes.finished(processes.spark_submit("command.py", "audit", "none.toml"), folder)
    assert done.returncode == 2
    assert "none.toml" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_compare_job_works_from_the_profile(folder: Path, audited: Run) -> None:
    for path in folder.glob("texts-*/*"):
        path.rename(path.with_suffix(".away"))  # it must not read them
    command = processes.spark_submit(
        "compare.py", "--conf", "audit.toml", "--profile", f"runs/{audited.id}"
    )
    try:
        done = processes.finished(command, folder)
    finally:
        for path in folder.glob("texts-*/*"):
            path.rename(path.with_suffix(".jsonl"))
    assert done.returncode == 0, done.stderr[-4000:]
    compared = open_run(done.stdout.splitlines()[-1])
    assert (compared.manifest["kind"], compared.manifest["profiled"]) == ("compare", audited.id)
    assert_same(compared, audited, "metrics", "ngrams", "document_ratios")


@pytest.mark.parametrize(
    ("job", "arguments", "code", "words"),
    [
        ("audit.py", ["--conf", "typo.toml"], 2, "did you mean 'orders'"),
        ("audit.py", ["--conf", "audit.toml", "--date", "2026-02-01"], 4, "texts-2026-02-01"),
        ("compare.py", ["--conf", "audit.toml", "--profile", "runs/none"], 4, "no such folder"),
    ],
)
def test_exit_codes(folder: Path, job: str, arguments: list[str], code: int, words: str) -> None:
    text = (folder / "audit.toml").read_text()
    (folder / "typo.toml").write_text(text.replace("orders =", "order ="))
    done = processes.finished(processes.spark_submit(job, *arguments), folder)
    assert done.returncode == code, done.stderr[-4000:]
    (error,) = (line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert words in done.stdout[done.stdout.index(error) :]
    assert "Traceback" not in done.stdout + done.stderr
