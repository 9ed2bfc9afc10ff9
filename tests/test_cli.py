"""The command line end to end, with Spark's part played by a stand-in."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dftspark import cli, schema
from dftspark.config import Audit, Columns, Embedding, Endpoint, Judge, Sweep, request
from dftspark.config.nightly import Acknowledged, Check
from dftspark.config.template import template
from dftspark.errors import CheckFailed, ConfigError, InputError
from dftspark.store.listing import open_run, runs
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

ROOT = Path(__file__).resolve().parents[1]
NAN = float("nan")
COMMANDS = [
    "demo",
    "audit",
    "profile",
    "embed",
    "judge",
    "compare",
    "runs",
    "show",
    "report",
    "export",
    "diff",
    "doctor",
    "warm",
    "init",
]


def row(**values: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"run_id": "r", "date": "", "human": "human", "stratum": ""}
    return {**empty, **values}


def publish(out: str, name: str = "audit", **manifest: Any) -> Run:
    writer = RunWriter.create(out, name)
    metrics = [
        row(
            model=model,
            metric="js_1gram",
            value=value,
            p_value=p,
            n_tell=n,
            n_tell_low=0.8 * n,
            n_tell_high=1.2 * n,
            n_tell_unit="documents",
            blocks=64,
        )
        for model, value, n, p in (
            ("gpt", 0.3, 40.0, 0.001),
            ("claude", 0.2, 90.0, 0.001),
            ("unknown", NAN, NAN, NAN),
        )
    ]
    rejects = [{"run_id": "r", "file": "a\x1b[31m.txt", "detail": "[red]bad"}]
    for table, rows in (("metrics", metrics), ("rejects", rejects)):
        writer.write(table, pa.Table.from_pylist(rows, schema=schema.TABLES[table]))
    return writer.publish({"headline": "gpt 3.0x", **manifest})


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


def place(*paths: str) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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


def test_one_file_split_by_the_column_of_its_models(calls: list[Any]) -> None:
    Path("all.jsonl").write_text('{"text": "x", "by": "gpt"}\n{"text": "y", "by": null}\n')
    assert cli.main(["audit", "--human", "all.jsonl", "--model-column", "by", "--quiet"]) == 0
    _, (_, config, _) = calls
    human, model = config.corpora["human"], config.corpora["all"]
    assert (human.paths, model.paths) == (("all.jsonl",), ("all.jsonl",))
    assert (human.split_by, model.split_by) == ((), ("by",))
    assert model.filter == f"NOT ({human.filter})"


def test_settings_of_spark(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    place("h.txt", "m.txt")
    command = ["audit", "--human", "h.txt", "--model", "m.txt", "--quiet"]
    more = ["--conf", "spark.a=1=2", "--conf", "spark.b=", "--packages", "g:a:1"]
    assert cli.main([*command, *more]) == 0
    assert calls[0][3] == {"spark.a": "1=2", "spark.b": "", "spark.jars.packages": "g:a:1"}
    calls.clear()
    for wrong, said in (
        ("audit.toml", "dftspark audit audit.toml"),
        ("executor.memory=4g", "takes a setting of Spark"),
        ("token=secret", "takes a setting of Spark"),
    ):
        assert cli.main([*command, "--conf", wrong]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "secret" not in told
    assert not calls


def test_a_table_that_is_not_there_is_told_in_words(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish("runs", "a")
    assert cli.main(["show", "runs", "metrisc"]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'metrics'? it has metrics" in told
    assert "[" not in told


def test_audit_from_paths(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    place("h/a.txt", "h2.txt", "m/gpt-4.jsonl.gz", "other/gpt-4/a.txt")
    code = cli.main(
        [
            "audit",
            "--human",
            "h/*.txt",
            "--human",
            "h2.txt",
            "--model",
            "m/gpt-4.jsonl.gz",
            "--model",
            "other/gpt-4/*.txt",
            "--out",
            "store",
            "--master",
            "local[2]",
        ]
    )
    assert code == 0
    (_, app, master), (name, config, date) = calls
    assert (app, master, name, date) == ("audit", "local[2]", "audit", "")
    assert list(config.corpora) == ["human", "gpt-4", "gpt-4 (2)"]
    assert config.corpora["human"].paths == ("h/*.txt", "h2.txt")
    assert config.out == "store"
    told = capsys.readouterr()
    assert "about 40 (32 to 48) give gpt away by words" in told.out
    assert re.search(r"read: done, 3 rows", told.err)


def test_audit_from_a_file_with_a_date(calls: list[Any], tmp_path: Path) -> None:
    place("x/2026-11-22/a/1.txt", "y/1.txt", "m/2026-11-22/1.txt")
    (tmp_path / "a.toml").write_text(
        'out = "runs-{date}"\n'
        '[corpora.web]\nrole = "human"\npath = ["x/{date}/a", "y"]\n'
        '[corpora.gpt]\nrole = "model"\npath = "m/{date}"\n'
    )
    assert cli.main(["audit", "a.toml", "--date", "2026-11-22", "--quiet"]) == 0
    _, config, date = calls[-1]
    assert date == "2026-11-22"
    assert config.out == "runs-2026-11-22"
    assert config.corpora["web"].paths == ("x/2026-11-22/a", "y")
    assert cli.main(["profile", "a.toml", "--date", "2026-11-22", "--out", "here"]) == 0
    assert calls[-1][0] == "profile"
    assert calls[-1][1].out == "here"
    assert cli.main(["audit", "a.toml"]) == 2


def test_quiet_prints_the_place_alone(
    calls: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["demo", "--quiet"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{runs(str(tmp_path / 'runs'))[0].path}\n"
    assert told.err == ""


def test_compare_works_from_a_run(calls: list[Any], tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(template())
    first = publish("runs", "one")
    publish("runs", "two")
    assert cli.main(["compare", "a.toml", "--profile", f"runs/{first.id}"]) == 0
    assert calls[-1][2].id == first.id
    assert cli.main(["compare", "a.toml", "--profile", first.path]) == 0
    assert calls[-1][2].id == first.id
    second = publish("runs", "two")
    assert cli.main(["compare", "a.toml"]) == 0
    assert calls[-1][2].id == second.id
    assert cli.main(["compare"]) == 2
    before = len(calls)
    assert cli.main(["compare", "a.toml", "--profile", first.path, "--date", "2027-01-01"]) == 2
    assert len(calls) == before, "numbers of one date are not put under another"


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


def test_runs_lists_newest_first(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    publish("runs", "old", date="2026-11-21", corpora={"human": 1, "gpt": 2})
    RunWriter.create("runs", "stopped")
    assert cli.main(["runs", "runs", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"]: line["state"] for line in lines} == {
        "stopped": "unfinished",
        "old": "finished",
    }
    assert cli.main(["runs"]) == 0
    told = capsys.readouterr().out
    for part in ("-old-", "finished", "2026-11-21", "gpt, human; gpt 3.0x", "unfinished"):
        assert part in told
    assert cli.main(["runs", "nowhere"]) == 4


def test_show_sorts_cuts_and_says_what_it_left_out(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = publish("runs")
    assert cli.main(["show", run.path, "metrics", "--sort", "-value", "--rows", "2"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(\w+)  ", told, re.MULTILINE)[1:] == ["gpt", "claude"]
    assert "2 of 3 rows; not shown: run_id" in told
    assert cli.main(["show", f"runs/{run.id[:16]}", "metrics", "--sort", "value"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(\w+)  ", told, re.MULTILINE)[1:] == ["claude", "gpt", "unknown"]
    assert "\x1b" not in told


def test_export_prints_a_ban_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = RunWriter.create(str(tmp_path), "audit")
    counts = {"count_human": 1, "docs_human": 1, "docs_model": 60, "q_value": 1e-9, "n": 1}
    rates = {"per_million_human": 1.0, "per_million_model": 90.0}
    grams = [
        row(
            model=model,
            text=text,
            tokens=[text],
            count_model=90,
            **counts,
            **{**rates, "per_million_model": 95.0 if model == "formulas" else 90.0},
        )
        for model, text in (
            ("gpt", "delve"),
            ("gpt", "tapestry"),
            ("claude", "honestly"),
            ("formulas", "delve"),  # more often than gpt
            ("formulas", "=cmd"),
            ("formulas", "+1 said"),
            ("formulas", "=\u202ecmd"),
        )
    ]
    writer.write("ngrams", pa.Table.from_pylist(grams, schema=schema.NGRAMS))
    run = writer.publish({})
    assert cli.main(["export", run.path, "--model", "gpt", "--as", "strings"]) == 0
    assert json.loads(capsys.readouterr().out) == ["delve", "tapestry"]
    assert cli.main(["export", run.path, "--model", "gpt", "--as", "lines", "--limit", "1"]) == 0
    assert capsys.readouterr().out == "delve\n"
    assert cli.main(["export", run.path, "--model", "formulas", "--as", "lines"]) == 0
    both = capsys.readouterr()
    assert sorted(both.out.splitlines()) == ["+1 said", "=cmd", "delve"]
    assert both.err.startswith("note: 2 lines begin with = + - or @, which a spreadsheet takes")
    assert cli.main(["export", run.path, "--limit", "9"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert {(e["phrase"], e["model"]) for e in every} == {
        ("delve", "formulas"),
        ("tapestry", "gpt"),
        ("honestly", "claude"),
        ("=cmd", "formulas"),
        ("+1 said", "formulas"),
    }
    two = ["export", run.path, "--model", "gpt", "--model", "claude", "--as", "strings"]
    assert cli.main(two) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["delve", "honestly", "tapestry"]
    for wrong in (["--as", "yaml"], ["--model", "other"]):
        assert cli.main(["export", run.path, *wrong]) == ConfigError.exit_code
        assert "claude" in (told := capsys.readouterr().err) or "antislop" in told


def test_a_narrow_terminal_shows_the_columns_that_fit(tmp_path: Path) -> None:
    import io

    from rich.console import Console

    from dftspark.report.terminal.table import print_table

    metrics = publish(str(tmp_path / "runs")).table("metrics")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=54)
    print_table(metrics, "metrics", console, 20)
    lines = file.getvalue().splitlines()
    assert lines[0].split() == ["model", "metric", "n_tell", "value", "p_value", "n_tell_low"]
    assert max(map(len, lines[:-1])) <= 54
    assert "ci_low" in lines[-1]


def test_json_lines_are_whole_and_plain(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish("runs")
    assert cli.main(["show", "runs", "metrics", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["model"] for line in lines] == ["gpt", "claude", "unknown"]
    assert list(lines[0]) == schema.METRICS.names
    assert lines[2]["value"] is None
    assert cli.main(["show", "runs", "rejects", "--json"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert json.loads(told)["file"] == "a\x1b[31m.txt"
    assert cli.main(["show", "runs", "rejects"]) == 0
    told = capsys.readouterr().out
    assert "a\\x1b[31m.txt" in told
    assert "[red]bad" in told


def test_init_writes_what_loads_and_never_overwrites(
    calls: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["init"]) == 0
    written = (tmp_path / "audit.toml").read_text()
    plain = {
        "human": {"role": "human", "path": "data/human.jsonl"},
        "model": {"role": "model", "path": "data/model.jsonl"},
    }
    assert Audit.load(tmp_path / "audit.toml") == Audit.parse({"corpora": plain}, "defaults")
    assert cli.main(["init"]) == 2
    assert (tmp_path / "audit.toml").read_text() == written
    assert cli.main(["init", "no/such/folder.toml"]) == 75
    place("data/human.jsonl", "data/model.jsonl")
    assert cli.main(["audit", "audit.toml"]) == 0


def test_the_template_has_every_setting_at_its_default() -> None:
    opened = re.sub(r"(?m)^#(?=[\w\[])", "", template())
    config = Audit.parse(tomllib.loads(opened), "the template with every setting on")
    document = tomllib.loads(opened)
    for group, model in (
        ("cleaning", config.cleaning),
        ("tokens", config.tokens),
        ("ngrams", config.ngrams),
        ("mmd", config.mmd),
        ("inference", config.inference),
    ):
        assert model == type(model)()
        assert set(document[group]) == set(type(model).model_fields)
    assert set(document["judge"]) == set(type(config.judge).model_fields)
    unset = ("store", "prompts", "picks", "control_dimensions")
    plain = config.judge.model_copy(update={"endpoints": (), **dict.fromkeys(unset)})
    assert plain == Judge()
    (endpoint,) = document["judge"]["endpoints"]
    assert set(endpoint) == set(Endpoint.model_fields)
    assert set(document["embedding"]) == set(type(config.embedding).model_fields)
    assert config.embedding.model_copy(update={"store": None}) == Embedding()
    assert set(document["sweep"]) == set(type(config.sweep).model_fields)
    assert config.sweep.model_copy(update={"challenger": None}) == Sweep()
    human = config.corpora["human"]
    elsewhere = {"table", "query"}  # in place of path
    assert set(document["corpora"]["human"]) == set(type(human).model_fields) - elsewhere
    assert set(re.findall(r"(?m)^#     (table|query) = ", template())) == elsewhere
    assert set(document["corpora"]["human"]["columns"]) == set(type(human.columns).model_fields)
    assert set(document) == set(Audit.model_fields) - {"checks", "acknowledged"}
    for name, listed in (("checks", Check), ("acknowledged", Acknowledged)):
        part = template().split(f"#     [[{name}]]\n")[1].split("\n\n")[0]
        assert set(re.findall(r"(?m)^#     (\w+) = ", part)) == set(listed.model_fields)


def test_each_line_of_the_template_can_be_opened_by_itself() -> None:
    lines = template().splitlines()
    head = lines.index("#[[judge.endpoints]]")
    end = lines.index("", next(i for i in range(head, len(lines)) if "#options" in lines[i]))
    required = [i for i in range(head, end) if re.match("#(name|url|model) = ", lines[i])]
    assert len(required) == 3
    settings = [i for i, line in enumerate(lines) if re.match(r"#\w", line)]
    assert len(settings) > 80
    for at in settings:
        opened = {at, head, *required} if head < at < end else {at}
        text = "\n".join(line[1:] if i in opened else line for i, line in enumerate(lines))
        Audit.parse(tomllib.loads(text), lines[at])
    for column in Columns.model_fields:
        assert sum(line.startswith(f"#columns.{column} = ") for line in lines) == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert f"Example: dftspark {command}" in capsys.readouterr().out


@pytest.mark.program
def test_as_a_module_and_without_spark(tmp_path: Path) -> None:
    run = publish(str(tmp_path / "runs"))
    program = (
        "import runpy, sys; sys.modules['pyspark'] = None\n"
        "from dftspark.cli import main\n"
        "for command in (['runs', sys.argv[2]], ['--version']):\n"
        "    assert main(command) == 0, command\n"
        "sys.argv = ['dftspark', 'show', sys.argv[1]]\n"
        "runpy.run_module('dftspark', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, run.path, str(tmp_path / "runs")]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, env=ascii_only)
    assert shown.returncode == 0, shown.stderr
    assert b"about 40 (32 to 48) give gpt away by words" in shown.stdout


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


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("gpt-4.jsonl", "gpt-4"),
        ("a/gpt-4.1/*.txt", "gpt-4.1"),
        ("*.txt", "model"),
        ("s3a://bucket/x/", "x"),
        ("s3a://bucket", "bucket"),
        ("a.b/c.parquet", "c"),
        (".jsonl", ".jsonl"),
        ("a/{date}/*.gz", "a"),
    ],
)
def test_names_of_corpora(path: str, name: str) -> None:
    assert request.corpus_name(path) == name


def test_a_model_may_be_called_human() -> None:
    config = request.from_paths(["h"], ["x/human.txt", "y/human.txt"])
    assert list(config.corpora) == ["human", "human (2)", "human (3)"]
    with pytest.raises(ConfigError, match="date"):
        request.dated(request.from_paths(["{date}"], ["m"]), "")


def test_a_run_that_was_shown_is_the_run_that_was_made(calls: list[Any], tmp_path: Path) -> None:
    assert cli.main(["demo", "--out", "store"]) == 0
    assert open_run(str(tmp_path / "store")).table("metrics").num_rows == 3
