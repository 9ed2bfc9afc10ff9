"""Columns that do not fit are told with those that are there, from the first rows of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Corpus
from dftspark.corpus import fit
from dftspark.errors import ConfigError


def corpus(path: Path, **settings: Any) -> dict[str, Corpus]:
    return {"h": Corpus.model_validate({"role": "human", "path": str(path), **settings})}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_the_columns_that_are_there_and_the_likely_one(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"x.{ending}", {"id": 1, "essay": "x", "Response": "y"})
    with pytest.raises(ConfigError) as raised:
        fit.check(corpus(path))
    told = str(raised.value)
    assert f"no column 'text' in {path}, which has id, essay, Response" in told
    assert 'columns.text = "Response", on the command line --text-column Response' in told
    fit.check(corpus(path, columns={"text": "essay"}))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_where_no_name_is_like_a_text_the_longest_strings_are(tmp_path: Path, ending: str) -> None:
    rows = [
        {"key": f"k{i}", "note": f"short {i}", "essay": f"long {i} " * 9, "n": i, "prize": 10**9}
        for i in range(200)
    ]
    path = written(tmp_path / f"x.{ending}", *rows)
    with pytest.raises(ConfigError) as raised:
        fit.check(corpus(path, columns={"text": "body"}))
    told = str(raised.value)
    assert f"no column 'body' in {path}, which has key, note, essay, n, prize" in told
    assert 'perhaps columns.text = "essay", whose strings are the longest' in told
    assert told.endswith("--text-column essay")
    with pytest.raises(ConfigError) as raised:
        fit.check(corpus(path, columns={"text": "body", "prompt": "essay"}))
    assert '"note", whose strings' in str(raised.value), "essay is the prompt, not the text"


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_numbers_are_no_text(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"x.{ending}", {"n": 1, "parts": ["long words " * 9]})
    with pytest.raises(ConfigError) as raised:
        fit.check(corpus(path, columns={"text": "body"}))
    assert str(raised.value).endswith("which has n, parts")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": "esay"}, 'perhaps columns.text = "essay"'),
        ({"text": "mesages[-1].content"}, 'perhaps columns.text = "messages[-1].content"'),
        ({"text": "essay", "prompt_id": "Topic"}, 'perhaps columns.prompt_id = "topic"'),
        ({"text": "essay", "model": "modell"}, "no column 'modell'"),
        ({"text": "essay", "sampler": {"temperature": "temp"}}, "columns.sampler.temperature"),
    ],
)
def test_every_column_that_is_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    row = {"topic": "t", "essay": "x", "messages": [{"role": "user", "content": "c"}]}
    path = written(tmp_path / "x.parquet", row)
    with pytest.raises(ConfigError) as raised:
        fit.check(corpus(path, columns=columns))
    assert said in str(raised.value)


def test_a_column_to_split_by(tmp_path: Path) -> None:
    path = written(tmp_path / "ckpt=1" / "x.parquet", {"text": "x"})
    fit.check(corpus(path, split_by=["ckpt"]))  # a folder gives it
    with pytest.raises(ConfigError, match=r"split_by: there is no column 'step' .* text, ckpt"):
        fit.check(corpus(path, split_by=["step"]))


def test_a_folder_gives_no_text(tmp_path: Path) -> None:
    path = written(tmp_path / "text=1" / "x.parquet", {"body": "x"})
    with pytest.raises(ConfigError, match=r"columns.text: there is no column 'text'"):
        fit.check(corpus(path))


def test_lines_may_have_a_column_later(tmp_path: Path) -> None:
    """Of JSON lines only what every row needs is missed."""
    rows = [{"text": "x"}] * 200 + [{"text": "x", "topic": "t"}]
    fit.check(corpus(written(tmp_path / "x.jsonl", *rows), columns={"prompt_id": "topic"}))


def test_what_cannot_be_read_is_left_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "x.txt").write_text("no columns")
    (tmp_path / "empty.csv").touch()
    fit.check(corpus(tmp_path / "x.parquet"))
    fit.check(corpus(tmp_path / "x.txt"))
    fit.check(corpus(tmp_path / "empty.csv"))


def test_one_of_several_files_may_have_it(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", {"note": "x"})
    written(tmp_path / "b.parquet", {"text": "x"})
    fit.check(corpus(tmp_path))
