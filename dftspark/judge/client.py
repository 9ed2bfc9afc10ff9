"""One endpoint over HTTP: requests with retries, as many at once as there are threads.

Threads over urllib3, because the work of a request is a third of a millisecond there and ten with
an asynchronous framework; a task so keeps a thousand requests a second in flight on one core.

What is tried again: 408, 409, 429, 5xx, a time-out and a lost connection. The wait is what
Retry-After says, and else doubles from half a second to 30, with jitter of its whole length; a
Retry-After holds back all threads of the endpoint, not only the one that was told.
"""

from __future__ import annotations

import email.utils
import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from dftspark import __version__
from dftspark.config import Endpoint
from dftspark.errors import EnvironmentProblem
from dftspark.judge.requests import PATH

LARGEST = 1 << 20  # bytes of a reply that are read
_AGAIN = frozenset({408, 409, 429})
_HOPELESS = frozenset({401, 402, 403, 404, 405, 407})  # of every request alike
_FIRST_WAIT, _MOST_WAIT = 0.5, 30.0
_LONGEST_ASKED = 300.0  # a longer Retry-After ends the work of the endpoint
_CONNECT = 10.0
_SECRET = 8  # characters from which a key is one; local servers are given words like "none"


@dataclass(frozen=True)
class Reply:
    """body      of a reply with status 200, else None
    error     why there is none, in words that hold no key
    attempts  requests that were sent
    final     whether the next request would fare no better: a wrong key, no money left
    """

    body: bytes | None
    error: str
    attempts: int
    seconds: float
    final: bool = False


class Client:
    """Safe to use from many threads. Raises EnvironmentProblem where the key is not there."""

    def __init__(self, endpoint: Endpoint, threads: int, retries: int) -> None:
        self._endpoint, self._retries = endpoint, retries
        self._key = key_of(endpoint)
        self._spellings = _spellings(self._key)
        self._pool, self._target = _pool(endpoint, threads)
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"dftspark/{__version__}",
            **({"Authorization": f"Bearer {self._key}"} if self._key else {}),
        }
        self._not_before = 0.0  # monotonic; what a Retry-After asks of all threads
        self._over = threading.Event()

    def stop(self) -> None:
        """Nothing more is sent: threads that wait to try again give up. Answers that are on their
        way are still heard, for they are paid for."""
        self._over.set()

    def close(self) -> None:
        self._over.set()
        (self._pool.clear if hasattr(self._pool, "clear") else self._pool.close)()

    def ask(
        self, body: bytes, may_send: Callable[[], bool], failed: Callable[[str], None]
    ) -> Reply:
        """`may_send` is asked before every attempt, and `failed` is told of each that failed."""
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
        from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError, SSLError

        deadline = time.monotonic() + self._endpoint.timeout
        try:
            response = self._pool.urlopen(
                "POST", self._target, body=body, headers=self._headers, preload_content=False,
                retries=False, redirect=False,
            )  # fmt: skip
            try:
                content = _read(response, deadline)
                status, headers = response.status, response.headers
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except NewConnectionError:
            return _Failure("no connection", again=True)
        except ProxyError:
            return _Failure("no connection through the proxy", again=True)
        except SSLError as problem:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(problem)
            return _Failure(f"no safe connection: {problem}"[:200], not untrusted, untrusted)
        except (HTTPError, OSError, TimeoutError) as problem:
            return _Failure(_named(problem), again=True)
        if content is None:
            return _Failure(f"the reply is longer than {LARGEST >> 20} MiB", again=False)
        if (coding := headers.get("Content-Encoding", "identity")) != "identity":
            return _Failure(f"the reply is in the encoding {coding[:40]}, not asked for")
        if status == 200:
            return self._hidden(content)
        return self._refused(status, headers, content)

    def _refused(self, status: int, headers: Any, content: bytes) -> _Failure:
        said, code = _message(self._hidden(content))
        error = f"status {status}{': ' + said if said else ''}"
        after = retry_after(headers)
        if code == "insufficient_quota" or status in _HOPELESS:
            return _Failure(error, final=True)
        if after is not None and after > _LONGEST_ASKED:
            return _Failure(f"{error}; it asks to wait {after:,.0f} s", final=True)
        return _Failure(error, again=status in _AGAIN or status >= 500, after=after)

    def _hidden(self, content: bytes) -> bytes:
        """What a server says goes into tables; where it repeats the key, without it."""
        for spelling in self._spellings:
            content = content.replace(spelling, b"***")
        return content


