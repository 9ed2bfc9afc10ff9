"""Places: what people write, what Arrow opens, what Spark is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import fs

from dftspark import location
from dftspark.errors import ConfigError
from dftspark.location import Location, delete


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The URIs that Arrow is asked for; every one is a bucket of one file system in memory."""
    uris: list[str] = []
    memory = fs._MockFileSystem()

    def from_uri(uri: str) -> tuple[Any, str]:
        uris.append(uri)
        return memory, "bucket"

    fake = SimpleNamespace(
        FileSystem=SimpleNamespace(from_uri=from_uri), LocalFileSystem=fs.LocalFileSystem
    )
    monkeypatch.setattr("dftspark.location.fs", fake)
    location._file_system.cache_clear()
    yield uris
    location._file_system.cache_clear()


@pytest.mark.parametrize("scheme", ["s3", "s3a", "S3N"])
def test_a_remote_place(asked: list[str], scheme: str) -> None:
    place = Location.parse(f"{scheme}://bucket/a b/?region=eu-west-1") / "x%20y.parquet"
    assert asked == ["s3://bucket/?region=eu-west-1"]
    assert place.path == "bucket/a b/x%20y.parquet"
    assert place.name == f"{scheme}://bucket/a b/x%20y.parquet?region=eu-west-1"
    assert place.for_spark == f"{scheme}://bucket/a b/x%20y.parquet"
    assert Location.parse(place.name) == place
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text",
    [
        "abfs://account@127.0.0.1:1/container/a b?enable_tls=false",
        "abfss://container@account.dfs.core.windows.net/a b",
    ],
)
def test_both_forms_of_azure(text: str) -> None:
    """Nothing is asked of a server before a file is."""
    place = Location.parse(text)
    assert (place.path, place.name, place.uri) == ("container/a b", text, text)
    assert (place / "x").path == "container/a b/x"
    assert (place / "x").name == location.below(text, "x")


def test_a_pattern_is_no_option(asked: list[str]) -> None:
    place = Location.locate("s3://bucket/part-?.jsonl")
    assert (place.path, place.after, asked) == ("bucket/part-?.jsonl", "", ["s3://bucket/"])


@pytest.mark.parametrize("text", ["a b", "file:{}/a%20b/", "FILE://host{}/a%20b"])
def test_a_local_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    place = Location.parse(text.format(tmp_path))
    assert place.local
    assert (place.path, place.name) == (f"{tmp_path}/a b", f"{tmp_path}/a b")
    assert place.for_spark == f"file:{tmp_path}/a b"


@pytest.mark.parametrize(
    ("text", "folder", "name", "child"),
    [
        ("runs/a/", "runs", "a", "runs/a/x"),
        ("a", "", "a", "a/x"),
        ("s3://b/runs?", "s3://b", "runs?", "s3://b/runs?/x"),
        (
            "s3a://b/c/runs?region=x&y=z",
            "s3a://b/c?region=x&y=z",
            "runs",
            "s3a://b/c/runs/x?region=x&y=z",
        ),
    ],
)
def test_parts_of_a_path_with_options(text: str, folder: str, name: str, child: str) -> None:
    assert location.parted(text) == (folder, name)
    assert location.below(text, "x") == child


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dbfs:/mnt/audits", "dbfs: is known to Databricks alone; .* below /Volumes"),
        ("dbfs://mnt/audits", "dbfs: is known to Databricks alone"),
        ("s3:audits/runs", "s3: is followed by two slashes and the bucket or host"),
        ("HDFS:/audits", "hdfs: is followed by two slashes"),
        ("strange:/audits", "strange: is followed by two slashes"),
    ],
)
def test_what_begins_like_a_uri_is_never_a_local_folder(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Location.parse(text)
    assert "Use a local path or an s3a:, gs:, abfs: or hdfs: URI." in str(caught.value)


@pytest.mark.parametrize("text", ["a: b", "run:1", "12:30/x", "file:/a/b", "a/s3:b"])
def test_a_colon_alone_is_no_uri(text: str) -> None:
    assert Location.parse(text).local


@pytest.mark.program
def test_hdfs_without_its_library_is_one_line() -> None:
    """In a process of its own, since the library is looked for once a process."""
    program = (
        "from dftspark.location import Location\n"
        "try:\n"
        "    Location.parse('hdfs://nowhere:8020/audits')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "JAVA_HOME": "/no"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=bare, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("EnvironmentProblem hdfs://nowhere:8020/audits: pyarrow reaches")
    assert "HADOOP_HOME (or ARROW_LIBHDFS_DIR)" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_an_unknown_scheme_keeps_its_password() -> None:
    with pytest.raises(ConfigError, match=r"foo://\*\*\*@host/x: .*Use a local path or") as caught:
        Location.parse("foo://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_looked_at(tmp_path: Path) -> None:
    longer = tmp_path / ("a" * 5000) / "runs"
    assert location._nearest(Location.parse(str(longer))) == tmp_path


def test_a_folder_is_deleted_with_what_is_in_it_and_may_be_gone(tmp_path: Path) -> None:
    folder = tmp_path / "staged"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("")
    for _ in range(2):
        delete(Location.parse(str(folder)))
        assert not folder.exists()
