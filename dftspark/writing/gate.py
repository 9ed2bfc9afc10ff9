"""What a request must have before anything of it is used: the page is for one person, in one
browser of this machine.

The checks, in order: a known path and method; a Host that names this server (so that no other name
can be made to lead here); a request that a page of this server, or the person, has made; the
session, which the ticket of the printed address opens once; and of a form its kind, its size, its
token and its fields. The first that fails answers, and the page itself never hears of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORM = "application/x-www-form-urlencoded"
MOST_BYTES = 160_000  # of a form: every field at its limit, in characters of four bytes
TOKEN = "token"
_SECONDS = 10.0  # that a form may take to arrive
_ENTER = "/enter"
_STOPPING = ("/stop", "iframe")  # a form that left the page would cut its text off
_AGAIN = "Open the address that `dftspark write` printed. It works once; start it again for another"


class Refused(Exception):
    """A request that is answered with `status` and the reason, and goes no further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Gate:
    """Lets requests of the one session through to `app`, and gives every answer its headers.

    paths   method and path to the names of the form's fields, without the token
    policy  the Content-Security-Policy
    """

    def __init__(
        self, app: ASGIApp, paths: Mapping[tuple[str, str], frozenset[str]], policy: str, port: int
    ) -> None:
        self._app, self._paths = app, paths
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"dftspark_write_{port}"  # browsers do not tell ports apart
        self.ticket, self._session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(32)
        self._entered = False
        self._headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",  # with no-referrer a form's Origin would be null
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        answer: ASGIApp
        try:
            answer = await self._checked(scope, receive)
        except Refused as refused:
            said = f"{refused.status}: {refused.reason}\n"
            answer = PlainTextResponse(said, refused.status, {"Connection": "close"})
        await answer(scope, receive, sent)

    async def _checked(self, scope: Scope, receive: Receive) -> ASGIApp:
        """Returns what answers the request; a form's fields are then in `scope["form"]`."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if method not in ("GET", "POST"):
            raise Refused(405, "this page knows GET and POST")
        if headers.get("host", "") not in self._hosts:
            raise Refused(403, f"this page is at http://{min(self._hosts)}, under no other name")
        self._check_source(method, path, headers)
        if (method, path) == ("GET", _ENTER):
            return self._enter(scope["query_string"])
        if not self._known(headers):
            raise Refused(403, f"{_AGAIN}.")
        names = self._paths.get((method, path))
        if names is None:
            raise Refused(404, "there is no such page here")
        if method == "POST":
            _check_form(headers)
            scope["form"] = self._fields(await _body(receive), names)
        return self._app

    def _check_source(self, method: str, path: str, headers: Headers) -> None:
        """Browsers say who made a request; a page elsewhere cannot lie about it."""
        site, kind = headers.get("sec-fetch-site"), headers.get("sec-fetch-dest")
        allowed = ("same-origin",) if method == "POST" else ("same-origin", "none")
        if site is not None and site not in allowed:
            raise Refused(403, "another site sent you here; paste the address into the browser")
        if kind not in (None, "document") and (path, kind) != _STOPPING:
            raise Refused(403, "this is a page to be read, not a part of another")
        origin = headers.get("origin")
        if (method == "POST" or origin is not None) and origin not in {
            f"http://{host}" for host in self._hosts
        }:
            raise Refused(403, "forms are sent from this page only")

    def _enter(self, query: bytes) -> Response:
        given = query.decode("latin-1").removeprefix("ticket=")
        if self._entered or not _same(given, self.ticket):
            raise Refused(403, f"this ticket is not valid, or was used. {_AGAIN}.")
        self._entered = True
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return answer

    def _known(self, headers: Headers) -> bool:
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        given = [value for name, _, value in pairs if name == self._cookie]
        return self._entered and len(given) == 1 and _same(given[0], self._session)

    def _fields(self, body: bytes, names: frozenset[str]) -> dict[str, str]:
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=len(names) + 1,
            )
        except ValueError as error:
            raise Refused(400, "this is not the form of this page") from error
        fields = dict(pairs)
        if not _same(fields.pop(TOKEN, ""), self.token):
            raise Refused(403, "the form is not of this session; load the page again")
        if len(fields) + 1 != len(pairs) or fields.keys() - names:
            raise Refused(400, "the form has fields that this page does not have")
        return fields


def _check_form(headers: Headers) -> None:
    kind, _, more = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != FORM or more.strip().lower() not in ("", "charset=utf-8"):
        raise Refused(415, f"a form is sent as {FORM}")
    if "content-encoding" in headers:
        raise Refused(415, "a form is sent as it is, without an encoding")
    length = headers.get("content-length", "")
    if not length.isdecimal() or "transfer-encoding" in headers:
        raise Refused(411, "a form is sent with its length")
    if len(length) > 9 or int(length) > MOST_BYTES:
        raise Refused(413, f"a form has at most {MOST_BYTES:,} bytes")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refused(400, "the form broke off")
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise Refused(408, f"the form did not arrive within {_SECONDS:.0f} seconds") from error
    return b"".join(parts)


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
