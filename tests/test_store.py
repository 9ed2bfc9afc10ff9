"""A run is either whole or invisible, whatever happens while it is written."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.errors import ConfigError, EnvironmentProblem, InputError, ShapeError
from dftspark.location import Location, writing
from dftspark.store import publish
from dftspark.store.listing import open_run, runs
from dftspark.store.writer import RunWriter
from tests.stores import published, states, table

ROOT = Path(__file__).resolve().parents[1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = published(tmp_path / "runs", rows=7, date="2026-11-21", corpora={"web": 1, "gpt": 2})
    read = open_run(str(tmp_path / "runs"))
    assert read.id == written.id
    assert read.tables == ["metrics", "rejects"]
    assert read.table("metrics").equals(table("metrics", 7))
    assert read.table("rejects").num_rows == 0
    assert read.manifest == written.manifest
    assert read.manifest["tables"]["metrics"]["rows"] == 7
    size = (Path(read.path) / "metrics.parquet").stat().st_size
    assert read.manifest["tables"]["metrics"]["bytes"] == size
    (info,) = runs(str(tmp_path / "runs"))
    assert (info.name, info.date, info.corpora) == ("audit", "2026-11-21", ("gpt", "web"))
    assert info.state == "finished"


def test_the_documentation_of_columns_reaches_the_file(tmp_path: Path) -> None:
    run = published(tmp_path / "runs")
    footer = pq.read_schema(Path(run.path) / "metrics.parquet")
    assert footer.field("floor").metadata == schema.METRICS.field("floor").metadata
    codec = pq.read_metadata(Path(run.path) / "metrics.parquet").row_group(0).column(0).compression
    assert codec == "ZSTD"


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    folder = Path(writer.table_path("ngrams").removeprefix("file:"))
    (folder / "_temporary" / "0").mkdir(parents=True)
    for part, rows in enumerate((2, 5)):
        pq.write_table(table("ngrams", rows), folder / f"part-{part}.zstd.parquet")
    pq.write_table(table("ngrams", 11), folder / "_temporary" / "0" / "part-9.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.zstd.parquet.crc").write_bytes(b"crc")
    run = writer.publish({})
    assert run.manifest["tables"]["ngrams"]["rows"] == 7
    assert run.table("ngrams").num_rows == 7


@pytest.mark.parametrize("change", ["name", "order", "type", "missing", "extra"])
def test_columns_are_exactly_those_of_the_schema(tmp_path: Path, change: str) -> None:
    good = table("metrics", 2)
    names = list(good.column_names)
    bad = {
        "name": good.rename_columns(["run", *names[1:]]),
        "order": good.select([names[1], names[0], *names[2:]]),
        "type": good.set_column(names.index("blocks"), "blocks", good["blocks"].cast(pa.int64())),
        "missing": good.drop_columns(["floor"]),
        "extra": good.append_column("more", good["floor"]),
    }[change]
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    with pytest.raises(ShapeError, match="table metrics is not as"):
        writer.write("metrics", bad)
    # The same table by another hand, such as Spark's, is found when it is read back.
    pq.write_table(bad, writer.table_path("metrics").removeprefix("file:"))
    with pytest.raises(ShapeError, match="table metrics is not as"):
        writer.publish({})
    assert states(tmp_path / "runs") == ["unfinished"]


def test_unknown_tables_and_names_are_refused(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    with pytest.raises(ShapeError, match="has no table 'metric'"):
        writer.write("metric", table("metrics", 1))
    with pytest.raises(ShapeError, match="letters, digits"):
        writer.table_path("../elsewhere")
    with pytest.raises(ConfigError, match="letters, digits"):
        RunWriter.create(str(tmp_path / "runs"), "../elsewhere")


@pytest.mark.parametrize("folder", ["runs [1]", "runs*", "{a,b}", "a\\b", "what?"])
def test_a_folder_that_spark_takes_for_a_pattern_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="takes for a pattern") as caught:
        RunWriter.create(str(tmp_path / folder), "audit")
    assert str(caught.value).startswith(f"out: {tmp_path / folder} has one of")
    assert list(tmp_path.iterdir()) == []


STEPS = ["plain", "tables", "_read_back", "_rows", "put", "_write", "_sync"]


@pytest.mark.parametrize("step", [*STEPS, "_move_without_replacing"])
def test_a_failure_at_any_step_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    out = tmp_path / "runs"

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, step, fails)
        with pytest.raises(KeyboardInterrupt):
            published(out)
    assert states(out) == ["unfinished"]
    with pytest.raises(InputError, match=r"no published run .* 1 unfinished"):
        open_run(str(out))
    after = published(out, rows=2)
    assert open_run(str(out)).id == after.id
    assert sorted(states(out)) == ["finished", "unfinished"]


@pytest.mark.program
def test_sigkill_in_the_middle_of_writing(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    rows = tmp_path / "rows.arrow"
    with pa.ipc.new_file(str(rows), schema.METRICS) as writer:
        writer.write_table(table("metrics", 20_000))
    program = textwrap.dedent(
        """
        import sys
        import pyarrow as pa
        from dftspark.store.writer import RunWriter
        table = pa.ipc.open_file(sys.argv[2]).read_all()
        while True:
            writer = RunWriter.create(sys.argv[1], "killed")
            for _ in range(3):
                writer.write("metrics", table)
            writer.publish({})
        """
    )
    command = [sys.executable, "-c", program, str(out), str(rows)]
    for pause in (0.0, 0.05, 0.11, 0.23):
        process = subprocess.Popen(command, cwd=ROOT)
        before = len(list(out.glob("*"))) if out.exists() else 0
        while not out.exists() or len(list(out.glob("*"))) == before:
            time.sleep(0.002)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        for info in runs(str(out)):
            if info.state == "finished":
                assert open_run(str(out), info.id).table("metrics").num_rows == 20_000
        assert "damaged" not in states(out)
    assert open_run(str(out), published(out, "next").id).table("metrics").num_rows == 3


def test_a_full_disk_is_told_with_place_space_and_remedy(tmp_path: Path) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("/dev/full, the device that is always full, is not on this system")
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    (Path(writer.path) / "metrics.parquet").symlink_to("/dev/full")
    with pytest.raises(EnvironmentProblem) as caught:
        writer.write("metrics", table("metrics", 5_000))
    for part in (writer.path, "No space left", "MiB free there", "another `out`"):
        assert part in str(caught.value)


def test_a_disk_without_inodes_is_said_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = dict.fromkeys(("f_bavail", "f_bfree", "f_blocks", "f_frsize"), 9)
    told = SimpleNamespace(f_files=1000, f_favail=0, **size)
    monkeypatch.setattr(os, "statvfs", lambda folder: told)
    place = Location.parse(str(tmp_path))
    full = OSError(errno.ENOSPC, "No space left on device")
    without = r"free there, and no inode\). The file system has no inode"
    with pytest.raises(EnvironmentProblem, match=without), writing(place):
        raise full
    told.f_files = 0  # a file system that has none to count
    with pytest.raises(EnvironmentProblem, match=r"free there\). Free some space"), writing(place):
        raise full


def test_a_file_size_limit_ends_the_run_unpublished(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    rows = table("metrics", 5_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = RunWriter.create(str(out), "audit")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(EnvironmentProblem, match="ulimit"):
            writer.write("metrics", rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert states(out) == ["unfinished"]


def test_a_truncated_table_is_not_published(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    writer.write("metrics", table("metrics", 500))
    path = Path(writer.path) / "metrics.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(EnvironmentProblem, match="is another than was written"):
        writer.publish({})
    writer.written("metrics")  # as though it had been cut short before that
    with pytest.raises(EnvironmentProblem, match="cannot be read back"):
        writer.publish({})
    assert states(tmp_path / "runs") == ["unfinished"]


def test_a_folder_without_parts_is_not_published(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    folder = Path(writer.path) / "counts.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    with pytest.raises(EnvironmentProblem, match="no Parquet file"):
        writer.publish({})


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("file/runs", "there is no folder|Not a directory"),
        ("file", "File exists"),
        ("none/of/these", r"there is no folder .*mkdir -p"),
        ("/proc/runs", "cannot write"),
    ],
)
def test_an_out_that_cannot_be_written(tmp_path: Path, out: str, reason: str) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(EnvironmentProblem, match=reason) as caught:
        RunWriter.create(str(tmp_path / out), "audit")
    assert str(tmp_path / out) in str(caught.value)


def test_a_published_run_never_changes(tmp_path: Path) -> None:
    writer = RunWriter.create(str(tmp_path / "runs"), "audit")
    writer.write("metrics", table("metrics", 2))
    first = writer.publish({"date": "2026-11-21"})
    with pytest.raises(EnvironmentProblem, match="never changes"):
        writer.write("metrics", table("metrics", 3))
    with pytest.raises(EnvironmentProblem, match="never changes"):
        writer.publish({})
    assert open_run(first.path).manifest == first.manifest
    assert sorted(path.name for path in Path(first.path).iterdir()) == [
        "manifest.json",
        "metrics.parquet",
    ]


def test_a_manifest_is_never_replaced(tmp_path: Path) -> None:
    run = published(tmp_path / "runs")
    location = run._location
    with pytest.raises(FileExistsError):
        publish.put(location, "manifest.json", b"{}")
    assert open_run(run.path).manifest == run.manifest


def test_a_run_without_anything_in_it_is_discarded(tmp_path: Path) -> None:
    empty = RunWriter.create(str(tmp_path / "runs"), "empty")
    begun = RunWriter.create(str(tmp_path / "runs"), "begun")
    begun.write("metrics", table("metrics", 1))
    for writer in (empty, begun):
        writer.give_up()
    assert [info.name for info in runs(str(tmp_path / "runs"))] == ["begun"]


def test_two_writers_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda rows: published(tmp_path / "runs", rows=rows), range(1, 17)))
    assert len({run.id for run in made}) == 16
    for rows, run in enumerate(made, 1):
        assert open_run(str(tmp_path / "runs"), run.id).table("metrics").num_rows == rows
    assert states(tmp_path / "runs") == ["finished"] * 16


def test_the_manifest_is_plain_json_without_secrets(tmp_path: Path) -> None:
    config = {"corpora": {"web": {"path": ["s3a://KEY:se/cr+et@bucket/x", "plain"]}}}
    run = published(tmp_path / "runs", config=config, timings={"read": 1.5, "none": float("nan")})
    text = (Path(run.path) / "manifest.json").read_text()
    assert "cr+et" not in text
    document = json.loads(text)
    assert document["config"]["corpora"]["web"]["path"] == ["s3a://***@bucket/x", "plain"]
    assert document["timings"] == {"read": 1.5, "none": None}
    assert text == json.dumps(document, sort_keys=True, indent=2) + "\n"
    assert document["created_at"].endswith("+00:00")
    with pytest.raises(ShapeError, match=r"manifest\.config\.out is a PosixPath"):
        published(tmp_path / "runs", config={"out": tmp_path})


@pytest.mark.parametrize("uri", ["ftp://host/runs", "nonsense://x"])
def test_an_unknown_scheme_is_a_configuration_error(uri: str) -> None:
    with pytest.raises(ConfigError, match="local path or an s3a"):
        RunWriter.create(uri, "audit")
