"""Commands that make runs, with Spark's part played by a stand-in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config import request
from dftspark.config.template import template
from dftspark.errors import ConfigError
from dftspark.store.listing import open_run, runs
from tests.commands import place, publish


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
