"""`dftspark write` as a program: what it prints, what it serves, how it ends, what it refuses."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dftspark import cli
from dftspark.config.write import WritePage
from dftspark.errors import ConfigError
from tests.generation import smol
from tests.report.browser import chromium
from tests.writing.endpoint import Slow, streaming
from tests.writing.served import Served
from tests.writing.test_page_in_browser import emulate, fill, send, until


def conf(folder: Path, *urls: str, **more: Any) -> str:
    lines = ["[write]", *(f"{name} = {json.dumps(value)}" for name, value in more.items())]
    for number, url in enumerate(urls):
        lines += ["[[write.models]]", f'name = "m{number}"', f'urls = ["{url}"]', 'model = "m"']
    path = folder / "write.toml"
    path.write_text("\n".join(lines))
    return str(path)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and the address that it prints."""
    command = [sys.executable, "-m", "dftspark", "write", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            said = program.stdout.readline() + program.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/enter\?ticket=\S+", said)
            assert address is not None, said + (program.stderr.read() if program.stderr else "")
            yield program, address[0]
        finally:
            program.kill()


@pytest.mark.program
def test_it_serves_one_browser_until_it_is_interrupted(tmp_path: Path) -> None:
    with (
        streaming(Slow(["Foxes."], pause=0.0)) as endpoint,
        started(conf(tmp_path, endpoint.url)) as (program, address),
    ):
        port = int(address.split(":")[2].split("/")[0])
        page = Served(port, address, None)  # type: ignore[arg-type]
        page.enter()
        answer = page.ask("POST", "/write", page.form())
        assert "Foxes." in answer.text
        assert "server" not in answer.headers
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), 5)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
        assert (program.returncode, err) == (0, "Loading m0 ...\n")
        assert "ticket" not in out


@pytest.mark.slow
@pytest.mark.embedder
@pytest.mark.program
def test_a_real_model_writes_in_a_real_browser(tmp_path: Path) -> None:
    """It is read while it is written, stopped, and asked again; no other process takes part."""
    weights = smol.weights()
    with started(str(weights)) as (program, address), chromium(tmp_path / "p", "none") as browser:
        emulate(browser)
        browser.get(address)
        until(browser, "form.brief")
        fill(browser, prompt="Tell a story about a fox and a heron.", words="100")
        send(browser)
        text = until(browser, "blockquote[data-excerpt]", " ", 240.0)
        until(browser, ".stop button")
        before = text.get_attribute("textContent")
        until(browser, ".stop button").click()
        stopped = until(browser, ".in-place .written", "Stopped.", 240.0)
        assert before.strip() in stopped.text
        value = browser.find_element("id", "prompt").get_attribute("value")
        assert value == "Tell a story about a fox and a heron."
        assert program.poll() is None


def test_what_it_cannot_serve_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        good = conf(tmp_path, "http://127.0.0.1:9/v1")
        wrong: list[tuple[list[str], int, str]] = [
            (["nosuch.toml"], 2, "there is no such file"),
            (["empty"], 2, "the folder empty holds no config.json"),
            (["empty", "write.toml"], 2, "give one TOML file, or one or two folders"),
            (["a", "b", "c"], 2, "give one TOML file, or one or two folders"),
            ([good, "--human", "nowhere"], 4, "nowhere"),
            ([good, "--port", port], 75, f"port {port} of 127.0.0.1 cannot be used"),
        ]
        for arguments, code, said in wrong:
            assert cli.main(["write", *arguments]) == code
            told = capsys.readouterr().err
            assert said in told
            assert len(told.splitlines()) < 10
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        assert cli.main(["write", good]) == 75
        assert "needs uvicorn, which is not installed: pip install" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"keep": True}, "keep is for picks between two texts"),
        ({"sampler": {"stream": 1}}, "'stream' is no sampler setting"),
        ({"temprature": 1}, "there is no such setting"),
        ({"models": []}, "models"),
        ({"models": [{"name": "human", "path": "x"}]}, "none is 'human'"),
        ({"models": [{"name": "a", "path": "x"}] * 2}, "a name of its own"),
        ({"models": [{"name": n, "path": "x"} for n in "abc"]}, "at most 2"),
        ({"models": [{"name": "a", "path": "x"}], "sampler": {"best_of": 2}}, "best_of"),
    ],
)
def test_settings_that_do_not_go_together_are_told(
    tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    from dftspark.config.audit import parsed

    models = [{"name": "m", "urls": ["http://127.0.0.1/v1"], "model": "m"}]
    with pytest.raises(ConfigError, match=re.escape(said)):
        parsed(WritePage, {"write": {"models": models, **more}}, "block")


def test_folders_name_their_models(tmp_path: Path) -> None:
    def names(*folders: str) -> list[str]:
        return [one.name for one in WritePage.of_folders(list(folders)).write.models]

    assert names("models/sft", "models/tuned/") == ["sft", "tuned"]
    assert names("runs/1/model", "runs/2/model") == ["model-1", "model-2"]
    assert names("models/our model (v2)") == ["our-model-v2"]
