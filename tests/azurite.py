"""An emulator of Azure's blob storage on the loopback interface: the real Azurite, where it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dftspark.azure import VARIABLE
from dftspark.location import Location

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT, CONTAINER = "devstoreaccount1", "audits"
# Every Azurite has this key, which its documentation names.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
STORE = f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/our runs"
_PLACES = (ROOT / "build" / "azurite", ROOT)
_SECONDS = 60.0
_MISSING = "AZURE NOT TESTED: no azurite-blob; npm install --prefix build/azurite azurite@3.35.0"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yields host and port of an Azurite that keeps everything in memory, and ends it. Skips where
    there is none."""
    command = [_program(), "--blobHost", "127.0.0.1", "--blobPort", "0"]
    command += ["--inMemoryPersistence", "--disableTelemetry", "--silent"]
    command += ["--skipApiVersionCheck"]  # pyarrow's clients are newer than any Azurite
    said = folder / "azurite.log"
    with said.open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield _listening(server, said)
    finally:
        server.terminate()
        server.wait(10)


def connection(host: str, key: str = KEY) -> str:
    """Returns the connection string, as Azurite's documentation has it."""
    endpoint = f"http://{host}/{ACCOUNT}"
    return f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """Yields the host of an Azurite to which STORE leads, whose container is empty."""
    with served(folder) as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, connection(host))
        Location.parse(STORE).filesystem.create_dir(CONTAINER)
        yield host


def _program() -> str:
    folders = [str(place / "node_modules" / ".bin") for place in _PLACES]
    path = os.pathsep.join([os.environ.get("PATH", ""), *folders])
    program = shutil.which("azurite-blob", path=path)
    if program is None:
        pytest.skip(_MISSING)
    return program


def _listening(server: subprocess.Popen[bytes], said: Path) -> str:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and server.poll() is None:
        if found := re.search(r"listens on http://(127\.0\.0\.1:\d+)", said.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"Azurite does not listen: {said.read_text()}")
