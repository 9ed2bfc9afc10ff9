"""The client against a server that behaves in every way a server does."""

from __future__ import annotations

import base64
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from dftspark.config import Endpoint
from dftspark.endpoints import client, connections
from dftspark.endpoints.client import Client, Reply
from dftspark.errors import EnvironmentProblem
from tests.judging import (
    Answer,
    Asked,
    Behavior,
    Server,
    failure,
    serving,
    speaking,
    verdict,
)


@contextmanager
def asking(
    behave: Behavior,
    retries: int = 3,
    monkeypatch: pytest.MonkeyPatch | None = None,
    **settings: object,
) -> Iterator[tuple[Client, Server]]:
    with serving(behave) as server:
        endpoint = Endpoint.model_validate(
            {"name": "j", "url": server.url, "model": "m", "timeout": 5.0, **settings}
        )
        yield Client(endpoint, 4, retries), server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.01)


def ask(of: Client, body: bytes = b"{}") -> tuple[Reply, list[str]]:
    failures: list[str] = []
    return of.ask(body, lambda: True, failures.append), failures


def after(count: int, first: Answer) -> Behavior:
    """`first` for so many requests, then a verdict."""
    return lambda asked: first if asked.number < count else verdict("B")


def test_a_normal_answer() -> None:
    with asking(after(0, failure(500))) as (own, server):
        reply, _ = ask(own, b'{"model":"m"}')
    assert reply.body is not None
    assert b"verdict" in reply.body
    assert (reply.attempts, reply.error) == (1, "")
    assert server.requests[0].raw == b'{"model":"m"}'
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (failure(500, "oops"), "status 500: oops"),
        (failure(502), "status 502"),
        (failure(503), "status 503"),
        (failure(408), "status 408"),
        (failure(429, "slow down", "rate_limit_exceeded"), "status 429: slow down"),
        (Answer(b"", 0), "the connection was lost"),
        (Answer(b"<html>", 504), "status 504: <html>"),
    ],
)
def test_what_may_pass_is_tried_again(first: Answer, said: str) -> None:
    with asking(after(2, first)) as (own, server):
        reply, failures = ask(own)
    assert reply.body is not None
    assert reply.attempts == len(server.requests) == 3
    assert failures == [said, said]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_will_not_pass_is_not(status: int) -> None:
    with asking(lambda asked: failure(status, "too long")) as (own, server):
        reply, _ = ask(own)
    assert reply.error == f"status {status}: too long"
    assert (reply.body, reply.final, len(server.requests)) == (None, False, 1)


@pytest.mark.parametrize(
    "answer",
    [
        failure(401, "bad key"),
        failure(403),
        failure(404),
        failure(402),
        failure(429, "no money", "insufficient_quota"),
        failure(429, Retry_After="9000"),
    ],
)
def test_what_will_never_pass_is_final(answer: Answer) -> None:
    with asking(lambda asked: answer) as (own, server):
        reply, _ = ask(own)
    assert reply.final
    assert len(server.requests) == 1


def test_tries_end() -> None:
    with asking(lambda asked: failure(500), retries=2) as (own, server):
        reply, failures = ask(own)
    assert (reply.body, reply.attempts, len(server.requests), len(failures)) == (None, 3, 3, 3)


def test_a_slow_server_is_a_time_out() -> None:
    slow = Answer(verdict("A").body, delay=1.0)
    with asking(after(1, slow), timeout=0.2) as (own, _):
        reply, failures = ask(own)
    assert failures == ["no answer in time"]
    assert reply.body is not None


def test_nobody_there_is_said() -> None:
    endpoint = Endpoint(name="j", url="http://127.0.0.1:9/v1", model="m")
    reply, _ = ask(Client(endpoint, 1, 1))
    assert (reply.error, reply.attempts) == ("no connection", 2)


def test_retry_after_holds_back_every_thread() -> None:
    first = failure(429, Retry_After="0.6")
    with asking(after(1, first)) as (own, server):
        arrived: list[float] = []

        def behave(asked: Asked) -> Answer:
            arrived.append(time.monotonic())
            return first if asked.number == 0 else verdict("A")

        server.behave = behave
        threads = [threading.Thread(target=ask, args=(own,)) for _ in range(3)]
        threads[0].start()
        time.sleep(0.2)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(arrived) == 4
    assert min(arrived[1:]) - arrived[0] >= 0.59


