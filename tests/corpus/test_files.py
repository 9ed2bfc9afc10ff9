"""Finding files: folders, globs, URIs, formats, cuts, and errors that say what was tried."""

from __future__ import annotations

import gzip
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftspark.config import Corpus
from dftspark.corpus import files
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = ["a/1.jsonl", "a/2.csv", "a/b/3.txt.gz", "a/b/4.parquet", "a/_SUCCESS", "a/.x.jsonl"]
    for name in [*names, "a/_tmp/5.jsonl", "a/b/.part/6.jsonl", "a/read.me", "c d/7%.jsonl.zst"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def find(path: Any, **settings: Any) -> tuple[list[files.Split], list[Any]]:
    path = [str(p) for p in path] if isinstance(path, list) else str(path)
    return files.find(Corpus.model_validate({"role": "human", "path": path, **settings}), "c")


def names(path: Any, **settings: Any) -> list[str]:
    return [split.name for split in find(path, **settings)[0]]


def test_a_folder_with_its_subfolders(tree: Path) -> None:
    splits, issues = find(tree / "a")
    assert [(s.name, s.format, s.compression) for s in splits] == [
        ("1.jsonl", "jsonl", "none"),
        ("2.csv", "csv", "none"),
        ("b/3.txt.gz", "text", "gzip"),
        ("b/4.parquet", "parquet", "none"),
    ]
    assert [(i.file, i.action, i.reason) for i in issues] == [
        (str(tree / "a" / "read.me"), "noted", "unknown_format")
    ]
    assert names(f"{tree}/a/") == names(tree / "a")


def test_one_file_and_its_uris(tree: Path) -> None:
    path = tree / "c d" / "7%.jsonl.zst"
    for spelled in (path, f"file://{tree}/c%20d/7%25.jsonl.zst", f"file:{path}"):
        (split,) = find(spelled)[0]
        assert (split.path, split.name) == (str(path), "7%.jsonl.zst")
        assert (split.format, split.compression) == ("jsonl", "zstd")


def test_a_relative_path_becomes_absolute(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert find("a/1.jsonl")[0][0].path == str(tree / "a" / "1.jsonl")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a/*.jsonl", ["1.jsonl"]),
        ("a/[12].*", ["1.jsonl", "2.csv"]),
        ("a/?.{csv,jsonl}", ["1.jsonl", "2.csv"]),
        ("*/b/*", ["a/b/3.txt.gz", "a/b/4.parquet"]),
        ("a/*", ["1.jsonl", "2.csv", "b/3.txt.gz", "b/4.parquet"]),
        ("**/*.parquet", ["a/b/4.parquet"]),
        ("a/_*/*.jsonl", ["_tmp/5.jsonl"]),
        ("{a,c d}/*.jsonl*", ["1.jsonl", "7%.jsonl.zst"]),
    ],
)
def test_globs(tree: Path, pattern: str, found: list[str]) -> None:
    assert names(f"{tree}/{pattern}") == found


def test_a_name_with_glob_signs_may_be_meant_literally(tree: Path) -> None:
    (tree / "x[1].jsonl").write_bytes(b"x")
    (tree / "x1.jsonl").write_bytes(b"x")
    assert names(tree / "x[1].jsonl") == ["x[1].jsonl"]


def test_a_file_that_two_paths_name_is_read_once(tree: Path) -> None:
    splits, issues = find([tree / "a" / "1.jsonl", tree / "a" / "*.jsonl"])
    assert len(splits) == 1
    assert [issue.reason for issue in issues] == ["same_file"]


def test_equal_names_in_two_folders_are_told_apart(tree: Path) -> None:
    for folder in ("p", "q"):
        (tree / folder).mkdir()
        (tree / folder / "x.jsonl").write_bytes(b"x")
    assert names([tree / "q", tree / "p"]) == [f"{tree}/p/x.jsonl", f"{tree}/q/x.jsonl"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("none.jsonl", "there is no file or folder"),
        ("empty", "the folder .*/empty' has no file to read"),
        ("a/*.tsv", r"the pattern .*/a/\*\.tsv' has no file to read"),
        ("nowhere/*/x", "the pattern .* has no file to read"),
        ("a/read.me", 'set corpora.c.format = "jsonl"'),
    ],
)
def test_a_path_without_files_is_an_error_that_says_what_was_tried(
    tree: Path, path: str, told: str
) -> None:
    with pytest.raises(InputError, match=f"corpora.c.path: .*{told}"):
        find(tree / path)


def test_braces_that_multiply_are_an_error_and_no_end_of_memory(tree: Path) -> None:
    for pattern in ("{a,b}" * 40, "{a,b}/" * 600):
        with pytest.raises(InputError, match=r"corpora.c.path: the braces of .*more than 10,000"):
            find(f"{tree}/{pattern}")


