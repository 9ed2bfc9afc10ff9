"""Links, what is no file, lakehouse tables, and folders that give columns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Corpus
from dftspark.corpus import files
from dftspark.errors import InputError
from dftspark.location import Location


def find(path: Any, **settings: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the files, and (last part of the path, reason) of what is left out."""
    corpus = Corpus.model_validate({"role": "human", "path": path, **settings})
    splits, issues = files.find(corpus, "c")
    return [s.name for s in splits], sorted((Path(i.file).name, i.reason) for i in issues)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """One real file, two loops, links to the file and to its folder, one by a hard link."""
    real = tmp_path / "top" / "real"
    real.mkdir(parents=True)
    (real / "x.jsonl").write_bytes(b"{}\n")
    top = tmp_path / "top"
    (top / "a").symlink_to(top)
    (real / "b").symlink_to("..")
    (top / "0.jsonl").symlink_to(real / "x.jsonl")
    (top / "folder").symlink_to("real")
    os.link(real / "x.jsonl", top / "y.jsonl")
    return top


@pytest.mark.parametrize("pattern", ["", "/**", "/**/*.jsonl", "/**/**/*.jsonl"])
def test_each_file_is_read_once_whatever_links_lead_to_it(linked: Path, pattern: str) -> None:
    names, left_out = find(f"{linked}{pattern}")
    assert names == ["real/x.jsonl"]
    assert {("0.jsonl", "same_file"), ("y.jsonl", "same_file")} <= set(left_out)
    assert {("a", "same_folder"), ("b", "same_folder"), ("folder", "same_folder")} <= set(left_out)


def test_two_paths_to_one_file_by_a_link(linked: Path) -> None:
    assert find([f"{linked}/0.jsonl", f"{linked}/real/x.jsonl"]) == (
        ["x.jsonl"],
        [("0.jsonl", "same_file")],
    )


def test_a_link_out_of_the_folder_is_followed_once(tmp_path: Path) -> None:
    for name in ("other/in/x.jsonl", "top/y.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}\n")
    (tmp_path / "top" / "one").symlink_to(tmp_path / "other")
    (tmp_path / "top" / "two").symlink_to(tmp_path / "other" / "in")
    names, left_out = find(str(tmp_path / "top"))
    assert names == ["one/in/x.jsonl", "y.jsonl"]
    assert left_out == [("two", "same_folder")]


@pytest.mark.parametrize("pattern", ["", "/*", "/**/*"])
def test_what_is_no_file_is_left_out_with_a_note(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"{}\n")
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    (tmp_path / "round.jsonl").symlink_to("round.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert find(f"{tmp_path}{pattern}") == (
        ["x.jsonl"],
        [
            ("gone.jsonl", "dangling_link"),
            ("pipe.jsonl", "not_a_file"),
            ("round.jsonl", "dangling_link"),
        ],
    )


def test_what_is_named_and_is_no_file_is_an_error_that_says_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    with pytest.raises(InputError, match="it is a FIFO; write what comes from it into a file"):
        find(str(tmp_path / "pipe.jsonl"))
    with pytest.raises(InputError, match="the link leads to 'nowhere', which is not there"):
        find(str(tmp_path / "gone.jsonl"))
    (tmp_path / "pipe.jsonl").unlink()
    with pytest.raises(InputError, match=r"has no file to read .*gone\.jsonl.*nowhere"):
        find(str(tmp_path))


def test_a_name_that_is_not_utf8_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"{}\n")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")).write_bytes(b"{}\n")
    assert find(str(tmp_path)) == (["x.jsonl"], [("\\xff.jsonl", "name_not_utf8")])


# --- lakehouse tables ----------------------------------------------------------------------------

LOGS = {
    "Delta Lake": "_delta_log/00000000000000000000.json",
    "Iceberg": "metadata/00000-7.metadata.json",
    "Hudi": ".hoodie/hoodie.properties",
}


