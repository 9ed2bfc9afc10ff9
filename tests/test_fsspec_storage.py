"""Sources that fsspec reaches, from real servers on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files, ingest
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location
from tests.hub import serving

pytest.importorskip("aiohttp", reason="SOURCES ON THE WEB NOT TESTED: no aiohttp")
TEXTS = ["one", "two é"]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("served")
    (top / "x.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    (top / "data").mkdir()
    pq.write_table(pa.table({"text": TEXTS}), top / "data" / "a.parquet")
    with zipfile.ZipFile(top / "texts.zip", "w") as archive:
        for number, text in enumerate(TEXTS):
            archive.writestr(f"in/{number}.txt", text)
    return top


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def texts(path: str) -> list[str]:
    corpus = Corpus.model_validate({"role": "human", "path": path})
    splits, issues = files.find(corpus, "c")
    assert not issues
    found = []
    for split in splits:
        assert Location.locate(split.path).name == split.path  # as a task finds it again
        for batch in ingest.ingest(split, "c", corpus, Cleaning()):
            found += batch.to_pylist()
    assert [(row["reason"], row["detail"]) for row in found if row["action"]] == []
    return [row["text"] for row in found]


@pytest.mark.parametrize("path", ["x.jsonl", "data/a.parquet", "x.jsonl?version=1&sign=a%2Fb"])
def test_over_http(address: str, path: str) -> None:
    assert texts(f"{address}/{path}") == TEXTS


@pytest.mark.parametrize("inside", ["in/*.txt", "in"])
def test_inside_an_archive(address: str, folder: Path, inside: str) -> None:
    assert texts(f"zip://{inside}::{address}/texts.zip") == TEXTS
    assert texts(f"zip://{inside}::file://{folder}/texts.zip") == TEXTS


def test_what_is_not_there_or_forbidden(address: str) -> None:
    for path, said in (("no.jsonl", "there is no file or folder"), ("closed/x.jsonl", "403")):
        with pytest.raises(InputError, match=said) as raised:
            texts(f"{address}/{path}")
        assert len(str(raised.value).splitlines()) < 10
    with pytest.raises(InputError, match=r"cannot look up 'http://127\.0\.0\.1:9/x\.jsonl'"):
        texts("http://127.0.0.1:9/x.jsonl")


def test_no_run_is_written_there(address: str) -> None:
    with pytest.raises(ConfigError, match="only read from"):
        Location.parse(f"{address}/runs")


def test_a_data_set_of_a_hub(address: str, tmp_path: Path) -> None:
    """In a process of its own, because the client reads where its hub is when it is imported."""
    pytest.importorskip("huggingface_hub", reason="HUB NOT TESTED: no huggingface_hub")
    code = (
        "from tests.test_fsspec_storage import texts\n"
        "print(texts('hf://datasets/our/texts/x.jsonl'))\n"
        "print(texts('hf://datasets/our/texts/data'))\n"
        "print(texts('hf://datasets/our/texts/data/*.parquet'))\n"
    )
    own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **own, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [str(TEXTS)] * 3
