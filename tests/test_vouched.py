"""No reader accepts a table that its manifest does not vouch for, and none is published without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark import cli
from dftspark.embedding.store import VectorStore, key_of
from dftspark.errors import DamagedRun, EnvironmentProblem, InputError
from dftspark.location import Location
from dftspark.report.page.overview import overview
from dftspark.store.listing import open_run, runs, series
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from tests.report.page_runs import made, metrics, publish
from tests.stores import states, table

ROWS = 6_000


def in_parts(out: Path, name: str = "audit", **manifest: Any) -> Run:
    """A run whose table ngrams is a folder of three files, as Spark writes one."""
    writer = RunWriter.create(str(out), name)
    folder = Path(writer.table_path("ngrams").removeprefix("file:"))
    folder.mkdir()
    whole = table("ngrams", ROWS)
    for part in range(3):
        own = whole.slice(part * ROWS // 3, ROWS // 3)
        pq.write_table(own, folder / f"part-{part}.parquet", write_page_checksum=True)
    writer.written("ngrams")
    writer.write("metrics", table("metrics", 2))
    return writer.publish(manifest)


def part_of(run: Run, number: int = 1) -> Path:
    return Path(run.path) / "ngrams.parquet" / f"part-{number}.parquet"


def lost(run: Run) -> None:
    part_of(run).unlink()


def all_lost(run: Run) -> None:
    for number in range(3):
        part_of(run, number).unlink()
    part_of(run).parent.rmdir()


def cut(run: Run) -> None:
    part_of(run).write_bytes(part_of(run).read_bytes()[:-50])


def zeroed(run: Run) -> None:
    part_of(run).write_bytes(bytes(part_of(run).stat().st_size))


def one_more(run: Run) -> None:
    part_of(run, 3).write_bytes(part_of(run).read_bytes())


@pytest.mark.parametrize("damage", [lost, all_lost, cut, zeroed, one_more])
def test_a_damaged_table_is_named(tmp_path: Path, damage: Callable[[Run], None]) -> None:
    run = in_parts(tmp_path)
    assert open_run(run.path).table("ngrams").num_rows == ROWS
    damage(run)
    with pytest.raises(DamagedRun, match="table ngrams is damaged") as caught:
        open_run(run.path).table("ngrams")
    assert run.id in str(caught.value)
    assert open_run(run.path).table("metrics").num_rows == 2


def turned(file: Path) -> None:
    """One bit in the middle of the column `value`."""
    footer = pq.read_metadata(file)
    column = footer.row_group(0).column(footer.schema.to_arrow_schema().get_field_index("value"))
    data = bytearray(file.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    file.write_bytes(data)


def test_a_page_that_changed_on_the_disk_is_no_other_number(tmp_path: Path) -> None:
    """In as many bytes and rows, so that only a checksum tells: by our writer and by another."""
    values = pa.array(np.random.default_rng(0).normal(size=5_000))
    rows = table("metrics", 5_000)
    rows = rows.set_column(rows.column_names.index("value"), rows.schema.field("value"), values)
    writer = RunWriter.create(str(tmp_path), "audit")
    writer.write("metrics", rows)
    own = writer.publish({})
    other = RunWriter.create(str(tmp_path), "other")
    other.write("metrics", rows)
    file = Path(other.path) / "metrics.parquet"
    pq.write_table(rows, file, compression="none", use_dictionary=False, write_page_checksum=True)
    other.written("metrics")
    for run in (own, other.publish({})):
        turned(Path(run.path) / "metrics.parquet")
        with pytest.raises(DamagedRun, match=r"table metrics is damaged: .* cannot be read"):
            open_run(run.path).table("metrics")
    turned_back = pq.read_table(file)["value"]
    assert turned_back != pa.chunked_array([values])  # what is read without the checksums


def test_a_part_that_goes_while_it_is_read(tmp_path: Path) -> None:
    run = in_parts(tmp_path)
    assert run.columns("ngrams")
    lost(run)
    with pytest.raises(DamagedRun, match="table ngrams is damaged"):
        run.table("ngrams")


READERS: dict[str, Callable[[Run], object]] = {
    "table": lambda run: run.table("ngrams", ["text"]),
    "columns": lambda run: run.columns("ngrams"),
    "pandas": lambda run: run.pandas("ngrams"),
    "polars": lambda run: run.polars("ngrams"),
    "duckdb": lambda run: run.duckdb(),
    "spark": lambda run: run.spark(None, "ngrams"),
    "path": lambda run: run.table_path("ngrams"),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_holds_it(tmp_path: Path, reader: str) -> None:
    if reader in ("polars", "duckdb"):
        pytest.importorskip(reader)
    run = in_parts(tmp_path)
    lost(run)
    with pytest.raises(DamagedRun, match="table ngrams is damaged"):
        READERS[reader](open_run(run.path))


@pytest.mark.parametrize(
    "command",
    [["show", "RUN", "ngrams"], ["export", "RUN"], ["report", "RUN"]],
    ids=lambda words: words[0],
)
def test_commands_end_with_exit_code_4(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path, texts=["tapestry", "delve"])
    file = Path(run.path) / "ngrams.parquet"
    rows = pq.read_table(file)
    pq.write_table(rows.slice(0, len(rows) // 2), file)
    assert cli.main([run.path if word == "RUN" else word for word in command]) == 4
    assert "table ngrams is damaged" in capsys.readouterr().err


def test_a_manifest_from_before_parts_were_counted(tmp_path: Path) -> None:
    """It is read, and its rows and bytes are held."""
    run = in_parts(tmp_path)
    path = Path(run.path) / "manifest.json"
    document = json.loads(path.read_text())
    del document["tables"]["ngrams"]["parts"]
    path.write_text(json.dumps(document))
    assert open_run(run.path).table("ngrams").num_rows == ROWS
    lost(run)
    with pytest.raises(DamagedRun, match="bytes"):
        open_run(run.path).table("ngrams")


def test_rows_are_held_too(tmp_path: Path) -> None:
    run = in_parts(tmp_path)
    path = Path(run.path) / "manifest.json"
    path.write_text(path.read_text().replace(f'"rows": {ROWS}', f'"rows": {ROWS + 1}'))
    with pytest.raises(DamagedRun, match=r"rows 6,000.*rows 6,001"):
        open_run(run.path).table("ngrams")


def test_one_damaged_run_does_not_cost_the_pages_of_the_others(tmp_path: Path) -> None:
    for day in (1, 2):
        publish(tmp_path, {"metrics": metrics("gpt")}, "nightly", date=f"2026-11-0{day}")
    broken, whole = sorted(runs(str(tmp_path)), key=lambda info: info.created_at)
    (Path(broken.path) / "metrics.parquet").unlink()
    assert [run.id for run in series(str(tmp_path), "nightly", 5)] == [whole.id]
    text = overview(str(tmp_path), runs(str(tmp_path)), {})
    assert "table metrics is damaged" in text


# --- what is published ---------------------------------------------------------------------------


def begun(out: Path) -> tuple[RunWriter, Path]:
    writer = RunWriter.create(str(out), "audit")
    folder = Path(writer.table_path("ngrams").removeprefix("file:"))
    folder.mkdir()
    for part in range(2):
        pq.write_table(table("ngrams", 5), folder / f"part-{part}.parquet")
    writer.written("ngrams")
    writer.write("metrics", table("metrics", 2))
    writer.write_file("checks.junit.xml", b"<testsuite/>")
    return writer, Path(writer.path)


@pytest.mark.parametrize(
    "gone", ["ngrams.parquet/part-1.parquet", "metrics.parquet", "checks.junit.xml"]
)
def test_what_was_deleted_under_a_run_is_not_published_without(tmp_path: Path, gone: str) -> None:
    writer, folder = begun(tmp_path)
    (folder / gone).unlink()
    with pytest.raises(EnvironmentProblem, match=gone):
        writer.publish({})
    assert states(tmp_path) == ["unfinished"]


def test_a_whole_table_that_is_gone(tmp_path: Path) -> None:
    writer, folder = begun(tmp_path)
    for part in (folder / "ngrams.parquet").iterdir():
        part.unlink()
    (folder / "ngrams.parquet").rmdir()
    with pytest.raises(EnvironmentProblem, match=r"ngrams\.parquet changed .*is gone"):
        writer.publish({})


def test_a_table_that_is_dropped_is_not_missed(tmp_path: Path) -> None:
    writer, folder = begun(tmp_path)
    (folder / "metrics.parquet").unlink()
    writer.forget("metrics")
    assert writer.publish({}).tables == ["ngrams"]


# --- vectors -------------------------------------------------------------------------------------


def flipped(data: bytes) -> bytes:
    """One bit of a vector, which lies as it is in the file."""
    at = data.index(np.float32(0.25).tobytes() * 8)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def shorter(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(data)).slice(1), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("change", [flipped, shorter, lambda data: data[:-9], lambda _: b""])
def test_vectors_that_changed_are_no_other_numbers(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    store = VectorStore(Location.parse(str(tmp_path)))
    keys = [key_of(text) for text in "abc"]
    name = store.add(keys, np.full((3, 64), 0.25, np.float32), [None] * 3)
    assert store.read(name)[1].shape == (3, 64)
    (tmp_path / name).write_bytes(change((tmp_path / name).read_bytes()))
    with pytest.raises(InputError, match=r"cannot be used: (.|\n)* delete that file"):
        store.read(name)
