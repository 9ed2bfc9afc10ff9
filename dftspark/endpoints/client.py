"""One endpoint over HTTP: requests with retries, as many at once as there are threads.

It uses threads over urllib3, because the work of a request is a third of a millisecond there and
ten with an asynchronous framework; so a task keeps a thousand requests a second in flight on one
core.

Retried are 408, 409, 429, 5xx, a time-out and a lost connection. The wait is what Retry-After says,
and otherwise doubles from half a second to 30, with jitter over its whole length; a Retry-After
holds back all threads of the endpoint, not only the one that received it. Any other error in an
exchange is the failure of one request.
"""

from __future__ import annotations

import email.utils
import json
import math
import random
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from dftspark import __version__
from dftspark.config import Endpoint
from dftspark.endpoints.keys import hiding, key_of
from dftspark.endpoints.protocol import PATH
from dftspark.errors import EnvironmentProblem

_AGAIN = frozenset({408, 409, 429})
_HOPELESS = frozenset({401, 402, 403, 404, 405, 407})  # for every request alike
_FIRST_WAIT, _MOST_WAIT = 0.5, 30.0
_LONGEST_ASKED = 300.0  # a longer Retry-After ends the work of the endpoint
_TOLD = 200  # characters kept of a server's message


@dataclass(frozen=True)
class Reply:
    """body      of a reply with status 200, as it came: it may repeat the key; else None
    error     why there is no body, in words without the key
    attempts  requests that were sent
    final     whether the next request would fail too: a wrong key, no money left
    """

    body: bytes | None
    error: str
    attempts: int
    seconds: float
    final: bool = False


class Client:
    """A client that many threads may use. Raises EnvironmentProblem where the key is not there.

    `hide` cuts a text that a server sent and removes the key from it; `cut` ends a connection that
    another thread reads.
    """

    def __init__(self, endpoint: Endpoint, threads: int, retries: int, path: str = PATH) -> None:
        try:
            from dftspark.endpoints import connections
        except ImportError as error:
            raise EnvironmentProblem(
                "models are asked through urllib3: pip install 'dftspark[judge]'"
            ) from error
        self._endpoint, self._retries = endpoint, retries
        key = key_of(endpoint)
        self.hide = hiding([key])
        self.cut: Callable[[Any], None] = connections.cut
        self._connections = connections
        self._pool, self._target = connections.pool(endpoint, threads, path)
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"dftspark/{__version__}",
            **_credentials(endpoint, key),
        }
        self._not_before = 0.0  # monotonic; a Retry-After sets it for all threads
        self._over = threading.Event()

    def stop(self) -> None:
        """Sends nothing more: threads that wait to try again give up. Answers that are on their way
        are still received, since they are paid for.
        """
        self._over.set()

    def close(self) -> None:
        self._over.set()
        (self._pool.clear if hasattr(self._pool, "clear") else self._pool.close)()

    def ask(
        self, body: bytes, may_send: Callable[[], bool], failed: Callable[[str], None]
    ) -> Reply:
        """Sends a request, with retries. `may_send` is called before every attempt, and `failed`
        after each that failed.
        """
        started, error = time.monotonic(), ""
        for attempt in range(self._retries + 1):
            if not self._waited() or not may_send():
                stopped = error or "not sent: the run's limits are reached"
                return Reply(None, stopped, attempt, time.monotonic() - started)
            outcome = self._once(body)
            took = time.monotonic() - started
            if isinstance(outcome, bytes):
                return Reply(outcome, "", attempt + 1, took)
            error = outcome.error
            failed(error)
            if outcome.final or not outcome.again:
                return Reply(None, error, attempt + 1, took, outcome.final)
            if attempt < self._retries and not self._over.is_set():
                self._over.wait(self._pause(attempt, outcome.after))
        return Reply(None, error, self._retries + 1, time.monotonic() - started)

    def lines(self, body: bytes, connected: Callable[[Any], None]) -> Generator[bytes, None, None]:
        """Sends a request once, and yields the lines of a reply with status 200 as they come.

        `connected` gets the socket, which `cut` ends from another thread. Raises
        EnvironmentProblem, without the key, for any other reply and for a connection that breaks.
        """
        try:
            with self._connections.within(self._endpoint.timeout, connected):
                response = self._sent(body)
                try:
                    if response.status != 200 or "Content-Encoding" in response.headers:
                        heard = self._heard(response.status, response.headers, _read(response))
                        raise self._problem(heard.error if isinstance(heard, _Failure) else "")
                    rest = b""
                    while part := response.read1(1 << 16, decode_content=False):
                        *whole, rest = (rest + part).split(b"\n")
                        yield from whole
                    yield rest
                finally:
                    response.close()
        except EnvironmentProblem:
            raise
        except Exception as problem:
            raise self._problem(self._broken(problem).error) from None

    def _problem(self, error: str) -> EnvironmentProblem:
        return EnvironmentProblem(f"{self._endpoint.name} at {self._endpoint.url}: {error}")

    def _waited(self) -> bool:
        while (left := self._not_before - time.monotonic()) > 0:
            if self._over.wait(left + random.uniform(0, 0.1 + left / 10)):
                break
        return not self._over.is_set()

    def _pause(self, attempt: int, after: float | None) -> float:
        if after:
            self._not_before = max(self._not_before, time.monotonic() + after)
            return 0.0
        return random.uniform(0, min(_MOST_WAIT, _FIRST_WAIT * 2.0**attempt))

    def _once(self, body: bytes) -> bytes | _Failure:
        try:
            with self._connections.within(self._endpoint.timeout):
                response = self._sent(body)
                try:
                    content = _read(response)
                except BaseException:
                    response.close()
                    raise
                response.release_conn()
            return self._heard(response.status, response.headers, content)
        except Exception as problem:
            return self._broken(problem)

    def _sent(self, body: bytes) -> Any:
        return self._pool.urlopen(
            "POST",
            self._target,
            body=body,
            headers=self._headers,
            preload_content=False,
            retries=False,
            redirect=False,
        )

    def _broken(self, problem: Exception) -> _Failure:
        from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError, SSLError

        if isinstance(problem, self._connections.TooLong):
            return _Failure(f"the reply is longer than {self._connections.LARGEST >> 20} MiB")
        if isinstance(problem, NewConnectionError):
            return _Failure("no connection", again=True)
        if isinstance(problem, ProxyError):
            return _Failure("no connection through the proxy", again=True)
        if isinstance(problem, SSLError):
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(problem)
            said = self.hide(f"no safe connection: {problem}", _TOLD)
            return _Failure(said, not untrusted, untrusted)
        return _Failure(_named(problem), again=isinstance(problem, HTTPError | OSError))

    def _heard(self, status: int, headers: Any, content: bytes) -> bytes | _Failure:
        if (coding := headers.get("Content-Encoding", "identity")) != "identity":
            coding = self.hide(coding, 40)
            return _Failure(f"the reply is in the encoding {coding}, not asked for")
        return content if status == 200 else self._refused(status, headers, content)

    def _refused(self, status: int, headers: Any, content: bytes) -> _Failure:
        text, code = _message(content)
        said = " ".join(self.hide(text, len(text)).split())[:_TOLD]
        error = f"status {status}{': ' + said if said else ''}"
        after = retry_after(headers)
        if code == "insufficient_quota" or status in _HOPELESS:
            return _Failure(error, final=True)
        if after is not None and after > _LONGEST_ASKED:
            return _Failure(f"{error}; it asks to wait {after:,.0f} s", final=True)
        return _Failure(error, again=status in _AGAIN or status >= 500, after=after)