def table(folder: Path, log: str) -> Path:
    for name in (log, "data/day=1/part-0.parquet", "part-1.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize("kind", LOGS)
@pytest.mark.parametrize("below", ["", "/..", "/*.parquet", "/data", "/data/*", "/**/*.parquet"])
def test_a_lakehouse_table_is_no_folder_of_files(tmp_path: Path, kind: str, below: str) -> None:
    folder = table(tmp_path / "lake" / "t", LOGS[kind])
    path = f"{folder.parent if below == '/..' else f'{folder}{below}'}"
    with pytest.raises(InputError) as raised:
        find(path)
    said = str(raised.value)
    assert said.startswith(f"corpora.c.path: '{folder}' is a table of {kind}.")
    assert f"{kind.split()[0]}'s own readers" in said


def test_files_of_a_table_may_be_named_one_by_one(tmp_path: Path) -> None:
    folder = table(tmp_path / "t", LOGS["Delta Lake"])
    assert find([f"{folder}/part-1.parquet", f"{folder}/data/day=1/part-0.parquet"])[0] == [
        "part-0.parquet",
        "part-1.parquet",
    ]


def test_a_folder_called_metadata_is_no_iceberg_table(tmp_path: Path) -> None:
    for name in ("metadata/readme.json", "x.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"{}\n")
    assert find(str(tmp_path))[0] == ["metadata/readme.json", "x.jsonl"]


@pytest.mark.parametrize("path", ["lake", "lake/t", "lake/t/*.parquet"])
def test_a_remote_table_is_refused_too(path: str) -> None:
    filesystem = Location.locate("mock://tables/").filesystem
    for name in ("lake/t/_delta_log/0.json", "lake/t/a.parquet"):
        filesystem.create_dir(name.rpartition("/")[0], recursive=True)
        with filesystem.open_output_stream(name) as file:
            file.write(b"x")
    with pytest.raises(InputError, match="is a table of Delta Lake"):
        find(f"mock://tables/{path}")


def test_a_remote_table_is_refused_before_it_is_listed() -> None:
    filesystem = Location.locate("mock://tables/").filesystem
    filesystem.create_dir("early/.hoodie", recursive=True)
    corpus = Corpus(role="human", path="mock://tables/early")
    with pytest.raises(InputError, match="is a table of Hudi"):
        files.check({"c": corpus})


# --- folders that give columns -------------------------------------------------------------------


def test_folders_of_a_partition_give_their_columns(tmp_path: Path, read: Any) -> None:
    for value, text in (("ckpt%2F1", "one"), ("__HIVE_DEFAULT_PARTITION__", "two")):
        folder = tmp_path / f"date=2026-01-02/checkpoint={value}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": [text]}), folder / "part-0.parquet")
    found = read(
        tmp_path, role="model", split_by=["checkpoint"], filter="fields['checkpoint'] <> 'x'"
    )
    rows = {row["text"]: row for row in found.kept}
    assert (rows["one"]["corpus"], rows["two"]["corpus"]) == ("c/ckpt/1", None)
    assert rows["one"]["fields"] == [("checkpoint", "ckpt/1")]
    assert {row["date"] for row in found.kept} == {"2026-01-02"}


@pytest.mark.parametrize("below", ["", "/*.csv"])
def test_a_partition_folder_itself_may_be_named(tmp_path: Path, read: Any, below: str) -> None:
    folder = tmp_path / "_stratum=news"
    folder.mkdir()
    (folder / "x.csv").write_text("text\nhello\n")
    for path in (f"{folder}{below}", tmp_path):
        assert [row["stratum"] for row in read(path, columns={"stratum": "_stratum"}).kept] == [
            "news"
        ]


def test_a_column_of_the_file_wins_over_its_folder(tmp_path: Path, read: Any) -> None:
    folder = tmp_path / "model=folder"
    folder.mkdir()
    (folder / "x.jsonl").write_text(
        '{"text": "a", "model": "own"}\n{"text": "b", "model": null}\n{"text": "c"}\n'
    )
    found = read(tmp_path, role="model", columns={"model": "model"})
    assert [row["model"] for row in found.kept] == ["own", None, "folder"]
    (note,) = (issue for issue in found.issues if issue["reason"] == "column_of_folder")
    assert "model is 'own' at line 1, 'folder' by the folder" in note["detail"]


def test_a_folder_gives_no_text(tmp_path: Path, read: Any) -> None:
    folder = tmp_path / "text=hello"
    folder.mkdir()
    (folder / "x.jsonl").write_text('{"body": "a"}\n')
    assert read(tmp_path).told == [("line 1", "rejected", "text_missing")]
