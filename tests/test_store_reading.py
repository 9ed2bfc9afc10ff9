"""Which run is opened, what is no run, and its tables in every library."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.store.listing import open_run, runs
from dftspark.store.writer import RunWriter
from tests.stores import published, states


def test_latest_is_the_newest_even_within_a_second(tmp_path: Path) -> None:
    for name in ("c", "a", "d", "b"):
        newest = published(tmp_path / "runs", name)
        assert open_run(str(tmp_path / "runs")).id == newest.id
    assert [info.name for info in runs(str(tmp_path / "runs"))] == ["b", "d", "a", "c"]
    RunWriter.create(str(tmp_path / "runs"), "z")
    assert open_run(str(tmp_path / "runs")).id.split("-")[1] == "b"


def test_a_run_by_id_prefix_or_its_own_folder(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    one, two = published(out, "one"), published(out, "two", rows=2)
    assert open_run(str(out), one.id).id == one.id
    assert open_run(str(out), two.id[:20]).id == two.id
    assert open_run(one.path).id == one.id
    with pytest.raises(ConfigError, match=r"2 runs begin with '2'"):
        open_run(str(out), "2")
    with pytest.raises(ConfigError, match=f"0 runs begin with 'x'.*{one.id}"):
        open_run(str(out), "x")
    with pytest.raises(ConfigError, match="itself"):
        open_run(one.path, two.id)


def test_what_is_not_a_run_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_run(str(tmp_path / "none"))
    with pytest.raises(InputError, match="it is empty"):
        open_run(str(tmp_path))
    (tmp_path / "notes.txt").write_text("a file")
    with pytest.raises(InputError, match=r"it holds \['notes.txt'\]"):
        open_run(str(tmp_path))
    with pytest.raises(InputError, match="that is a file"):
        open_run(str(tmp_path / "notes.txt"))
    unfinished = RunWriter.create(str(tmp_path), "audit")
    for root, run in ((unfinished.path, "latest"), (str(tmp_path), unfinished.id)):
        with pytest.raises(InputError, match="did not finish"):
            open_run(root, run)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 2}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    run = published(tmp_path / "runs")
    (Path(run.path) / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="manifest"):
        open_run(str(tmp_path / "runs"))
    assert states(tmp_path / "runs") == ["damaged"]


def test_a_newer_format_is_refused_with_its_version(tmp_path: Path) -> None:
    run = published(tmp_path / "runs")
    path = Path(run.path) / "manifest.json"
    path.write_text(json.dumps({**run.manifest, "format_version": 2, "code_version": "0.9.0"}))
    with pytest.raises(InputError, match=r"format version 2.*0\.9\.0"):
        open_run(str(tmp_path / "runs"))


def test_every_reader_sees_the_same_rows(tmp_path: Path) -> None:
    run = published(tmp_path / "runs", rows=5)
    pytest.importorskip("pandas")
    assert len(run.pandas("metrics")) == 5
    pytest.importorskip("polars")
    assert run.polars("metrics")["floor"].sum() == 10.0
    pytest.importorskip("duckdb")
    connection = run.duckdb()
    assert connection.execute("select sum(value), count(*) from metrics").fetchall() == [(10.0, 5)]
    assert connection.execute("select count(*) from rejects").fetchall() == [(0,)]


def test_a_missing_table_lists_those_there_are(tmp_path: Path) -> None:
    run = published(tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"no table 'ngrams'; it has metrics, rejects"):
        run.table("ngrams")


def test_a_missing_library_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = published(tmp_path / "runs")
    for name in ("pandas", "polars", "duckdb"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EnvironmentProblem, match="pip install pandas"):
        run.pandas("metrics")
    with pytest.raises(EnvironmentProblem, match="pip install polars"):
        run.polars("metrics")
    with pytest.raises(EnvironmentProblem, match="pip install duckdb"):
        run.duckdb()


def test_a_file_uri_and_a_path_are_one_place(tmp_path: Path) -> None:
    out = tmp_path / "with space"
    run = published(out)
    assert open_run(f"file:{out}").id == run.id
    assert open_run(f"file://{out}", run.id).table("metrics").num_rows == 3
    assert open_run(f"file://localhost{quote(str(out))}", run.id).id == run.id
    assert run.table_path("metrics") == f"file:{out}/{run.id}/metrics.parquet"
