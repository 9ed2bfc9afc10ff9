"""Measures verdicts a second through Spark tasks, against what the limit of concurrency allows.

    python benchmarks/judge.py [--verdicts 10000] [--latency 0.05] [--concurrency 16 32 64]

A server on loopback, in a separate process, answers every request after `latency` seconds. The
ideal is concurrency / latency verdicts a second, with the requested latency; beside it is the time
that the server needed. `asking` is from the first request to the last answer as the server sees it,
with its start and its end, when fewer are at work; `idle` is how long a connection waited for its
next request on average, the client's part of the loss; `stage` is the whole Spark job, with the
time to start Python workers, to build 10,000 requests, and to record every request and verdict.
Processor time is that of the asking processes and of Java, without the server's. The official
asynchronous client is measured beside it, in one process and without Spark, if it is installed.

Exits with 1 if asking falls below 90% of the ideal.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import selectors
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Python workers import the package from this tree.
os.environ["PYTHONPATH"] = sys.path[0]

from dftspark.config import Endpoint, Judge
from dftspark.endpoints.store import AnswerStore, job
from dftspark.judge.pairs import Candidate, sampled
from dftspark.judge.plan import VerdictPlan
from dftspark.judge.prompts import Prompts
from dftspark.judge.requests import planned
from dftspark.judge.verdicts import KIND
from dftspark.lenses.judge import spark_asking as judge
from dftspark.spark.session import session
from tests.judging import verdict

LEAST = 0.9


class Lean(asyncio.Protocol):
    """A server with as little of HTTP as a benchmark needs: a length, a body, an answer after a
    while."""

    latency = 0.05
    first = last = took = idle = 0.0
    served = 0
    answer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""
        self.came = self.went = 0.0

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.came = time.monotonic()
        Lean.first = Lean.first or self.came
        Lean.idle += self.came - self.went if self.went else 0.0
        asyncio.get_running_loop().call_later(Lean.latency, self.reply)

    def reply(self) -> None:
        self.transport.write(Lean.answer)
        Lean.served += 1
        self.went = Lean.last = time.monotonic()
        Lean.took += self.went - self.came


def serve(pipe: Connection, latency: float) -> None:
    """Reports its port; then, for every message, how many requests were served from when to
    when."""
    body = verdict("A").body
    Lean.latency = latency
    Lean.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    ) + body

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Lean, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        while await loop.run_in_executor(None, pipe.recv):
            each = [1000 * sum_ / max(Lean.served, 1) for sum_ in (Lean.took, Lean.idle)]
            pipe.send((Lean.served, Lean.last - Lean.first, *each))
            Lean.first, Lean.served, Lean.took, Lean.idle = 0.0, 0, 0.0, 0.0

    # The default selector rounds each wait up to a whole millisecond, 2% of the latency.
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(run())


@contextmanager
def server(latency: float) -> Iterator[tuple[str, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, latency))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1", ours
    finally:
        ours.send(None)
        process.join(10)


def documents(prompts: int) -> list[Candidate]:
    """Returns texts of 2 kB, so that a request is as large as one about a short essay."""
    return [
        Candidate(
            corpus,
            "",
            f"p{i}",
            f"p{i}",
            "Write about rivers.",
            f"{corpus}{i}",
            f"{corpus} {i} " + "A sentence that says something about a river. " * 42,
        )
        for i in range(prompts)
        for corpus in ("human", "model")
    ]


def busy() -> float:
    """Returns processor seconds of this process and its children, without the server."""
    tree = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0.0
    for process in tree:
        try:
            if "multiprocessing" not in " ".join(process.cmdline()):
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.Error:
            continue
    return total


def through_spark(spark: Any, url: str, pipe: Connection, count: int, concurrency: int) -> Any:
    endpoint = Endpoint(name="stub", url=url, model="m", concurrency=concurrency)
    settings = Judge(
        pairs=count // 2,
        dimensions=("overall",),
        controls=(),
        endpoints=(endpoint,),
        max_requests=10 * count,
        max_tokens=10**12,
    )
    pairs = sampled(documents(count // 2), "human", settings)
    prompts = Prompts.load(settings.dimensions)
    plan = VerdictPlan.of(planned(pairs, prompts, settings), {}, settings)
    with tempfile.TemporaryDirectory() as folder:
        store, name = AnswerStore.of(folder, KIND), job()
        with store.held():
            cpu, started = busy(), time.monotonic()
            judge.ask(
                spark,
                plan.parts(settings),
                pairs,
                prompts,
                settings,
                lambda part: store.journal(name, part),
            )
            took = time.monotonic() - started
            cpu = busy() - cpu
            store.take_in()
        kept = len(store.load({r.key for r in plan.requests}))
    pipe.send(True)
    served, asking, latency, idle = pipe.recv()
    assert kept == served == count, (kept, served, count)
    return asking, latency, idle, took, cpu


async def _official(url: str, count: int, concurrency: int) -> None:
    import openai

    client = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0)
    gate = asyncio.Semaphore(concurrency)
    text = "A sentence that says something about a river. " * 90

    async def one() -> None:
        async with gate:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": text}]
            )

    await asyncio.gather(*(one() for _ in range(count)))
    await client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verdicts", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 32, 64])
    args = parser.parse_args()
    print(
        f"{args.verdicts:,} verdicts at {args.latency * 1000:.0f} ms, {os.cpu_count()} cores, load "
        f"of the last minute before it {os.getloadavg()[0]:.1f}"
    )
    print(
        f"{'':26}{'ideal/s':>9}{'asking/s':>10}{'of ideal':>9}{'server ms':>10}{'idle ms':>8}"
        f"{'stage s':>9}{'ms CPU each':>13}"
    )
    low = 0
    with server(args.latency) as (url, pipe), session("benchmark", "local[2]") as spark:
        for concurrency in args.concurrency:
            ideal = concurrency / args.latency
            asking, latency, idle, took, cpu = through_spark(
                spark, url, pipe, args.verdicts, concurrency
            )
            rate = args.verdicts / asking
            low += rate < LEAST * ideal
            print(
                f"{f'dftspark, {concurrency} at once':26}{ideal:9,.0f}{rate:10,.0f}"
                f"{rate / ideal:9.1%}{latency:10.1f}{idle:8.1f}{took:9.1f}"
                f"{1000 * cpu / args.verdicts:13.2f}",
                flush=True,
            )
        try:
            import openai  # noqa: F401
        except ImportError:
            print("official client: not installed, not measured")
            return int(low > 0)
        for concurrency in args.concurrency:
            ideal, count = concurrency / args.latency, args.verdicts // 10
            cpu, started = busy(), time.monotonic()
            asyncio.run(_official(url, count, concurrency))
            took, cpu = time.monotonic() - started, busy() - cpu
            pipe.send(True)
            _, _, latency, idle = pipe.recv()
            print(
                f"{f'official, {concurrency} at once':26}{ideal:9,.0f}{count / took:10,.0f}"
                f"{count / took / ideal:9.1%}{latency:10.1f}{idle:8.1f}{took:9.1f}"
                f"{1000 * cpu / count:13.2f}",
                flush=True,
            )
    return int(low > 0)


if __name__ == "__main__":
    raise SystemExit(main())
