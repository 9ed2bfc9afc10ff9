"""A key that a server repeats, however it spells it, is kept nowhere."""

from __future__ import annotations

import base64
import html
import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from dftspark.config import Audit, Endpoint
from dftspark.endpoints import asking
from dftspark.endpoints.asking import Item
from dftspark.endpoints.budget import Limits
from dftspark.endpoints.keys import hiding
from dftspark.endpoints.store import AnswerStore
from dftspark.judge import batch
from dftspark.judge.verdicts import KIND, parsing
from tests.judging import Answer, Behavior, failure, said, serving, speaking, verdict

KEY = "sk-proj+Zq7/w4Hn=9tLk&2Rb8Vx"
HALF = len(KEY) // 2
PLENTY = Limits(10**6, 10**9, 10**6)


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


def percent(text: str) -> str:
    return "".join(f"%{ord(char):02X}" for char in text)


SPELLED = {
    "itself": KEY,
    "capitals": KEY.upper(),
    "json": KEY.replace("+", "\\u002b").replace("/", "\\/"),
    "json all through": escaped(KEY),
    "json in json": json.dumps(json.dumps(escaped(KEY))),
    "javascript": KEY.replace("+", "\\x2B").replace("/", "\\u{2f}"),
    "c": KEY.replace("+", "\\053").replace("/", "\\U0000002f"),
    "url": quote(KEY, safe=""),
    "url in small letters": quote(KEY, safe="").lower(),
    "url in url": quote(quote(KEY, safe=""), safe=""),
    "url all through": percent(KEY),
    "url of json": quote(escaped(KEY), safe=""),
    "html": html.escape(KEY).replace("+", "&#43;").replace("/", "&sol;").replace("=", "&#x3D;"),
    "quoted-printable": KEY.replace("=", "=3D").replace("/", "=2F"),
    "hexadecimal": KEY.encode().hex(),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 for urls": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "base64 inside": base64.b64encode(b"Bearer " + KEY.encode() + b".").decode(),
    "base64 in lines": base64.encodebytes(b"0" * 50 + KEY.encode()).decode(),
    "base64 twice": base64.b64encode(base64.b64encode(KEY.encode())).decode(),
    "base64 of json": base64.b64encode(escaped(KEY).encode()).decode(),
    "in two lines": f"{KEY[:13]}\r\n{KEY[13:]}",
    "with what nobody sees": "\u200b".join(KEY),
    "its first half": f"{KEY[:HALF]}...",
    "its last half": f"...{KEY[-HALF:]}",
    "its middle": f"...{KEY[7 : 7 + HALF]}...",
    "the middle in base64": base64.b64encode(KEY[7 : 7 + HALF].encode()).decode(),
}


# What stands beside the key in the above.
OTHER = base64.b64encode(b"Bearer ").decode() + " " + base64.b64encode(b"0" * 51).decode()


def stretches(kept: str) -> list[str]:
    """What of the key, or of a spelling, is in the text: a third of it or more."""
    size = HALF * 2 // 3
    return [
        part
        for spelled in SPELLED.values()
        for start in range(max(len(spelled) - size, 0))
        if (part := spelled[start : start + size]) in kept and part not in OTHER
    ]


@pytest.mark.parametrize("how", SPELLED)
def test_a_spelling_is_blotted_out_and_nothing_beside_it(how: str) -> None:
    hidden = hiding([KEY])(f"the key '{SPELLED[how]}' is wrong", 400)
    assert hidden.startswith("the key '")
    assert hidden.endswith("' is wrong")
    assert "***" in hidden
    assert stretches(hidden) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the model gpt-5.4-mini",
        "sk-proj",
        base64.b64encode(b"nothing of it " * 9).decode(),
        "100% of \\u0041&amp;",
        "0123456789abcdef" * 8,
        '{"verdict": "A"}',
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert hiding([KEY])(text, 400) == text[:400]


def test_a_key_is_gone_before_a_text_is_cut() -> None:
    """The cut would leave too little of it to be known."""
    for start in range(60, 101):
        hidden = hiding([KEY])("." * start + KEY, 100)
        assert set(hidden) == {".", "*"} if start < 100 else {"."}


def test_a_word_for_a_local_server_is_no_secret() -> None:
    assert hiding(["none"])("none of them", 400) == "none of them"


def repeating(answer: Answer) -> Behavior:
    return lambda asked: answer


def kept(tmp_path: Path, behave: Behavior, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that one request leaves behind."""
    monkeypatch.setenv("A_KEY", KEY)
    with serving(behave) as server:
        own = Endpoint(name="j", url=server.url, model="m", key_env="A_KEY")
        work = [Item(b"0123456789abcdef", b"{}", 10)]
        done = asking.ask(
            tmp_path / "j", work, own, PLENTY, threads=1, retries=0, kind=KIND, parse=parsing(True)
        )
    assert len(server.requests) == 1
    return (tmp_path / "j").read_text() + repr(done)


@pytest.mark.parametrize("how", SPELLED)
def test_no_answer_of_a_server_stores_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    spelled = SPELLED[how]
    line = "".join(spelled.split())
    answers = {
        "content": said(f"your key is {spelled}"),
        "refusal": said(None, message={"refusal": spelled}),
        "malformed": Answer(b'{"error": "' + spelled.encode() + b'"'),
        "error": failure(400, spelled),
        "bare error": Answer(spelled.encode(), 401),
        "served": Answer(verdict("A").body.replace(b'"stub-2026"', json.dumps(spelled).encode())),
        "encoding": Answer(b"{}", headers={"Content-Encoding": line.encode().decode("latin-1")}),
    }
    for name, answer in answers.items():
        (tmp_path / name).mkdir()
        assert stretches(kept(tmp_path / name, repeating(answer), monkeypatch)) == [], name


def test_json_as_the_server_wrote_it_does_not_store_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body says \\u002b, the table would say +."""
    body = said("@").body.replace(b"@", escaped(KEY).encode())
    found = kept(tmp_path, lambda _: Answer(body), monkeypatch)
    assert stretches(found) == []
    assert "***" in found


def test_a_header_that_is_none_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dftspark.endpoints.client import Client

    monkeypatch.setenv("A_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    lines = f"HTTP/1.1 200 OK\r\n{KEY} is no header\r\nContent-Length: 2\r\n\r\n{{}}"
    with speaking(lines.encode()) as url:
        own = Client(Endpoint(name="j", url=url, model="m", key_env="A_KEY", timeout=5.0), 1, 0)
        own.ask(b"{}", lambda: True, lambda error: None)
    assert stretches(caplog.text) == []


def test_results_of_a_batch_do_not_store_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    judge = {"name": "j", "url": "http://x/v1", "model": "m", "key_env": "A_KEY"}
    sides = {"h": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m"}}
    config = Audit.parse(
        {"corpora": sides, "out": str(tmp_path), "judge": {"endpoints": [judge]}}, "test"
    )
    line = {
        "custom_id": "0" * 32,
        "response": {"status_code": 200, "body": json.loads(said(f"key {KEY}").body)},
    }
    (tmp_path / "results").write_text(json.dumps(line))
    batch.ingest([tmp_path / "results"], config)
    (entry,) = AnswerStore.of(config.verdict_store, KIND).load({bytes(16)}).values()
    assert entry.said.raw == "key ***"