def test_retry_after_in_all_its_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.retry_after({}) is None
    assert client.retry_after({"Retry-After": "7"}) == 7
    assert client.retry_after({"retry-after-ms": "250", "Retry-After": "7"}) == 0.25
    monkeypatch.setattr(client, "time", SimpleNamespace(time=lambda: 1_800_000_000.0))
    assert client.retry_after({"Retry-After": formatdate(1_800_000_010, usegmt=True)}) == 10
    assert client.retry_after({"Retry-After": "soon"}) is None
    assert client.retry_after({"Retry-After": "-3"}) == 0
    assert client.retry_after({"Retry-After": "nan"}) is None
    assert client.retry_after({"retry-after-ms": "nan"}) is None
    assert client.retry_after({"retry-after-ms": "nan", "Retry-After": "7"}) == 7
    assert client.retry_after({"retry-after-ms": "\u00b2", "Retry-After": "\u00b2"}) is None
    assert client.retry_after({"retry-after-ms": "-1"}) == 0


def test_waits_grow_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.5)
    own = Client(Endpoint(name="j", url="http://127.0.0.1:9/v1", model="m"), 1, 1)
    for attempt, most in ((0, 0.5), (3, 4.0), (9, 30.0)):
        waits = [own._pause(attempt, None) for _ in range(300)]
        assert 0.8 * most < max(waits) <= most
        assert min(waits) < 0.2 * most


def test_nothing_is_sent_where_it_may_not_be() -> None:
    with asking(after(0, failure(500))) as (own, server):
        reply = own.ask(b"{}", lambda: False, lambda error: None)
    assert (reply.body, reply.attempts, server.requests) == (None, 0, [])


def test_stopping_wakes_those_that_wait() -> None:
    replies: list[Reply] = []
    with asking(lambda asked: failure(429, Retry_After="200")) as (own, server):
        waiting = threading.Thread(target=lambda: replies.append(ask(own)[0]), daemon=True)
        waiting.start()
        while waiting.is_alive() and not own._not_before:  # until it has been told to wait
            waiting.join(0.005)
        own.stop()
        waiting.join(60)  # it would wait for 200 s
        assert not waiting.is_alive()
    assert [reply.body for reply in replies] == [None]
    assert len(server.requests) == 1


def test_an_endless_reply_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LARGEST", 1000)
    with asking(lambda asked: Answer(b"x" * 5000)) as (own, _):
        reply, _ = ask(own)
    assert reply.body is None
    assert "longer than" in reply.error


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret-1")
    echo = failure(400, "Incorrect API key: sk-secret-1")
    with asking(after(1, echo), key_env="A_KEY") as (own, server):
        reply, _ = ask(own)
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret-1"
    assert reply.error == "status 400: Incorrect API key: ***"


def test_an_absent_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    endpoint = Endpoint(name="j", url="http://127.0.0.1:9/v1", model="m", key_env="NO_KEY")
    with pytest.raises(EnvironmentProblem, match="NO_KEY is not set"):
        Client(endpoint, 1, 1)
    monkeypatch.setenv("NO_KEY", "a\nb")
    with pytest.raises(EnvironmentProblem) as caught:
        Client(endpoint, 1, 1)
    assert "a\nb" not in str(caught.value)


def test_a_connection_is_used_again() -> None:
    with asking(after(0, failure(500))) as (own, _):
        for _ in range(5):
            assert ask(own)[0].body is not None
        assert own._pool.num_connections == 1


def test_a_redirect_is_not_followed_and_takes_the_key_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret-1")
    with serving() as other:
        away = Answer(b"", 307, {"Location": f"{other.url}/chat/completions"})
        with asking(lambda asked: away, key_env="A_KEY") as (own, _):
            reply, _ = ask(own)
    assert reply.error == "status 307"
    assert other.requests == []


def test_a_compressed_reply_is_never_unpacked() -> None:
    packed = Answer(gzip.compress(b"0" * (1 << 24)), headers={"Content-Encoding": "gzip"})
    assert len(packed.body) < connections.LARGEST
    with asking(lambda asked: packed) as (own, server):
        reply, _ = ask(own)
    assert (reply.body, reply.error) == (None, "the reply is in the encoding gzip, not asked for")
    assert server.requests[0].headers.get("accept-encoding", "identity") == "identity"


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"H"),  # of the status line
        (OK, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Content-Length: 1000\r\n\r\n", b" "),
        (OK + b"\r\n", b" "),
        (CHUNKS, b"X: y\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;x=y\r\n{\r\n"),
    ],
)
def test_whatever_trickles_ends_at_its_deadline(first: bytes, again: bytes) -> None:
    """A time-out of the socket alone would begin anew with each byte."""
    with speaking(first, again=again) as url:
        own = Client(Endpoint(name="j", url=url, model="m", timeout=0.3), 1, 0)
        reply, _ = ask(own)
    assert (reply.body, reply.error) == (None, "no answer in time")


