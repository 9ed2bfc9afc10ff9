"""Texts over HTTP: endpoints that fail in every way, cancels, and the pick between two."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.endpoints.events import Delta, deltas
from dftspark.errors import EnvironmentProblem
from dftspark.generation.template import Template
from dftspark.writing.desk import Desk
from dftspark.writing.marks import marked
from tests.judging import PLAIN
from tests.writing.endpoint import Slow, streaming
from tests.writing.served import FORM, Answer, Served, asked, serving

FULL = {
    "prompt": "A note on <foxes> & owls",
    "outline": "red\nshy",
    "style": "dry",
    "use_case": "a leaflet",
    "words": "250",
    "em_dashes": "welcome",
}
KEPT = (
    "A note on &lt;foxes&gt; &amp; owls</textarea>",
    "red\nshy</textarea>",
    'name="style" value="dry"',
    'name="use_case" value="a leaflet"',
    'value="250"',
    'value="welcome" checked',
)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    marked("What compiled code takes to load is no part of these tests.")


def written(page: Served, **fields: str) -> Answer:
    if not page.token:
        page.enter()
    return page.ask("POST", "/write", urlencode({"token": page.token, **FULL, **fields}))


FAILING = {
    "refused": (Slow(status=404, message="no such model"), "status 404: no such model"),
    "overloaded": (Slow(status=503, message="try later"), "status 503: try later"),
    "redirected": (Slow(status=302, message="elsewhere"), "status 302"),
    "cut": (Slow(["Foxes ", "are "], pause=0.0, broken=1), "the connection was lost"),
    "empty": (Slow([" ", "\n"], pause=0.0), "The model wrote nothing."),
    "withheld": (Slow(["Foxes"], pause=0.0, finish="content_filter"), "withheld the rest"),
    "too long": (Slow(["Foxes"], pause=0.0, finish="length"), "limit of tokens (max_tokens)"),
}


@pytest.mark.parametrize("name", FAILING)
def test_the_form_keeps_every_field_when_the_endpoint_fails(name: str) -> None:
    slow, said = FAILING[name]
    with streaming(slow) as endpoint, serving([asked(endpoint.url)]) as page:
        answer = written(page)
        assert said in answer.text
        assert all(field in answer.text for field in KEPT)
        assert not page.desk.busy
        assert len(endpoint.requests) == 1, "nothing is sent again by itself"
        again = page.ask("GET", "/")
        assert all(field in again.text for field in KEPT)


def test_the_form_keeps_every_field_when_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with serving([asked(url)]) as page:
        answer = written(page)
    assert "tuned at http://127.0.0.1" in answer.text
    assert "no connection" in answer.text
    assert all(field in answer.text for field in KEPT)


@pytest.mark.parametrize("field", ["prompt", "outline", "style", "use_case", "words", "em_dashes"])
def test_the_form_keeps_every_field_when_one_is_wrong(field: str) -> None:
    wrong = {"prompt": "", "outline": "a" * 8_001, "style": "b" * 301, "use_case": "c" * 301}
    with streaming(Slow()) as endpoint, serving([asked(endpoint.url)]) as page:
        answer = written(page, **{field: wrong.get(field, "7")})
        assert not endpoint.requests
    assert answer.status == 422
    assert f'id="{field}-wrong"' in answer.text
    assert "One field needs a change" in answer.text
    assert sum(part in answer.text for part in KEPT) == len(KEPT) - 1
    if field in wrong:
        assert wrong[field] in answer.text


def test_an_endpoint_that_cannot_stream_is_read_whole() -> None:
    slow = Slow(["Foxes are red."], plain=True)
    with streaming(slow) as endpoint, serving([asked(endpoint.url)]) as page:
        assert "Foxes are red.</blockquote>" in written(page).text


def test_a_key_that_the_endpoint_repeats_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-1234567890abcdef"
    monkeypatch.setenv("A_KEY", key)
    slow = Slow([f"Foxes {key} sleep."], pause=0.0)
    with streaming(slow) as endpoint, serving([asked(endpoint.url, key_env="A_KEY")]) as page:
        answer = written(page)
    assert key not in answer.text
    assert "Foxes *** sleep." in answer.text
    refusing = Slow(status=401, message=f"wrong key {key}")
    with streaming(refusing) as endpoint, serving([asked(endpoint.url, key_env="A_KEY")]) as page:
        answer = written(page)
    assert "wrong key ***" in answer.text
    assert key not in answer.text


@pytest.mark.parametrize("closes", [False, True], ids=["kept alive", "closing"])
@pytest.mark.parametrize("held", [0, 1], ids=["before the first word", "between words"])
def test_a_reader_who_leaves_ends_the_request(held: int, closes: bool) -> None:
    slow = Slow(["Foxes ", "sleep."], pause=0.0, held=held, closes=closes)
    with streaming(slow) as endpoint, serving([asked(endpoint.url)]) as page:
        page.enter()
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
        with closing(connection):
            headers = {"Cookie": page.cookie, "Content-Type": FORM}
            headers["Origin"] = f"http://127.0.0.1:{page.port}"
            connection.request("POST", "/write", page.form().encode(), headers)
            reply = connection.getresponse()
            assert reply.status == 200
            assert endpoint.until(lambda e: e.now == 1)
        reply.close()
        assert endpoint.until(lambda e: e.given_up == 1)
        assert endpoint.ended == 0


def test_two_texts_come_one_after_the_other_and_stop_ends_both() -> None:
    with ExitStack() as stack:
        both = [stack.enter_context(streaming(Slow(["One."], held=0))) for _ in range(2)]
        engines = [asked(one.url, name) for one, name in zip(both, ("sft", "tuned"), strict=True)]
        page = stack.enter_context(serving(engines))
        page.enter()
        answers: list[Answer] = []
        reading = threading.Thread(target=lambda: answers.append(written(page)))
        reading.start()
        eventually(lambda: sum(one.now for one in both) == 1)
        assert page.ask("POST", "/stop", f"token={page.token}").status == 204
        reading.join(20)
        eventually(lambda: sum(one.given_up for one in both) == 1)
        assert sum(len(one.requests) for one in both) == 1
    assert "Stopped." in answers[0].text
    assert "Which text is better?" not in answers[0].text


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_either_text_may_come_first() -> None:
    desk = Desk([asked("http://a/v1"), asked("http://b/v1", "sft")], Template.load())
    firsts = {desk.order()[0].name for _ in range(64)}  # one side alone: once in 2 ** 63 times
    assert firsts == {"tuned", "sft"}
    assert [engine.name for engine in desk.engines] == ["tuned", "sft"]


@pytest.fixture
def two() -> Iterator[list[str]]:
    with ExitStack() as stack:
        texts = (["Tuned text."], ["Plain words."])
        yield [stack.enter_context(streaming(Slow(text, pause=0.0))).url for text in texts]


def picked(page: Served, better: str, **more: str) -> Answer:
    hidden = re.search(r'name="id" value="([0-9a-f]+)"', written(page).text)
    assert hidden is not None
    form = {"token": page.token, "id": hidden[1], "better": better, **more}
    answer = page.ask("POST", "/pick", urlencode(form))
    assert answer.status == 200
    assert page.ask("POST", "/pick", urlencode(form)).status == 409, "a pick is taken once"
    return answer


@pytest.mark.parametrize("better", ["A", "B", "tie"])
def test_a_pick_is_kept_with_consent(two: list[str], tmp_path: Path, better: str) -> None:
    folder = tmp_path / "picks"
    with serving([asked(two[0]), asked(two[1], "sft")], kept=folder) as page:
        answer = picked(page, better, consent="yes")
    assert str(folder) in answer.text
    (file,) = folder.iterdir()
    table = pq.read_table(file)
    assert table.schema.equals(schema.PICKS)
    (row,) = table.to_pylist()
    assert (row["model"], row["against"]) == ("tuned", "sft")
    assert (row["model_text"], row["against_text"]) == ("Tuned text.", "Plain words.")
    first = "model" if row["order"] == "model_first" else "against"
    other = "against" if first == "model" else "model"
    assert row["verdict"] == {"A": first, "B": other, "tie": "tie"}[better]
    shown = answer.text.index("Tuned text."), answer.text.index("Plain words.")
    assert (shown[0] < shown[1]) == (row["order"] == "model_first")
    assert FULL["prompt"] in row["prompt"]


@pytest.mark.parametrize("keep", [True, False])
def test_nothing_is_kept_without_consent(two: list[str], tmp_path: Path, keep: bool) -> None:
    folder = tmp_path / "picks"
    with serving([asked(two[0]), asked(two[1], "sft")], kept=folder if keep else None) as page:
        more = {} if keep else {"consent": "yes"}
        assert "Nothing was kept." in picked(page, "A", **more).text
        assert ('name="consent"' in written(page).text) == keep
    assert not list(tmp_path.iterdir())


def test_a_pick_that_cannot_be_kept_is_told(two: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving([asked(two[0]), asked(two[1], "sft")], kept=tmp_path / "file" / "picks") as page:
        assert "It could not be kept:" in picked(page, "A", consent="yes").text


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([b'data: {"choices":[{"delta":{"content":"a"}}]}', b"", b"data: [DONE]"], ["a"]),
        ([b": ping", b'data:{"choices":[{"text":"b","finish_reason":"stop"}]}\r'], ["b"]),
        ([b'data: {"choices":[{"delta":{"role":"assistant"}}]}', b'data: {"choices":[]}'], []),
        ([b'data: {"choices":[{"delta":{"content":null}}]}'], []),
        ([b"{", b'"choices":[{"message":{"content":"c"},"finish_reason":"stop"}]}'], ["c"]),
    ],
)
def test_events_of_the_protocol_are_read(lines: list[bytes], wanted: list[str]) -> None:
    assert [delta.text for delta in deltas(lines, PLAIN) if delta.text] == wanted


def test_a_reply_that_breaks_off_has_no_finish_reason() -> None:
    cut = [b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}']
    assert list(deltas(cut, PLAIN)) == [Delta("a")]
    assert list(deltas([*cut, b"data: [DONE]"], PLAIN)) == [Delta("a"), Delta("", "stop")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'data: {"error": {"message": "no memory"}}', "ended the text: no memory"),
        (b"data: {", "not of the OpenAI protocol"),
        (b"<html>proxy</html>", "<html>proxy</html>"),
        (b"data: " + b"[" * 100_000, "not of the OpenAI protocol"),
        (b"", "not of the OpenAI protocol"),
    ],
)
def test_events_that_are_none_are_errors(line: bytes, said: str) -> None:
    with pytest.raises(EnvironmentProblem, match=re.escape(said)) as raised:
        list(deltas([line], PLAIN))
    assert len(str(raised.value)) < 500
