"""Webhooks that misbehave: no exception, no redirect, no secret in what is said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

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