@dataclass(frozen=True)
class _Failure:
    error: str
    again: bool = False
    final: bool = False
    after: float | None = None


def key_of(endpoint: Endpoint) -> str:
    """From the environment. EnvironmentProblem where the variable is not set, or is no header."""
    if endpoint.key_env is None:
        return ""
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise EnvironmentProblem(
            f"judge {endpoint.name}: the environment variable {endpoint.key_env} is not set on "
            f"{os.uname().nodename}. Export it before Spark starts; on a cluster every executor "
            f"needs it too (on Kubernetes spark.kubernetes.executor.secretKeyRef."
            f"{endpoint.key_env})"
        )
    if not key.isascii() or not key.isprintable():
        raise EnvironmentProblem(
            f"judge {endpoint.name}: {endpoint.key_env} holds characters that no key has"
        )
    return key


def _spellings(key: str) -> list[bytes]:
    """The key as it is, and as JSON may spell it."""
    if len(key) < _SECRET:
        return []
    quoted = json.dumps(key)[1:-1]
    every = {key, quoted, quoted.replace("/", "\\/")}
    return [spelling.encode() for spelling in sorted(every, key=len, reverse=True)]


def retry_after(headers: Any) -> float | None:
    """Seconds that a server asks to wait, from `retry-after-ms` or Retry-After in either form."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(float(milliseconds) / 1000, 0.0)
    except ValueError:
        pass
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def _pool(endpoint: Endpoint, threads: int) -> tuple[Any, str]:
    """Connections, and the target to ask them for: of a pool its path, of a proxy the address."""
    try:
        import urllib3
    except ImportError as error:
        raise EnvironmentProblem(
            "a judge is asked through urllib3: pip install 'dftspark[judge]'"
        ) from error
    parts = urlsplit(endpoint.url)
    settings: dict[str, Any] = {
        "maxsize": threads,
        "block": False,
        "timeout": urllib3.Timeout(connect=min(_CONNECT, endpoint.timeout), read=endpoint.timeout),
    }
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return _through(proxy, settings), endpoint.url + PATH
    # A manager would look its one pool up anew for every request.
    return urllib3.connection_from_url(endpoint.url, **settings), parts.path + PATH


def _through(proxy: str, settings: dict[str, Any]) -> Any:
    """Connections through a proxy as the environment names it, with a name and password or not."""
    import urllib3

    address = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EnvironmentProblem(
            "the environment names a proxy that is neither http:// nor https://; judges are asked "
            "through those only. Set no_proxy to the judge's host to do without"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    plain = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    headers = None
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=login)
    return urllib3.ProxyManager(plain, num_pools=1, proxy_headers=headers, **settings)


def _read(response: Any, deadline: float) -> bytes | None:
    """The whole reply as it came over the wire, or None where it is longer than LARGEST;
    TimeoutError after `deadline`. Never decompressed: a small reply may unpack to a huge one."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST:
        response.close()
        return None
    parts, size = [], 0
    while part := response.read1(1 << 16, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            response.close()
            return None
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _named(problem: BaseException) -> str:
    name = type(problem).__name__
    if "Timeout" in name:
        return "no answer in time"
    if name in ("ProtocolError", "IncompleteRead", "ConnectionResetError"):
        return "the connection was lost"
    return name


def _message(content: bytes) -> tuple[str, str]:
    """What an error's body says, in one line, and its code."""
    try:
        found = json.loads(content)
        error = found.get("error", found) if isinstance(found, dict) else found
        if isinstance(error, dict):
            text, code = str(error.get("message", "")), str(error.get("code", ""))
        else:
            text, code = str(error), ""
        text = text.encode("utf-8", "replace").decode()  # JSON can spell halves of characters
    except (ValueError, RecursionError):
        text, code = content[:300].decode("utf-8", "replace"), ""
    return " ".join(text.split())[:200], code
