"""A task's requests: within its budget, written down as they happen, and never sent twice."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dftspark.config import Endpoint
from dftspark.endpoints import asking, client, journal
from dftspark.endpoints.asking import Asked, Item
from dftspark.endpoints.budget import Budget, Limits
from dftspark.endpoints.journal import Heard
from dftspark.endpoints.protocol import key_of
from dftspark.endpoints.store import AnswerStore, job
from dftspark.errors import EnvironmentProblem, InputError
from dftspark.judge.verdicts import KIND, parsing
from tests import judging
from tests.judging import Answer, Server, failure, said, serving, speaking, verdict

ROOT = Path(__file__).resolve().parents[2]
PLENTY = Limits(10**6, 10**9, 10**6)


def endpoint(server: Server, **more: object) -> Endpoint:
    return Endpoint.model_validate({"name": "j", "url": server.url, "model": "m", **more})


def items(of: Endpoint, count: int, tokens: int = 100) -> list[Item]:
    bodies = [json.dumps({"model": of.model, "n": n}).encode() for n in range(count)]
    return [Item(key_of(of, body), body, tokens) for body in bodies]


def ask(
    path: Path,
    of: Endpoint,
    work: list[Item],
    limits: Limits = PLENTY,
    threads: int = 8,
    retries: int = 1,
) -> Asked:
    path.parent.mkdir(parents=True, exist_ok=True)
    return asking.ask(
        path, work, of, limits, threads=threads, retries=retries, kind=KIND, parse=parsing(True)
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(journal, "_WAIT", 0.05)


def test_all_are_asked_at_most_so_many_at_once(tmp_path: Path) -> None:
    with serving(judging.always_a, latency=0.01) as server:
        own = endpoint(server)
        done = ask(tmp_path / "j", own, items(own, 100), threads=5)
    assert (done.requests, done.answered, done.stopped) == (100, 100, "")
    assert server.most_at_once == 5
    assert server.repeated == 0
    heard = journal.read(tmp_path / "j", KIND)
    assert len(heard.answered) == 100
    assert (heard.lost, heard.failed) == (set(), {})


def test_every_way_to_fail_is_kept_and_nothing_is_guessed(tmp_path: Path) -> None:
    ways = [
        verdict("A"),
        verdict("B"),
        verdict("tie"),
        said("A"),
        said("", finish_reason="length"),
        said(None, message={"refusal": "no"}),
        Answer(b"<html>"),
        failure(500, "broken"),
        Answer(b"", 0),
        failure(400, "too long"),
    ]
    with serving(lambda asked: ways[asked.body["n"]]) as server:
        own = endpoint(server)
        ask(tmp_path / "j", own, items(own, len(ways)))
        keys = [item.key for item in items(own, len(ways))]
    heard = journal.read(tmp_path / "j", KIND)
    found = [heard.answered[key].said for key in keys[:7]]
    assert [v.answer for v in found] == ["A", "B", "tie", None, None, None, None]
    assert [v.problem for v in found[3:]] == ["unparsable", "cut", "refused", "malformed"]
    assert [heard.failed[key] for key in keys[7:]] == [
        "status 500: broken",
        "the connection was lost",
        "status 400: too long",
    ]


def test_what_the_journal_has_is_not_sent_again(tmp_path: Path) -> None:
    with serving() as server:
        own = endpoint(server)
        ask(tmp_path / "j", own, items(own, 10))
        done = ask(tmp_path / "j", own, items(own, 25))
    assert len(server.requests) == 25
    assert server.repeated == 0
    assert done.requests == 25, "the budget counts what the first attempt sent"


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(7, 10**9, 1e6), 7),
        (Limits(10**6, 5 * 356, 1e6), 5 * 356 // 107),
        (Limits(10**6, 10**9, 0.0), 0),
    ],
    ids=["requests", "tokens", "cost"],
)
def test_a_cap_ends_it_cleanly(tmp_path: Path, limits: Limits, most: int) -> None:
    with serving() as server:
        own = endpoint(server, price_in=1.0, price_out=1.0)
        done = ask(tmp_path / "j", own, items(own, 60), limits)
        counted = 107 * len(server.requests)
    assert done.stopped == asking.SPENT
    assert len(server.requests) == done.requests <= most
    assert counted <= limits.tokens
    assert journal.read(tmp_path / "j", KIND).lost == set()


def test_what_is_under_way_at_the_cap_is_heard(tmp_path: Path) -> None:
    with serving(latency=0.1) as server:
        own = endpoint(server)
        done = ask(tmp_path / "j", own, items(own, 60), Limits(12, 10**9, 1e6), threads=8)
    assert done.answered == done.requests == len(server.requests) == 12


def test_retries_count_toward_the_cap(tmp_path: Path) -> None:
    with serving(lambda asked: failure(500)) as server:
        own = endpoint(server)
        ask(tmp_path / "j", own, items(own, 50), Limits(9, 10**9, 1e6), retries=5)
    assert len(server.requests) == 9


def test_parts_of_a_cap_add_up_to_it() -> None:
    parts = Limits(10, 1000, 5.0).split([3, 3, 1], [1, 1, 2], [0, 0, 0])
    assert sum(p.requests for p in parts) == 10
    assert sum(p.tokens for p in parts) == 1000
    assert {p.cost for p in parts} == {5.0}
    assert sum(p.cost for p in Limits(10, 1000, 5.0).split([1, 1], [1, 1], [1, 3])) == 5.0


def test_a_budget_sets_aside_what_a_request_may_cost_at_most() -> None:
    own = Endpoint(name="j", url="http://x/v1", model="m", price_in=1, options={"max_tokens": 50})
    budget = Budget(Limits(10, 320, 1e9), own, Heard({}, {}, set(), 0))
    assert budget.take(100)
    assert budget.take(100)
    assert not budget.take(100), "150 + 150 are set aside"
    budget.settle(100, 100, 5, 1)
    assert (budget.tokens_in, budget.tokens_out) == (100, 5)
    assert budget.cost == pytest.approx(1e-4)


def test_a_wrong_key_costs_a_handful_of_requests(tmp_path: Path) -> None:
    with serving(lambda asked: failure(401, "bad key")) as server:
        own = endpoint(server)
        done = ask(tmp_path / "j", own, items(own, 500), threads=4)
    assert done.stopped == "status 401: bad key"
    assert len(server.requests) <= 4


def test_a_judge_that_always_fails_is_left_alone(tmp_path: Path) -> None:
    with serving(lambda asked: failure(503, "down")) as server:
        own = endpoint(server)
        done = ask(tmp_path / "j", own, items(own, 500), threads=4, retries=1)
    assert "failures in a row, the last: status 503: down" in done.stopped
    assert len(server.requests) <= 2 * (10 + 4)


def test_storage_that_fails_is_an_error_and_ends_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: journal.Journal, line: dict[str, object]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.Journal, "_write", full)
    with serving() as server:
        own = endpoint(server)
        with pytest.raises(OSError, match="No space"):
            ask(tmp_path / "j", own, items(own, 50))
    assert server.requests == [], "what cannot be written down is not sent"


@contextmanager
def room_for(more: int, path: Path) -> Iterator[None]:
    """No file of this process grows beyond so many bytes more than `path` has, as on a disk that
    is full: a part of what is written still fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_that_finds_no_room_leaves_nothing_and_swallows_no_other(tmp_path: Path) -> None:
    path, keys = tmp_path / "j", [bytes([n]) * 16 for n in range(3)]
    with journal.opened(path, KIND) as (own, _):
        own.sent(keys[0])
        with room_for(9, path), pytest.raises(EnvironmentProblem, match=r"cannot write .*/j: "):
            own.sent(keys[1])
        own.sent(keys[2])
    assert [line["sent"] for line in journal.lines(path)] == [keys[0].hex(), keys[2].hex()]
    assert path.read_bytes().count(b"\n") == 2


