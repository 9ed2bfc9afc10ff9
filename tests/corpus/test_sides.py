"""One file for both sides: right only where each side takes rows, or texts, of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dftspark.config import Corpus
from dftspark.corpus import files
from dftspark.errors import ConfigError
from dftspark.location import Location

HUMAN, MODEL = {"filter": "model IS NULL"}, {"filter": "model IS NOT NULL"}


def check(human: Any, model: Any, of: Any = files.find_all, **both: Any) -> None:
    of(
        {
            "human": Corpus.model_validate({"role": "human", **both, **human}),
            "gpt": Corpus.model_validate({"role": "model", **both, **model}),
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "x.jsonl").write_text('{"text": "a", "model": null}\n')
    (tmp_path / "y.jsonl").write_text('{"text": "a", "model": "gpt"}\n')
    return str(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("human", "model", "told"),
    [
        ({}, {}, "the human side takes all"),
        ({}, MODEL, "the human side takes all"),
        (HUMAN, {}, "the model side takes all"),
        (HUMAN, {"filter": " model  IS NULL"}, "by the same filter 'model IS NULL'"),
        ({}, {"split_by": ["model"]}, "the human side takes all"),
    ],
)
@pytest.mark.parametrize("of", [files.find_all, files.check])
def test_both_sides_take_the_same_rows(
    path: str, human: dict[str, Any], model: dict[str, Any], told: str, of: Any
) -> None:
    with pytest.raises(ConfigError) as raised:
        check(human, model, of, path=path)
    said = str(raised.value)
    assert said.startswith(f"corpora.human and corpora.gpt both read '{path}', ")
    assert told in said
    assert '[corpora.human]\n  filter = "model IS NULL"' in said
    assert '[corpora.gpt]\n  filter = "model IS NOT NULL"' in said


@pytest.mark.parametrize(
    ("human", "model"),
    [
        (HUMAN, MODEL),
        (HUMAN, {"split_by": ["model"]}),
        (HUMAN, {"columns": {"model": "m"}, "split_by": ["m"]}),
        ({"columns": {"text": "human"}}, {"columns": {"text": "gpt"}}),  # an answer of each a row
    ],
)
def test_sides_that_are_told_apart_may_share_a_file(
    path: str, human: dict[str, Any], model: dict[str, Any]
) -> None:
    check(human, model, path=path)


def test_a_file_is_known_under_another_name(path: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "z.jsonl").symlink_to(path)
    check({"path": f"{tmp_path}/y.jsonl"}, {"path": f"{tmp_path}/models"})
    with pytest.raises(ConfigError, match="both read"):
        check({"path": f"{tmp_path}/*.jsonl"}, {"path": f"{tmp_path}/models"})


def test_remote_files_too() -> None:
    filesystem = Location.locate("mock://sides/").filesystem
    filesystem.create_dir("in")
    with filesystem.open_output_stream("in/x.jsonl") as file:
        file.write(b"{}")
    for of, path in ((files.check, "mock://sides/in"), (files.find_all, "mock://sides/in/*.jsonl")):
        with pytest.raises(ConfigError, match=r"both read 'mock://.* takes all of its rows"):
            check({"path": "mock://sides/in"}, {"path": path}, of)
