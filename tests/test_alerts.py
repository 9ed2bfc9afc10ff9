"""Webhooks that misbehave: no exception, no redirect, no secret in what is said."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from dftspark.location import Location
from dftspark.nights import alerts
from dftspark.store.run import Run

FAILED = Run(
    "run",
    {
        "name": "night",
        "date": "2026-11-22",
        "checks": {"outcome": "fail", "counts": {}, "said": ["far: outside"]},
    },
    Location.parse("."),
)


@contextmanager
def served(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads a request and leaves the rest to `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client, suppress(OSError):
                        client.recv(65536)
                        answer(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def told(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setenv("HOOK", url)
    said = alerts.tell(FAILED, "HOOK", pause=0.0)
    assert "SECRET" not in said
    return said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[::1/SECRET", "not told: HOOK is not an http or https URL"),
        ("http://user:SECRET@127.0.0.1/x", "not told: 127.0.0.1: "),
        ("http://127.0.0.1:1/with a space/SECRET", "not told: 127.0.0.1: InvalidURL"),
        ("http://127.0.0.1:99999/SECRET", "not told: 127.0.0.1: "),
    ],
)
def test_addresses_that_are_none(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    assert told(monkeypatch, url).startswith(said)


def test_an_answer_that_is_not_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda client: client.sendall(b"SSH-2.0-else\r\n\r\n")) as url:
        assert told(monkeypatch, f"{url}/SECRET") == "not told: 127.0.0.1: BadStatusLine"


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with served(lambda client: asked.append(b"other")) as other:
        answer = f"HTTP/1.1 307 Go\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n".encode()
        with served(lambda client: client.sendall(answer)) as url:
            assert told(monkeypatch, f"{url}/SECRET") == "not told: 127.0.0.1 answered 307"
    assert asked == []


def test_an_answer_that_trickles_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte comes in time, their whole never."""
    stopped = threading.Event()

    def trickle(client: socket.socket) -> None:
        while not stopped.is_set():
            client.sendall(b"H")
            time.sleep(0.01)

    monkeypatch.setattr(alerts, "_SECONDS", 0.2)
    with served(trickle) as url:
        assert told(monkeypatch, f"{url}/SECRET") == "not told: 127.0.0.1: no answer in 0.2 seconds"
        stopped.set()


def test_an_answer_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket may notice before the deadline does: the same is said."""
    monkeypatch.setattr(alerts, "_SECONDS", 0.05)
    stopped = threading.Event()

    def silent(client: socket.socket) -> None:
        stopped.wait()

    with served(silent) as url:
        said, again = alerts._ask(url, b"{}", "host")
        stopped.set()
    assert (said, again) == ("not told: host: no answer in 0.05 seconds", True)


# --- Apprise --------------------------------------------------------------------------------------


class _Hears(BaseHTTPRequestHandler):
    heard: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/refused" else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def hears() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The host and port of a server that takes posts, and what it was sent."""
    _Hears.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hears) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", _Hears.heard
        server.shutdown()


def notified(monkeypatch: pytest.MonkeyPatch, urls: str, run: Run = FAILED) -> str:
    monkeypatch.setenv("ALERTS", urls)
    return alerts.notify(run, "ALERTS")


def test_people_are_told_through_apprise(
    monkeypatch: pytest.MonkeyPatch, hears: tuple[str, list[dict[str, Any]]]
) -> None:
    server, heard = hears
    assert notified(monkeypatch, f"json://{server}/a json://{server}/b") == ""
    assert [(said["title"], said["message"], said["type"]) for said in heard] == [
        ("dftspark night 2026-11-22: fail", "far: outside", "failure")
    ] * 2
    passed = Run("run", {**FAILED.manifest, "checks": {"outcome": "pass"}}, Location.parse("."))
    assert notified(monkeypatch, f"json://{server}/a", passed) == ""
    assert notified(monkeypatch, "") == ""
    assert len(heard) == 2


def test_what_apprise_cannot_do_is_said_without_the_address(
    monkeypatch: pytest.MonkeyPatch,
    hears: tuple[str, list[dict[str, Any]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, heard = hears
    said = notified(
        monkeypatch, f"strange://SECRET json://u:SECRET@{server}/refused json://{server}/"
    )
    assert said == (
        "not told: address 1 of ALERTS is none that Apprise knows; "
        "not told: address 2 of ALERTS, JSON, refused or did not answer"
    )
    assert len(heard) == 2
    assert "SECRET" not in caplog.text


def test_a_mail_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a server that speaks as much of SMTP as it takes."""
    lines: list[str] = []

    def serve(client: socket.socket) -> None:
        stream = client.makefile("rw", newline="\r\n")
        answers = {"DATA": "354 go on", "QUIT": "221 bye"}

        def answer(text: str) -> None:
            stream.write(f"{text}\r\n")
            stream.flush()

        answer("220 here")
        body = False
        for raw in stream:
            line = raw.rstrip("\r\n")
            lines.append(line)
            word = line.split(" ")[0].upper()
            if body:
                body = line != "."
                answer("250 taken") if not body else None
            else:
                answer(answers.get(word, "250 ok"))
                body = word == "DATA"
            if word == "QUIT":
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: serve(server.accept()[0]), daemon=True).start()
        port = server.getsockname()[1]
        url = f"mailto://127.0.0.1:{port}?from=night@localhost.test&to=team@localhost.test"
        assert notified(monkeypatch, url) == ""
    assert "Subject: dftspark night 2026-11-22: fail" in lines
    assert any(line.startswith("rcpt TO:<team@localhost.test>") for line in lines)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert notified(monkeypatch, "json://127.0.0.1/") == (
        "not told: ALERTS needs apprise: pip install 'dftspark[alerts]'"
    )
