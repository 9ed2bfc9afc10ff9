"""One task's requests: sent by a few threads, within its budget, recorded as they happen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dftspark.config import Endpoint
from dftspark.endpoints import journal
from dftspark.endpoints.answers import Kind, Parse
from dftspark.endpoints.budget import Budget, Limits
from dftspark.endpoints.client import Client
from dftspark.endpoints.journal import Heard, Journal
from dftspark.endpoints.protocol import PATH


@dataclass(frozen=True)
class Item:
    """A request to be sent: its key, its body, and its approximate number of tokens."""

    key: bytes
    body: bytes
    tokens_in: int


@dataclass(frozen=True)
class Asked:
    """Outcome of a task: requests sent, answers received, and the reason if it stopped early."""

    requests: int
    answered: int
    stopped: str


SPENT = "the run's limits are reached"
_TURN = 0.0005  # seconds


def ask(
    path: Path,
    items: Iterable[Item],
    endpoint: Endpoint,
    limits: Limits,
    *,
    threads: int,
    retries: int,
    kind: Kind,
    parse: Parse,
    path_of: str = PATH,
) -> Asked:
    """Sends what the journal at `path` has not sent already; `parse` turns replies into answers.

    Ends early, with the reason, where the budget is spent, where the endpoint refuses everybody (a
    wrong key, no money), or where it has failed many times in a row.
    """
    with journal.opened(path, kind) as (own, heard), _quick_turns():
        work = _Work(own, heard, endpoint, limits, threads, retries, parse, path_of)
        return work.run(items)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Shortens the interpreter's switch interval. At the default, a received answer waits up to 5
    ms for the thread that runs, a tenth of a quick endpoint's latency.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Work:
    def __init__(
        self,
        own: Journal,
        heard: Heard,
        endpoint: Endpoint,
        limits: Limits,
        threads: int,
        retries: int,
        parse: Parse,
        path: str,
    ) -> None:
        self._journal, self._heard, self._parse = own, heard, parse
        self._client = Client(endpoint, threads, retries, path)
        self._budget = Budget(limits, endpoint, heard)
        self._items: Iterator[Item] = iter(())
        self._turn = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(threads)]
        self._most_failures = max(10, 2 * threads)
        self._failures = 0  # in a row
        self._answered = 0
        self._change = threading.Condition()
        self._begun = self._ended = 0  # threads
        self._stopped = ""
        self._crashed: BaseException | None = None

    def run(self, items: Iterable[Item]) -> Asked:
        known = self._heard.answered.keys() | self._heard.lost
        self._items = (item for item in items if item.key not in known)
        try:
            for thread in self._threads:
                thread.start()
            self._wait(lambda: self._ended == len(self._threads))
        except BaseException:  # an interrupt may come before all have started
            self._stop("the task was ended")
            self._wait(lambda: self._ended == self._begun)
            raise
        finally:
            self._client.close()
        if self._crashed is not None:
            raise self._crashed
        return Asked(self._budget.requests, self._answered, self._stopped)

    def _wait(self, over: Callable[[], bool]) -> None:
        # After an interrupted Thread.join, CPython before 3.13 believes that the thread has ended.
        # A wait without a time-out misses a signal that comes just before it.
        with self._change:
            while not self._change.wait_for(over, timeout=0.1):
                pass

    def _serve(self) -> None:
        with self._change:
            self._begun += 1
        try:
            self._send()
        finally:
            with self._change:
                self._ended += 1
                self._change.notify()

    def _send(self) -> None:
        # The thread that sends also builds the request. One that built them ahead would have to
        # wake, and to take the interpreter, at each answer.
        try:
            while not self._stopped:
                with self._turn:
                    item = next(self._items, None)
                if item is None:
                    return
                self._one(item)
        except BaseException as error:  # above all, full storage
            self._crashed = error
            self._stop(f"{type(error).__name__} in a task")

    def _one(self, item: Item) -> None:
        def may_send() -> bool:
            if self._stopped or not self._budget.take(item.tokens_in):
                return False
            self._journal.sent(item.key)
            return True

        def failed(error: str) -> None:
            self._journal.failed(item.key, error)

        reply = self._client.ask(item.body, may_send, failed)
        if reply.body is not None:
            answer = self._parse(reply.body, self._client.hide)
            self._journal.answered(item.key, answer, reply)
            self._budget.settle(
                item.tokens_in,
                answer.tokens_in or item.tokens_in,
                answer.tokens_out,
                reply.attempts,
            )
            self._answered += 1
            self._failures = 0
            return
        self._budget.settle(item.tokens_in, 0, 0, reply.attempts)
        self._failures += reply.attempts > 0
        if reply.final:
            self._stop(reply.error)
        elif self._budget.spent:
            self._stop(SPENT)
        elif self._failures >= self._most_failures:
            self._stop(f"{self._failures} failures in a row, the last: {reply.error}")

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        self._client.stop()
