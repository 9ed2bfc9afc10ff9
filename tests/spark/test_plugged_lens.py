"""A lens of another package takes part in an audit: the entry point is all that is told of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from rich.console import Console

from dftspark import runs
from dftspark.config import Audit
from dftspark.errors import ConfigError
from dftspark.report.terminal.run import render
from dftspark.spark import fold
from tests.report import vowels
from tests.spark import nights

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture
def vowels_lens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(vowels.installed(tmp_path)))
    vowels.forget()
    yield
    monkeypatch.undo()
    vowels.forget()


@pytest.mark.usefixtures("vowels_lens")
def test_an_audit_with_a_lens_from_elsewhere(spark: SparkSession, tmp_path: Path) -> None:
    corpora = {}
    for name, role, word in (("human", "human", "trees"), ("gpt", "model", "ideas")):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": f"{word} {i}"}) + "\n" for i in range(20)))
        corpora[name] = {"role": role, "path": str(path)}
    rule = {"name": "vowels", "metric": "vowel_distance", "above": 0.1, "min_documents": 10}
    config = Audit.parse(
        {
            "out": str(tmp_path / "runs"),
            "lenses": ["ngrams", "vowels"],
            "corpora": corpora,
            "ngrams": {"orders": [1]},
            "checks": [rule],
        },
        "a test",
    )
    run = runs.audit(spark, config)
    (found,) = (row for row in run.table("metrics").to_pylist() if row["lens"] == "vowels")
    assert found["value"] == pytest.approx(3 / 5 - 2 / 5)
    assert (found["better"], found["fingerprint"]) == ("parity", "vowels-v1(letters='aeiou')")
    assert (found["n_human"], found["n_model"]) == (20, 20)
    assert run.table("vowels").to_pylist() == [{"model": "gpt", "letter": "a"}]
    assert run.manifest["vowels"] == {"counted": "aeiou"}
    (checked,) = run.table("checks").to_pylist()
    assert (checked["rule"], checked["outcome"]) == ("vowels", "fail")
    assert "Which vowels" in (Path(run.path) / run.page).read_text()
    out = io.StringIO()
    render(run, Console(file=out, width=100))
    assert "gpt says a" in out.getvalue()
    # What it keeps is compared again without the documents.
    again = runs.compare(spark, config, run)
    (same,) = (row for row in again.table("metrics").to_pylist() if row["lens"] == "vowels")
    assert repr({**same, "run_id": ""}) == repr({**found, "run_id": ""})  # nan is not nan
    # With other settings of its own it refuses what was counted.
    other = Audit.parse({**config.model_dump(), "vowels": {"letters": "aeiouy"}}, "a test")
    with pytest.raises(ConfigError, match=r'vowels\.letters: the profile "aeiou", the config'):
        runs.compare(spark, other, run)


@pytest.mark.usefixtures("vowels_lens")
def test_nights_merge_its_states(spark: SparkSession, tmp_path: Path) -> None:
    folder = nights.corpora(tmp_path / "texts", nights.DATES[:2])
    lenses = ["ngrams", "vowels"]
    config = nights.audit(folder, tmp_path / "runs", lenses=lenses, report={"page": False})
    found = {}
    for date in nights.DATES[:2]:
        run = runs.nightly(spark, config, date)
        for row in run.table("metrics").to_pylist():
            if row["lens"] == "vowels":
                found[date, row["model"]] = row
    assert [found[date, "gpt"]["n_model"] for date in nights.DATES[:2]] == [40, 80]
    assert [found[date, "llama"]["n_human"] for date in nights.DATES[:2]] == [40, 40]
    first, both = (found[date, "gpt"]["value"] for date in nights.DATES[:2])
    assert first != both
    assert found[nights.DATES[1], "gpt"]["std_error"] < found[nights.DATES[0], "gpt"]["std_error"]


def test_what_observers_left_comes_back_as_buffers(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.write_bytes(b"abcdef")
    with ExitStack() as stack:
        read = fold._Reading(stack)
        found = [read((str(left), at, size)) for at, size in ((1, 2), (3, 0))]
    assert all(isinstance(state, pa.Buffer) for state in found)
    assert [state.to_pybytes() for state in found] == [b"bc", b""]