def _credentials(endpoint: Endpoint, key: str) -> dict[str, str]:
    if not key:
        return {}
    bearer = endpoint.key_header == "Authorization"
    return {endpoint.key_header: f"Bearer {key}" if bearer else key}


@dataclass(frozen=True)
class _Failure:
    error: str
    again: bool = False
    final: bool = False
    after: float | None = None


def retry_after(headers: Any) -> float | None:
    """Returns the seconds that a server asks to wait, from `retry-after-ms` or Retry-After in
    either form; None where neither is a number or a date.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    """Returns a number of at least 0; None where there is none, and for nan."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(value) else max(value, 0.0)


def _read(response: Any) -> bytes:
    """Reads the whole reply as it came over the wire. It is never decompressed: a small reply may
    unpack to a huge one.
    """
    parts = []
    while part := response.read1(1 << 16, decode_content=False):
        parts.append(part)
    return b"".join(parts)


def _named(problem: BaseException) -> str:
    name = type(problem).__name__
    if "Timeout" in name or any(isinstance(cause, TimeoutError) for cause in problem.args):
        return "no answer in time"
    if name in ("ProtocolError", "IncompleteRead", "ConnectionResetError"):
        return "the connection was lost"
    return name


def _message(content: bytes) -> tuple[str, str]:
    """Returns the message of an error's body, and its code."""
    try:
        found = json.loads(content)
        error = found.get("error", found) if isinstance(found, dict) else found
        if isinstance(error, dict):
            text, code = str(error.get("message", "")), str(error.get("code", ""))
        else:
            text, code = str(error), ""
        return text.encode("utf-8", "replace").decode(), code  # JSON can spell halves of characters
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace"), ""
