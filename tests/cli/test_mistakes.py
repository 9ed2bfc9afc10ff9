"""What the command line says of mistakes, and with which exit code it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config.template import template
from dftspark.errors import CheckFailed, InputError
from tests.commands import place, publish

ROOT = Path(__file__).resolve().parents[2]


def test_a_wrong_path_is_told_before_spark_starts(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    place("h.txt", "f/_hidden.txt")
    for wrong, said in (
        ("nosuch.txt", "there is no file or folder 'nosuch.txt'"),
        ("no*.txt", "the pattern 'no*.txt' has no file to read"),
        ("f", "the folder 'f' has no file to read"),
    ):
        for command in ("audit", "profile", "embed"):
            assert cli.main([command, "--human", "h.txt", "--model", wrong]) == 4
            assert said in capsys.readouterr().err
    assert not calls


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dbfs:/mnt/m.txt", "a volume below /Volumes"),
        ("s4://b/m.txt", "an s3a:, gs:, abfs: or hdfs: URI"),
    ],
)
def test_an_address_of_no_store_is_refused_alike_as_source_and_as_out(
    calls: list[Any], capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    place("h.txt", "m.txt")
    for model, more in ((address, []), ("m.txt", ["--out", address])):
        assert cli.main(["audit", "--human", "h.txt", "--model", model, *more]) == 2
        told = capsys.readouterr().err
        assert address in told
        assert said in told
        assert len(told.splitlines()) < 10
    assert not calls


def test_an_out_that_cannot_be_written_is_told_before_spark_starts(
    calls: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place("h.txt", "m.txt", "home/x")
    for out, said in (
        ("m.txt", "A file of that name is in the way; choose another `out`."),
        ("m.txt/a/runs", "A part of the path is a file, not a folder; choose another `out`."),
        ("home/runs", "Choose an `out` that this user may write."),
    ):
        monkeypatch.setattr("os.access", lambda there, _: there.name != "home")
        assert cli.main(["audit", "--human", "h.txt", "--model", "m.txt", "--out", out]) == 75
        told = capsys.readouterr().err
        assert "cannot write " in told
        assert out in told
        assert said in told
    assert not calls
    assert not Path("home/runs").exists()


def test_a_pattern_that_the_shell_expanded_is_explained(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    place("t/a.txt", "t/b.txt", "t/c.txt", "t/d.txt", "m.txt")
    for names in (["t/a.txt", "t/b.txt"], ["t/a.txt", "t/b.txt", "t/c.txt", "t/d.txt"]):
        assert cli.main(["audit", "--human", *names, "--model", "m.txt"]) == 2
        told = capsys.readouterr().err
        assert "got t/b.txt" in told
        assert "A glob needs quotes: --human 'texts/*.txt'" in told
        assert len(told.splitlines()) < 10
    assert cli.main(["audit", "a.toml", "b.toml"]) == 2
    assert "one CONF is expected, got 2: a.toml, b.toml" in capsys.readouterr().err
    assert not calls


def test_columns_that_do_not_fit_are_told_before_spark_starts(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("h", "m"):
        Path(f"{name}.jsonl").write_text('{"question": "q", "answer": "x", "by": "gpt"}\n')
    sides = ["--human", "h.jsonl", "--model", "m.jsonl"]
    assert cli.main(["audit", *sides]) == 2
    told = capsys.readouterr().err
    assert "corpora.human.columns.text: there is no column 'text' in" in told
    assert "which has question, answer, by; perhaps" in told
    assert "--text-column answer" in told
    assert cli.main(["audit", *sides, "--text-column", "answr"]) == 2
    assert "--text-column answer" in capsys.readouterr().err
    assert not calls
    named = ["--text-column", "answer", "--prompt-column", "question"]
    assert cli.main(["audit", *sides, *named, "--quiet"]) == 0
    _, (_, config, _) = calls
    columns = config.corpora["m"].columns
    assert (columns.text, columns.prompt, columns.prompt_id) == ("answer", "question", "question")


def test_texts_in_the_place_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "mine.csv", "--text-column", "answer"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("; give the texts as --human mine.csv")
    assert cli.main(["audit", "a.toml", "--text-column", "answer"]) == 2
    assert "; a.toml names columns in [corpora.NAME.columns]" in capsys.readouterr().err


def test_a_table_that_is_not_there_is_told_in_words(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish("runs", "a")
    assert cli.main(["show", "runs", "metrisc"]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'metrics'? it has metrics" in told
    assert "[" not in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit"],
        ["audit", "--human", "h"],
        ["audit", "--model", "m"],
        ["audit", "none.toml"],
        ["audit", "a.toml", "--human", "h", "--model", "m"],
        ["audit", "--human", "h", "--model", "m", "--date", "22.11.2026"],
        ["audit", "--human", "h", "--model", "m", "--date", "20261122"],
        ["audit", "--human", "h", "--model", "m-{date}"],
        ["audit", "--human", "h", "--model", "m", "--no-such-option"],
        ["no-such-command"],
        ["show", "runs", "no_such_table"],
        ["show", "runs", "metrics", "--sort", "no_such_column"],
        ["show", "runs", "--json"],
        ["show", "runs", "metrics", "--rows", "0"],
    ],
)
def test_usage_errors_end_with_2(
    calls: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    publish("runs")
    (tmp_path / "a.toml").write_text(template())
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "rror" in told.err
    assert "Traceback" not in told.err
    assert calls == []


@pytest.mark.parametrize(
    ("raised", "code"),
    [(InputError("none of s3a://key:secret@b/x\x1b[2J"), 4), (CheckFailed("drift"), 3)],
)
def test_errors_have_their_exit_code_and_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
    calls: list[Any],
    capsys: pytest.CaptureFixture[str],
    raised: Exception,
    code: int,
) -> None:
    def fails(*_: Any) -> None:
        raise raised

    monkeypatch.delenv("DFTSPARK_DEBUG", raising=False)
    monkeypatch.setattr(sys.modules["dftspark.runs"], "audit", fails)
    place("h.txt", "m.txt")
    arguments = ["audit", "--human", "h.txt", "--model", "m.txt", "--quiet"]
    assert cli.main(arguments) == code
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "Traceback" not in told
    assert "secret" not in told
    assert "\x1b" not in told
    monkeypatch.setenv("DFTSPARK_DEBUG", "1")
    with pytest.raises(type(raised)):
        cli.main(arguments)


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, calls: list[Any]) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["dftspark.runs"], "audit", interrupted)
    place("h.txt", "m.txt")
    assert cli.main(["audit", "--human", "h.txt", "--model", "m.txt"]) == 130


@pytest.mark.program
@pytest.mark.parametrize("absent", ["pyspark", "numba", "scipy"])
def test_without_extras_a_demo_says_which(tmp_path: Path, absent: str) -> None:
    program = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Absent(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.split('.')[0] == {absent!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from dftspark.cli import main\n"
        "sys.exit(main(['demo', '--quiet']))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.returncode == 75
    said = done.stderr.decode()
    assert said.startswith(f"error: {absent} is not installed: ")
    assert "pip install 'dftspark[spark,embed,report]'" in said
    assert len(said.splitlines()) == 1