def test_an_address_that_no_file_system_knows_keeps_its_password(tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"'foo://.* Use a local path, an s3a:") as caught:
        find("foo://me:secret@host/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["mock", "MOCK"])
def test_another_file_system(scheme: str) -> None:
    filesystem = Location.locate("mock://bucket/").filesystem
    for name in ("in/a.jsonl", "in/b/c.jsonl", "in/_d.jsonl"):
        filesystem.create_dir(name.rpartition("/")[0], recursive=True)
        with filesystem.open_output_stream(name) as file:
            file.write(b"x")
    splits = find(f"{scheme}://bucket/in/*")[0]
    assert [s.name for s in splits] == ["a.jsonl", "b/c.jsonl"]
    for split in splits:
        place = Location.locate(split.path)
        assert place.filesystem.get_file_info(place.path).size == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"encoding": "utf-9"}, "'utf-9' is not a text encoding"),
        ({"encoding": "zlib"}, "zlib"),
        ({"encoding": "utf-8\0"}, "is not a text encoding"),
        ({"document": ""}, "empty separator"),
    ],
)
def test_settings_of_text_are_checked(tree: Path, settings: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        find(tree / "a", **settings)


def test_settings_of_text_are_checked_before_a_remote_folder_is_listed() -> None:
    corpus = Corpus(role="human", path="s3://no-such-bucket/x/*", encoding="utf-8\0")
    with pytest.raises(ConfigError, match=r"corpora\.c\.encoding: 'utf-8.x00' is not"):
        files.check({"c": corpus})


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("x.jsonl", "auto", "jsonl"),
        ("x.NDJSON", "auto", "jsonl"),
        ("x.json.gz", "auto", "jsonl"),
        ("a.b.txt.zst", "auto", "text"),
        ("part-0.zstd.parquet", "auto", "parquet"),
        ("x.csv.zstd", "auto", "csv"),
        ("x", "auto", None),
        ("x.gz", "auto", None),
        ("d.jsonl/x", "auto", None),
        ("x", "csv", "csv"),
    ],
)
def test_formats(name: str, setting: str, expected: str | None) -> None:
    assert files.format_of(name, setting) == expected


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_ranges_cover_a_file_without_a_gap(size: int, width: int) -> None:
    width = max(width, size // 1_000)
    cut = files.ranges(size, width)
    assert (cut[0][0], cut[-1][1]) == (0, size)
    assert all(a[1] == b[0] for a, b in pairwise(cut))
    assert max(end - start for start, end in cut) <= width + 1


@given(st.lists(st.integers(0, 100), min_size=1))
def test_groups_cover_row_groups_in_order(sizes: list[int]) -> None:
    runs = files.group(sizes, 100)
    assert [i for start, end in runs for i in range(start, end)] == list(range(len(sizes)))
    assert all(sum(sizes[a:b]) <= 100 for a, b in runs)


@pytest.mark.parametrize(
    ("name", "head", "settings", "cut"),
    [
        ("x.jsonl", b"{}\n", {}, True),
        ("x.jsonl", b"\xef\xbb\xbf{}\n", {}, True),
        ("x.jsonl.gz", b"{}\n", {}, True),
        ("x.jsonl", gzip.compress(b"{}", mtime=0), {}, False),  # the same name in every process
        ("x.jsonl", "{}".encode("utf-16"), {}, False),
        ("x.jsonl", b"{}\n", {"encoding": "latin-1"}, False),
        ("x.txt", b"a\n", {"document": "line"}, True),
        ("x.txt", b"a\n", {"document": "\n\n"}, False),
        ("x.txt", b"a\n", {}, False),
        ("x.csv", b"a\n", {}, False),
    ],
)
def test_what_is_cut_into_ranges(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    head: bytes,
    settings: dict[str, str],
    cut: bool,
) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", 1_000)
    (tmp_path / name).write_bytes(head + b"x" * 2_500)
    splits = find(tmp_path / name, **settings)[0]
    assert len(splits) == (3 if cut else 1)
    assert [files.Split.from_json(split.to_json()) for split in splits] == splits


def test_row_groups_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"text": [str(i) * 40 for i in range(1_000)]})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=100, compression="none", use_dictionary=False)
    (tmp_path / "x.parquet").write_bytes(buffer.getvalue())
    sizes = [pq.ParquetFile(buffer).metadata.row_group(i).total_byte_size for i in range(10)]
    monkeypatch.setattr(files, "SPLIT_BYTES", 3 * max(sizes))
    splits = find(tmp_path / "x.parquet")[0]
    assert [split.start for split in splits] == [0, *(split.end for split in splits[:-1])]
    assert (splits[-1].end, len(splits)) == (10, 4)


def test_a_large_file_that_is_no_parquet_is_left_to_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", 10)
    (tmp_path / "x.parquet").write_bytes(b"x" * 100)
    assert len(find(tmp_path / "x.parquet")[0]) == 1
