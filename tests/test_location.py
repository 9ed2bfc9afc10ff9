"""Places: what people write, what Arrow opens, what Spark is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import fs

from dftspark import location
from dftspark.errors import ConfigError
from dftspark.location import Location


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


def test_an_unknown_scheme_keeps_its_password() -> None:
    with pytest.raises(ConfigError, match=r"foo://\*\*\*@host/x: .*Use a local path or") as caught:
        Location.parse("foo://me:secret@host/x")
    assert "secret" not in str(caught.value)
