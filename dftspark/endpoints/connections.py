"""HTTP connections on which a whole exchange has one deadline and one limit on its size.

A socket's time-out is for one system call: it begins anew with each byte of a slow header, each
interim answer and each trailer. Here every read and every write gets what is left of the time of
the exchange: connecting, the handshake, a proxy's answer, the request, headers, interim answers,
body and trailers together. Only the look-up of a host's name has the resolver's limits instead.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from dftspark.config import Endpoint
from dftspark.endpoints.protocol import PATH
from dftspark.errors import EnvironmentProblem

LARGEST = 1 << 20  # bytes read in one exchange
_CONNECT = 10.0  # seconds for each address of a host
_PIECE = 1 << 14  # bytes written at once: the most that one TLS record holds

_ends: ContextVar[float] = ContextVar("_ends")  # time.monotonic, end of this thread's exchange
Connected = Callable[[socket.socket], None]
_connected_to: ContextVar[Connected | None] = ContextVar("_connected_to", default=None)


class TooLong(Exception):
    """More than LARGEST bytes came."""


@contextmanager
def within(seconds: float, connected: Connected | None = None) -> Iterator[None]:
    """Gives this thread's exchange in the block that time to end; raises TimeoutError after it.

    `connected` gets the socket of each connection that is made for it, and may raise.
    """
    before = _ends.set(time.monotonic() + seconds)
    told = _connected_to.set(connected)
    try:
        yield
    finally:
        _connected_to.reset(told)
        _ends.reset(before)


def cut(connected: socket.socket) -> None:
    """Ends a connection at once, from any thread: the thread that reads it gets an error."""
    with suppress(OSError):  # it may have ended by itself
        connected.shutdown(socket.SHUT_RDWR)


def _left() -> float:
    left = _ends.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange has lasted too long")
    return left


class _Bounded(io.RawIOBase):
    """The bytes of a socket, each read in the time that is left, LARGEST of them at most."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock, self._room = raw, sock, LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left())
        count: int | None = self._raw.readinto(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise TooLong
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp: io.BufferedReader = io.BufferedReader(_Bounded(self.fp.detach(), sock))

    def begin(self) -> None:
        super().begin()
        # urllib3 would log a malformed header line, which may repeat the key.
        self.msg.set_payload("")
        self.msg.defects.clear()


class _OneEnd(HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        if (connected := _connected_to.get()) is not None:
            # Not the connection, which forgets its socket when the server says that it will close.
            connected(self.sock)

    def _new_conn(self) -> socket.socket:
        try:
            return _connected(self._dns_host.strip("[]"), self.port)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except (OSError, UnicodeError) as error:  # a name that IDNA refuses is a UnicodeError
            raise NewConnectionError(self, "no connection") from error

    def send(self, data: Any) -> None:
        for start in range(0, len(data), _PIECE):
            if self.sock is not None:
                self.sock.settimeout(_left())
            super().send(data[start : start + _PIECE])


class _SafeOneEnd(_OneEnd, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _OneEnd


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _SafeOneEnd


def _connected(host: str, port: int) -> socket.socket:
    """Connects to the first address that accepts. The rest of the time is for the TLS handshake."""
    problem = OSError("the host has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found.settimeout(min(_CONNECT, _left()))
            found.connect(address)
            found.settimeout(_left())
        except OSError as error:
            found.close()
            problem = error
        else:
            return found
    raise problem


def pool(endpoint: Endpoint, threads: int, path: str = PATH) -> tuple[Any, str]:
    """Returns a pool of connections and the target of requests: a path; for a proxy the address."""
    parts = urlsplit(endpoint.url)
    settings: dict[str, Any] = {"maxsize": threads, "block": False, "timeout": endpoint.timeout}
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return _through(proxy, settings), endpoint.url + path
    # A manager would look up its only pool anew for every request.
    kind = _SafePool if parts.scheme == "https" else _Pool
    host = parts.hostname or ""
    return kind(host, parts.port, **settings), parts.path + path


def _through(proxy: str, settings: dict[str, Any]) -> urllib3.ProxyManager:
    """Connects through a proxy as the environment names it, with a name and password or without."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EnvironmentProblem(
            "the environment names a proxy that is neither http:// nor https://; models are asked "
            "through those only. Set no_proxy to the model's host to do without"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    plain = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    headers = None
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=login)
    manager = urllib3.ProxyManager(plain, num_pools=1, proxy_headers=headers, **settings)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}
    return manager