def test_an_interrupt_waits_no_longer_than_one_exchange_may_take(tmp_path: Path) -> None:
    """Of a server that always says to go on, and never says what it thinks."""
    with speaking(again=b"HTTP/1.1 100 Continue\r\n\r\n") as url:
        own = Endpoint(name="j", url=url, model="m", timeout=0.5)
        work = items(own, 1)

        def interrupt() -> None:
            while not (tmp_path / "j").exists() or not (tmp_path / "j").stat().st_size:
                time.sleep(0.005)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt, daemon=True)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of `&` has none
        try:
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                ask(tmp_path / "j", own, work, threads=1, retries=5)
            thread.join()
        finally:
            signal.signal(signal.SIGINT, before)
    heard = journal.read(tmp_path / "j", KIND)
    assert heard.failed == {work[0].key: "no answer in time"}
    assert heard.requests <= 2, "and not the six that it has"


CHILD = """
import sys
from pathlib import Path
from tests.judge import test_asking as t
url, path, count, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
own = t.Endpoint(name="j", url=url, model="m")
print(t.ask(path, own, t.items(own, count), threads=threads), flush=True)
"""


def child(server: Server, path: Path, count: int, threads: int = 8) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, server.url, str(path), str(count), str(threads)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def wait_for(server: Server, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(server.requests) < count:
        assert time.monotonic() < deadline, len(server.requests)
        time.sleep(0.01)


@pytest.mark.program
def test_a_killed_task_goes_on_without_one_request_twice(tmp_path: Path) -> None:
    """Killed with requests in flight: those are known as lost, and not sent again by themselves."""
    with serving(latency=0.05) as server:
        own = endpoint(server)
        first = child(server, tmp_path / "j", 200)
        wait_for(server, 60)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        cut = len(server.requests)
        ask(tmp_path / "j", own, items(own, 200))
        heard = journal.read(tmp_path / "j", KIND)
        assert cut < 200
        assert server.repeated == 0
        assert 0 < len(heard.lost) <= 8
        assert len(heard.answered) + len(heard.lost) == 200
        assert len(server.requests) >= 200 - 8, "what was written down may not have been sent yet"


@pytest.mark.program
def test_a_second_attempt_of_the_same_work_waits_for_the_first(tmp_path: Path) -> None:
    """Spark's speculation: two live processes, one part."""
    with serving(latency=0.02) as server:
        one, two = (child(server, tmp_path / "j", 120, threads=4) for _ in range(2))
        assert one.wait(60) == two.wait(60) == 0
    assert len(server.requests) == 120
    assert server.repeated == 0
    assert server.most_at_once <= 4


def test_a_line_that_was_cut_spoils_nothing(tmp_path: Path) -> None:
    with serving() as server:
        own = endpoint(server)
        ask(tmp_path / "j", own, items(own, 5))
        with (tmp_path / "j").open("ab") as file:
            file.write(b'{"key": "00')
        ask(tmp_path / "j", own, items(own, 8))
    assert len(journal.read(tmp_path / "j", KIND).answered) == 8
    assert server.repeated == 0


def store_with(folder: Path, server: Server, count: int) -> tuple[AnswerStore, list[Item]]:
    store = AnswerStore.of(str(folder), KIND)
    own = endpoint(server)
    with store.held():
        ask(store.journal(job(), 0), own, items(own, count))
        store.take_in()
    return store, items(own, count)


def test_the_store_keeps_verdicts_by_key(tmp_path: Path) -> None:
    ways = [verdict("B"), said("hm"), failure(400)]
    with serving(lambda asked: ways[asked.body["n"]]) as server:
        store, work = store_with(tmp_path / "v", server, 3)
    found = store.load({item.key for item in work} | {b"another"})
    assert set(found) == {work[0].key, work[1].key}, "a failure is no verdict"
    assert found[work[0].key].said.answer == "B"
    assert found[work[0].key].said.tokens_in == 100
    assert (found[work[1].key].said.problem, found[work[1].key].said.raw) == ("unparsable", "hm")
    assert list((tmp_path / "v" / "asking").glob("*.jsonl")) == []


@pytest.mark.program
def test_what_a_killed_run_left_is_taken_in(tmp_path: Path) -> None:
    with serving(latency=0.05) as server:
        store = AnswerStore.of(str(tmp_path / "v"), KIND)
        left = store.journal(job(), 0)
        left.parent.mkdir(parents=True)
        process = child(server, left, 200)
        wait_for(server, 40)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with store.held():
            pass
        sent = len(server.requests)
        found = store.load({item.key for item in items(endpoint(server), 200)})
        assert sent <= len(found) <= sent + 8
        lost = [e for e in found.values() if e.said.problem == "lost"]
        assert 0 < len(lost) <= 8
        assert not left.exists()


def test_a_verdict_wins_over_lost(tmp_path: Path) -> None:
    with serving() as server:
        store, work = store_with(tmp_path / "v", server, 1)
    store.add({work[0].key: journal.lost(KIND)})
    assert store.load({work[0].key})[work[0].key].said.answer == "A"


def test_a_file_of_verdicts_that_has_changed_is_not_believed(tmp_path: Path) -> None:
    with serving() as server:
        store, work = store_with(tmp_path / "v", server, 3)
    (path,) = store.folder.glob("*.parquet")
    data = bytearray(path.read_bytes())
    data[8] ^= 1  # within the first page, behind the magic
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"{path} has changed since it was written"):
        store.load({item.key for item in work})
    other = path.rename(path.with_name("copied by hand.parquet"))
    with pytest.raises(InputError, match=f"{other} is no file of verdicts.*take it out"):
        store.load({item.key for item in work})


