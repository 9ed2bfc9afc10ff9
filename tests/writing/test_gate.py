"""Requests that the writing page must refuse, before a model or the page's code hears of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.writing.endpoint import Slow, streaming
from tests.writing.served import FORM, Served, asked, serving


@pytest.fixture(scope="module")
def slow() -> Iterator[Slow]:
    with streaming(Slow(["Foxes ", "are ", "red."], pause=0.01)) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def page(slow: Slow) -> Iterator[Served]:
    with serving([asked(slow.url)]) as served:
        served.enter()
        yield served


BRIEF = {"prompt": "A note on foxes", "words": "200", "em_dashes": "none"}
ELSEWHERE = "http://foxes.example"
# name: status, method, path, form (None: none; TOKEN is put in), headers
HOSTILE: dict[str, tuple[int, str, str, dict[str, str] | None, dict[str, str | None]]] = {
    "no session, page": (403, "GET", "/", None, {"Cookie": None}),
    "no session, text": (403, "POST", "/write", BRIEF, {"Cookie": None}),
    "no session, stop": (403, "POST", "/stop", {}, {"Cookie": None}),
    "no session, unknown path": (403, "GET", "/api", None, {"Cookie": None}),
    "session of another": (403, "POST", "/write", BRIEF, {"Cookie": "dftspark_write_PORT=abc"}),
    "session twice": (403, "POST", "/write", BRIEF, {"Cookie": "COOKIE; COOKIE"}),
    "ticket used before": (403, "GET", "TICKET", None, {"Cookie": None}),
    "ticket guessed": (403, "GET", "/enter?ticket=guess", None, {"Cookie": None}),
    "ticket with more": (403, "GET", "TICKET&next=/", None, {"Cookie": None}),
    "foreign host, page": (403, "GET", "/", None, {"Host": "foxes.example"}),
    "foreign host, text": (403, "POST", "/write", BRIEF, {"Host": "foxes.example:PORT"}),
    "host of another port": (403, "POST", "/write", BRIEF, {"Host": "127.0.0.1:1"}),
    "host without a port": (403, "POST", "/write", BRIEF, {"Host": "127.0.0.1"}),
    "host with a name in front": (403, "POST", "/write", BRIEF, {"Host": "a.localhost:PORT"}),
    "foreign origin": (403, "POST", "/write", BRIEF, {"Origin": ELSEWHERE}),
    "no origin": (403, "POST", "/write", BRIEF, {"Origin": None}),
    "null origin": (403, "POST", "/write", BRIEF, {"Origin": "null"}),
    "origin with https": (403, "POST", "/write", BRIEF, {"Origin": "https://127.0.0.1:PORT"}),
    "foreign origin, page": (403, "GET", "/", None, {"Origin": ELSEWHERE}),
    "sent by another site": (403, "POST", "/write", BRIEF, {"Sec-Fetch-Site": "cross-site"}),
    "sent by another port": (403, "POST", "/write", BRIEF, {"Sec-Fetch-Site": "same-site"}),
    "text by address bar": (403, "POST", "/write", BRIEF, {"Sec-Fetch-Site": "none"}),
    "link of another site": (403, "GET", "/", None, {"Sec-Fetch-Site": "cross-site"}),
    "in a frame": (403, "GET", "/", None, {"Sec-Fetch-Dest": "iframe"}),
    "text in a frame": (403, "POST", "/write", BRIEF, {"Sec-Fetch-Dest": "iframe"}),
    "by fetch": (403, "POST", "/write", BRIEF, {"Sec-Fetch-Dest": "empty"}),
    "wrong token": (403, "POST", "/write", BRIEF | {"token": "abc"}, {}),
    "empty token": (403, "POST", "/write", BRIEF | {"token": ""}, {}),
    "wrong token, stop": (403, "POST", "/stop", {"token": "abc"}, {}),
    "JSON": (415, "POST", "/write", BRIEF, {"Content-Type": "application/json"}),
    "plain text": (415, "POST", "/write", BRIEF, {"Content-Type": "text/plain"}),
    "multipart": (415, "POST", "/write", BRIEF, {"Content-Type": "multipart/form-data"}),
    "no kind": (415, "POST", "/write", BRIEF, {"Content-Type": None}),
    "another charset": (415, "POST", "/write", BRIEF, {"Content-Type": f"{FORM}; charset=utf-7"}),
    "compressed": (415, "POST", "/write", BRIEF, {"Content-Encoding": "gzip"}),
    "too large": (413, "POST", "/write", BRIEF | {"prompt": "a" * 200_000}, {}),
    "said to be huge": (413, "POST", "/write", BRIEF, {"Content-Length": "9" * 15}),
    "field too long": (422, "POST", "/write", BRIEF | {"prompt": "a" * 4_001}, {}),
    "text too long": (422, "POST", "/write", BRIEF | {"words": "1001"}, {}),
    "text too short": (422, "POST", "/write", BRIEF | {"words": "99"}, {}),
    "length in other digits": (422, "POST", "/write", BRIEF | {"words": "２００"}, {}),
    "no prompt": (422, "POST", "/write", BRIEF | {"prompt": " \n "}, {}),
    "a temperature": (400, "POST", "/write", BRIEF | {"temperature": "2"}, {}),
    "a number of texts": (400, "POST", "/write", BRIEF | {"n": "1000"}, {}),
    "another model": (400, "POST", "/write", BRIEF | {"model": "other"}, {}),
    "pick without texts": (409, "POST", "/pick", {"id": "x", "better": "A"}, {}),
    "method PUT": (405, "PUT", "/write", BRIEF, {}),
    "method HEAD of the ticket": (405, "HEAD", "TICKET", None, {}),
    "method OPTIONS": (405, "OPTIONS", "/write", None, {"Origin": ELSEWHERE}),
    "text by GET": (404, "GET", f"/write?{urlencode(BRIEF)}", None, {}),
    "unknown path": (404, "GET", "/v1/chat/completions", None, {}),
    "schema of an API": (404, "GET", "/openapi.json", None, {}),
}  # fmt: skip


def filled(page: Served, text: str | None) -> str | None:
    ticket = page.address.partition(str(page.port))[2]
    for name, value in (("TICKET", ticket), ("PORT", str(page.port)), ("COOKIE", page.cookie)):
        text = None if text is None else text.replace(name, value)
    return text


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_and_no_model_hears_of_it(page: Served, slow: Slow, name: str) -> None:
    status, method, path, form, headers = HOSTILE[name]
    body = None if form is None else urlencode({"token": page.token, **form})
    made = {key.replace("-", "_"): filled(page, value) for key, value in headers.items()}
    before = len(slow.requests)
    answer = page.ask(method, filled(page, path) or "", body, **made)
    assert answer.status == status, answer.text[:300]
    assert len(slow.requests) == before
    assert not page.desk.busy
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_what_the_page_itself_sends_is_let_through(page: Served, slow: Slow) -> None:
    before = len(slow.requests)
    headers = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "document"}
    answer = page.ask("POST", "/write", page.form(), **headers)
    assert answer.status == 200
    assert "Foxes are red." in answer.text.replace("</blockquote>", "")
    assert len(slow.requests) == before + 1


def exchanged(page: Served, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as there:
        there.sendall(data)
        return there.recv(1 << 16)


UNMEASURED = (
    "POST /write HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n"
    f"Cookie: COOKIE\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.0\r\n\r\n", b"403"),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil\r\n\r\n", b"400"),
        ("GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n", b"403"),
        (UNMEASURED, b"411"),
        ("GET /" + "a" * 100_000 + " HTTP/1.1\r\n\r\n", b"400"),
    ],
    ids=["no host", "two hosts", "address of another host", "no length", "endless address"],
)
def test_malformed_requests_are_refused(page: Served, slow: Slow, head: str, status: bytes) -> None:
    before = len(slow.requests)
    answer = exchanged(page, (filled(page, head) or "").encode())
    assert answer.split()[1] == status
    assert len(slow.requests) == before


def test_a_session_is_one_browser_and_its_cookie_is_its_own(slow: Slow) -> None:
    with serving([asked(slow.url)]) as other:
        path = other.address.partition(str(other.port))[2]
        first, second = other.ask("GET", path), other.ask("GET", path)
    assert (first.status, second.status) == (303, 403)
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"dftspark_write_{other.port}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "set-cookie" not in second.headers
    assert "start it again" in second.text


def test_a_second_text_at_the_same_time_is_refused_with_its_fields() -> None:
    with (
        streaming(Slow(["word "] * 200, pause=0.05)) as endpoint,
        serving([asked(endpoint.url)]) as page,
    ):
        page.enter()
        first = threading.Thread(target=page.ask, args=("POST", "/write", page.form()), daemon=True)
        first.start()
        assert endpoint.until(lambda e: e.now == 1)
        answers = []
        others = [
            threading.Thread(
                target=lambda n=n: answers.append(
                    page.ask("POST", "/write", page.form(prompt=f"Owls, {n}"))
                )
            )
            for n in range(8)
        ]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join(20)
        assert [answer.status for answer in answers] == [429] * 8
        assert all("one at a time" in answer.text for answer in answers)
        assert sum("Owls, 3</textarea>" in answer.text for answer in answers) == 1
        assert page.ask("POST", "/stop", f"token={page.token}").status == 204
        first.join(20)
        assert endpoint.until(lambda e: e.given_up == 1)
        assert len(endpoint.requests) == 1
        assert endpoint.most_at_once == 1


def test_a_form_that_never_ends_takes_no_text(page: Served, slow: Slow) -> None:
    """It is refused when its sender leaves, and the page goes on meanwhile."""
    before = len(slow.requests)
    head = (
        "POST /write HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n"
        f"Cookie: COOKIE\r\nContent-Type: {FORM}\r\nContent-Length: 1000\r\n\r\ntoken="
    )
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as there:
        there.sendall((filled(page, head) or "").encode())
        assert page.ask("GET", "/").status == 200
    time.sleep(0.1)
    assert not page.desk.busy
    assert len(slow.requests) == before
