"""A run store and sources in an emulator of Azure's blob storage, without Spark."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlencode

import pytest
from pyarrow.fs import FileType

from dftspark import azure, cli, doctor, history, open_run
from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files, ingest
from dftspark.location import Location, below
from dftspark.store import publish
from dftspark.store.run import Run
from tests import azurite
from tests.azurite import ACCOUNT, KEY, STORE, connection
from tests.report import page_runs

TEXTS = ["one", "two é"]
_UNTIL = "2099-01-01T00:00:00Z"
_ADLFS = pytest.mark.skipif(
    find_spec("adlfs") is None, reason="AZ: NOT TESTED: no adlfs; pip install adlfs"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite.store(tmp_path_factory.mktemp("azurite")) as host:
        yield host


@pytest.fixture(scope="module")
def run(host: str) -> Run:
    tables = {"metrics": page_runs.metrics("gpt", 40.0)}
    return page_runs.publish(STORE, tables, name="essays")


def token(secret: str = KEY) -> str:
    """A SAS token of the account, made as Azure's documentation says."""
    named = {"sv": "2021-12-02", "ss": "b", "srt": "sco", "sp": "rwdlac", "se": _UNTIL}
    lines = [ACCOUNT, named["sp"], "b", named["srt"], "", _UNTIL, "", "", named["sv"], "", ""]
    digest = hmac.new(base64.b64decode(secret), "\n".join(lines).encode(), hashlib.sha256).digest()
    return urlencode({**named, "sig": base64.b64encode(digest).decode()})


def put(uri: str, data: bytes) -> None:
    place = Location.parse(uri)
    with place.filesystem.open_output_stream(place.path) as stream:
        stream.write(data)


def test_a_run_is_published_and_opened(run: Run) -> None:
    assert open_run(STORE).id == run.id
    again = open_run(STORE, run.id[:16]).table("metrics")
    assert str(again.to_pylist()) == str(run.table("metrics").to_pylist())  # nan is no equal
    assert open_run(run.path).manifest == run.manifest
    below_it = [info.base_name for info in Location.parse(run.path).children()]
    assert sorted(below_it) == ["manifest.json", "metrics.parquet"]


def test_every_command_that_reads(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", STORE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == run.id
    for path in (STORE, run.path):
        assert cli.main(["show", path]) == 0
        assert "give gpt away by" in capsys.readouterr().out
    assert cli.main(["history", "js_1gram", STORE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == history(STORE)["run_id"][0].as_py()
    assert cli.main(["diff", run.path, STORE]) == 0
    assert "B is told from A by no lens." in capsys.readouterr().out
    for path in (STORE, run.path):
        assert cli.main(["report", path]) == 0
        place = Location.parse(capsys.readouterr().out.strip())
        with place.filesystem.open_input_stream(place.path) as page:
            assert b"<!doctype html>" in page.read()[:100].lower()


def test_a_manifest_is_never_there_in_part(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that Arrow writes to Azure is there, and empty, as soon as it is opened."""
    folder, write, seen = Location.parse(below(STORE, "whole")), publish._write, []

    def written(target: Location, data: bytes) -> None:
        with target.filesystem.open_output_stream(target.path) as stream:
            assert target.kind == FileType.File
            seen.append((folder / "manifest.json").kind)
            stream.write(data)

    monkeypatch.setattr(publish, "_write", written)
    publish.put(folder, "manifest.json", b"first")
    monkeypatch.setattr(publish, "_write", write)
    assert seen == [FileType.NotFound]
    publish.put(folder, "manifest.json", b"second")  # over it
    assert [info.base_name for info in folder.children()] == ["manifest.json"]
    place = folder / "manifest.json"
    with place.filesystem.open_input_stream(place.path) as stream:
        assert stream.read() == b"second"


def test_no_secret_is_kept_or_shown(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in the address, and a key in the environment that is wrong."""
    own = f"abfs://{ACCOUNT}@{host}/audits/signed?enable_tls=false&{token()}"
    made = page_runs.publish(own, {"metrics": page_runs.metrics("gpt", 40.0)}, name="essays")
    assert cli.main(["show", own]) == 0
    assert cli.main(["runs", own, "--json"]) == 0
    wrong = base64.b64encode(b"a key of another account").decode()
    assert cli.main(["show", own.replace(token(), token(wrong))]) == 75
    monkeypatch.setenv(azure.VARIABLE, connection(host, wrong))
    assert cli.main(["show", STORE]) == 75
    told = capsys.readouterr()
    assert "AuthorizationFailure" in told.err
    assert len(told.err.splitlines()) < 20  # of two errors
    shown = made.file("manifest.json").decode() + told.out + told.err
    for secret in (KEY, wrong, token().rpartition("sig=")[2], token(wrong).rpartition("sig=")[2]):
        assert secret not in shown


def test_a_token_in_the_connection_string(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    string = f"BlobEndpoint=http://{host}/{ACCOUNT};SharedAccessSignature={token()}"
    monkeypatch.setenv(azure.VARIABLE, string)
    folder = below(STORE, "by token")
    put(below(folder, "a.json"), b"{}")
    assert [info.size for info in Location.parse(folder).children()] == [2]


def test_doctor_writes_and_reads_a_probe(host: str) -> None:
    check = doctor._storage(below(STORE, "probed"))
    assert check.ok, check
    assert "a probe was written and read, through pyarrow" in check.found
    assert Location.parse(below(STORE, "probed")).children() == []


def test_a_run_that_is_not_there(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = STORE.replace(azurite.CONTAINER, "no-such-container")
    for path in (below(STORE, "nothing"), nowhere):
        assert cli.main(["show", path]) == 4
        told = capsys.readouterr().err
        assert "there is no such folder" in told
        assert len(told.splitlines()) < 10


@pytest.mark.parametrize("scheme", ["abfss", pytest.param("az", marks=_ADLFS)])
@pytest.mark.parametrize("name", ["a b.jsonl", "*.jsonl", ""])
def test_sources(host: str, scheme: str, name: str) -> None:
    folder = below(STORE, "texts")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    put(below(folder, "a b.jsonl"), lines.encode())
    if scheme == "az":
        folder = f"az://{azurite.CONTAINER}/our runs/texts"
    corpus = Corpus.model_validate({"role": "human", "path": f"{folder}/{name}"})
    splits, issues = files.find(corpus, "c")
    assert not issues
    found = [
        row["text"]
        for split in splits
        for batch in ingest.ingest(split, "c", corpus, Cleaning())
        for row in batch.to_pylist()
    ]
    assert found == TEXTS