def test_two_runs_do_not_ask_for_one_store_at_once(tmp_path: Path) -> None:
    store = AnswerStore.of(str(tmp_path), KIND)
    with (
        store.held(),
        pytest.raises(EnvironmentProblem, match="another run asks"),
        AnswerStore.of(str(tmp_path), KIND).held(),
    ):
        pass


def test_a_task_that_waited_for_a_journal_that_was_taken_in_sends_nothing(tmp_path: Path) -> None:
    with serving(latency=0.05) as server:
        store = AnswerStore.of(str(tmp_path), KIND)
        path = store.journal("x", 0)
        path.parent.mkdir(parents=True)
        own = endpoint(server)
        errors: list[BaseException] = []

        def late() -> None:
            try:
                ask(path, own, items(own, 3))
            except EnvironmentProblem as error:
                errors.append(error)

        with journal.locked(path, KIND, wait=True):
            thread = threading.Thread(target=late)
            thread.start()
            time.sleep(0.2)
            path.unlink()
        thread.join()
        assert len(errors) == 1
        assert server.requests == []


def test_what_a_server_says_in_halves_of_characters_is_stored(tmp_path: Path) -> None:
    """It was written to the journal and could be taken in by no later run."""
    strange = Answer(b'{"choices":[{"message":{"content":"\\ud83d"}}]}')
    refused = Answer(b'{"error":{"message":"\\ud83d no"}}', 400)
    with serving(lambda asked: [strange, refused][asked.body["n"]]) as server:
        store, work = store_with(tmp_path / "v", server, 2)
    assert store.load({work[0].key})[work[0].key].said.raw == "?"


def test_a_judge_that_is_heard_later_wins_over_a_malformed_reply(tmp_path: Path) -> None:
    ways = [Answer(b"<html>"), verdict("B")]
    with serving(lambda asked: ways[asked.number]) as server:
        store, work = store_with(tmp_path / "v", server, 1)
        assert store.load({work[0].key})[work[0].key].said.problem == "malformed"
        store_with(tmp_path / "v", server, 1)
    assert store.load({work[0].key})[work[0].key].said.answer == "B"