def test_a_proxy_that_trickles_ends_at_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with speaking(OK, again=b"X: y\r\n") as url:
        monkeypatch.setenv("https_proxy", url)
        address = "https://judge.invalid/v1"
        own = Client(Endpoint(name="j", url=address, model="m", timeout=0.3), 1, 0)
        assert ask(own)[0].error == "no answer in time"


def test_a_handshake_ends_at_the_same_deadline() -> None:
    with speaking(b"\x16\x03\x03\x40\x00", again=b"\x02") as url:  # a record of 16 KiB
        address = url.replace("http:", "https:")
        own = Client(Endpoint(name="j", url=address, model="m", timeout=0.3), 1, 0)
        assert ask(own)[0].error == "no answer in time"


def test_headers_count_toward_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LARGEST", 10_000)
    more = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    with speaking(more, OK, b"Content-Length: 2\r\n\r\n{}") as url:
        reply, _ = ask(Client(Endpoint(name="j", url=url, model="m"), 1, 0))
    assert "longer than" in reply.error


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Length: \u00b2".encode("latin-1"), b"{}"),
        (b"Content-Length: 9\r\nContent-Length: 8", None),
        (b"Content-Length: -5", b"{}"),
        (b"Transfer-Encoding: chunked", None),
        (b"a line that is no header", b"{}"),
    ],
)
def test_strange_headers_cost_one_request_at_most(headers: bytes, body: bytes | None) -> None:
    with speaking(OK + headers + b"\r\n\r\n{}") as url:
        reply, _ = ask(Client(Endpoint(name="j", url=url, model="m", timeout=5.0), 1, 0))
    assert reply.body == body
    assert bool(reply.error) == (body is None)
    assert not reply.final


@pytest.mark.parametrize("problem", [ValueError, LookupError, RecursionError, UnicodeError])
def test_any_exception_is_the_failure_of_one_request(
    monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def broken(response: object) -> bytes:
        raise problem("sk-secret-1")

    monkeypatch.setattr(client, "_read", broken)
    with asking(after(0, failure(500))) as (own, server):
        reply, failures = ask(own)
    assert (reply.body, reply.error, reply.final) == (None, problem.__name__, False)
    assert (len(server.requests), failures) == (1, [problem.__name__])


def test_a_certificate_that_nobody_vouches_for_ends_the_asking() -> None:
    trustme = pytest.importorskip("trustme", reason="certificates are made by trustme")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        heard: list[bytes] = []

        def serve() -> None:
            there, _ = listening.accept()
            with there, suppress(OSError), context.wrap_socket(there, server_side=True) as safe:
                heard.append(safe.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
        reply, _ = ask(Client(Endpoint(name="j", url=url, model="m"), 1, 5))
        thread.join()
    assert "CERTIFICATE_VERIFY_FAILED" in reply.error
    assert (reply.final, reply.attempts, heard) == (True, 1, [])


def test_an_address_may_be_of_ipv6() -> None:
    own = Client(Endpoint(name="j", url="http://[::1]:9/v1", model="m"), 1, 0)
    assert (own._pool.host, own._pool.port, own._target) == ("::1", 9, "/v1/chat/completions")
    assert ask(own)[0].error == "no connection"


def test_a_proxy_is_asked_with_its_own_password_and_is_never_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "me:p%40ss@127.0.0.1:9")
    own = Client(Endpoint(name="j", url="http://judge.invalid/v1", model="m"), 1, 0)
    assert own._target == "http://judge.invalid/v1/chat/completions"
    login = base64.b64encode(b"me:p@ss").decode()
    assert own._pool.proxy_headers == {"proxy-authorization": f"Basic {login}"}
    reply, _ = ask(own)
    assert "p@ss" not in reply.error
    assert "p%40ss" not in reply.error
    monkeypatch.setenv("http_proxy", "socks5://me:secret@127.0.0.1:9")
    with pytest.raises(EnvironmentProblem) as caught:
        Client(Endpoint(name="j", url="http://judge.invalid/v1", model="m"), 1, 0)
    assert "secret" not in str(caught.value)


def test_a_word_for_a_local_server_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "A")
    with asking(lambda asked: verdict("A"), key_env="A_KEY") as (own, _):
        assert ask(own)[0].body == verdict("A").body


def test_to_wait_for_no_time_is_to_wait_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Client(Endpoint(name="j", url="http://127.0.0.1:9/v1", model="m"), 1, 1)
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.5)
    assert max(own._pause(3, 0.0) for _ in range(50)) > 0
