"""A document again, by its id, from the files of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dftspark import cli
from dftspark.config import Audit
from dftspark.corpus.lookup import look_up
from dftspark.errors import InputError
from dftspark.store.run import Run
from tests.stores import published


@pytest.fixture
def config(tmp_path: Path) -> Audit:
    human = [{"doc_id": f"d{i}", "text": f"A human text {i}."} for i in range(3)]
    model = [
        {"id": f"d{i}", "text": f"One of a model,\n\x1b[31mred {i}.", "temperature": t}
        for i in range(3)
        for t in ("0.7", "1.0")
    ]
    for name, rows in (("human", human), ("model", model)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("first\nsecond\n", encoding="utf-8")
    corpora = {
        "people": {"role": "human", "path": str(tmp_path / "human.jsonl")},
        "gpt": {
            "role": "model",
            "path": str(tmp_path / "model.jsonl"),
            "split_by": ["temperature"],
            "columns": {"doc_id": "id"},
        },
        "lines": {"role": "model", "path": str(tmp_path / "notes.txt"), "document": "line"},
    }
    return Audit.parse({"corpora": corpora}, "a test")


@pytest.fixture
def run(tmp_path: Path, config: Audit) -> Run:
    return published(tmp_path / "runs", config=config.model_dump(mode="json"))


def test_both_sides_may_have_it(config: Audit) -> None:
    human, model = look_up(config, "d1")
    assert (human.corpus, human.role, human.text) == ("people", "human", "A human text 1.")
    assert (model.corpus, model.role) == ("gpt/0.7", "model")


def test_an_id_that_was_made_up_names_its_place(config: Audit) -> None:
    (line,) = look_up(config, "notes.txt#2")
    assert line.text == "second"
    assert line.file.endswith("notes.txt")


def test_an_id_that_came_again_leads_to_all_that_have_it(config: Audit) -> None:
    found = look_up(config, "d2~0123456789abcdef")
    assert [one.corpus for one in found] == ["people", "gpt/0.7", "gpt/1.0"]


def test_an_id_that_nothing_has_is_an_error(config: Audit) -> None:
    with pytest.raises(InputError, match=r"no document 'd9' in .*human.jsonl"):
        look_up(config, "d9")


def test_the_command_prints_it_as_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", run.path, "--document", "d0"]) == 0
    said = capsys.readouterr().out
    assert "human, people, d0: " in said
    assert "One of a model,\n" in said
    assert "\x1b" not in said
    assert cli.main(["show", run.path, "--document", "d0", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["role"] for row in rows] == ["human", "model"]
    assert rows[1]["text"].startswith("One of a model,\n")


def test_mistakes_are_said(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", run.path, "metrics", "--document", "d0"]) == 2
    assert cli.main(["show", run.path, "--document", "d9"]) == 4
    bare = published(tmp_path / "bare")
    assert cli.main(["show", bare.path, "--document", "d0"]) == 2
    assert "does not say where its documents are" in capsys.readouterr().err


def test_documents_of_tables_are_said_to_be_elsewhere() -> None:
    corpora = {name: {"role": name, "table": f"c.{name}"} for name in ("human", "model")}
    with pytest.raises(InputError, match="human, model are no files but tables or queries"):
        look_up(Audit.parse({"corpora": corpora}, "a test"), "d1")
