"""A server on loopback that speaks the chat-completions protocol, well or badly, and counts.

It answers from one thread with asyncio's streams, so that it is the client's speed that shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dftspark.endpoints.keys import hiding

PLAIN = hiding(())  # nothing is hidden


@dataclass(frozen=True)
class Asked:
    """A request as it came. `first` and `second` are the texts between their marks."""

    number: int  # from 0
    raw: bytes
    headers: dict[str, str]
    seen: int  # times that these very bytes have come, this one included

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def message(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def texts(self) -> tuple[str, str]:
        mark = re.search(r"code of this message is ([0-9a-f]{16})\.", self.message)
        assert mark is not None
        found = [
            re.search(
                rf"<<<TEXT {x} {mark[1]}>>>\n(.*)\n<<<END TEXT {x} {mark[1]}>>>", self.message, re.S
            )
            for x in "AB"
        ]
        assert found[0] is not None
        assert found[1] is not None
        return found[0][1], found[1][1]


@dataclass(frozen=True)
class Answer:
    """status 0 drops the connection without a word."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


Behavior = Callable[[Asked], Answer]


def said(content: str | None, **more: Any) -> Answer:
    """A reply of the protocol with this content; `more` is of the choice."""
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return Answer(
        json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "model": "stub-2026",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop", **more}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
            }
        ).encode()
    )


def verdict(answer: str, **more: Any) -> Answer:
    return said(json.dumps({"verdict": answer}), **more)


def failure(status: int, message: str = "", code: str = "", **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Answer(body, status, {k.replace("_", "-"): v for k, v in headers.items()})


def always_a(asked: Asked) -> Answer:
    return verdict("A")


def longer(asked: Asked) -> Answer:
    a, b = map(len, asked.texts)
    return verdict("tie" if a == b else "A" if a > b else "B")


@dataclass
class Server:
    """`url` is what a configuration names; `requests` are all that came."""

    behave: Behavior
    latency: float = 0.0
    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    seen: Counter[bytes] = field(default_factory=Counter)
    most_at_once: int = 0
    _now: int = 0

    @property
    def repeated(self) -> int:
        """Requests whose very bytes had come before."""
        return sum(count - 1 for count in self.seen.values())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (x.partition(":") for x in rest if x)}
        raw = await reader.readexactly(int(headers["content-length"]))
        if not first.startswith("POST /v1/chat/completions "):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        self.seen[raw] += 1
        asked = Asked(len(self.requests), raw, headers, self.seen[raw])
        self.requests.append(asked)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        answer = self.behave(asked)
        if self.latency + answer.delay:
            await asyncio.sleep(self.latency + answer.delay)
        self._now -= 1
        if not answer.status:
            return False
        lines = [
            f"HTTP/1.1 {answer.status} X",
            f"Content-Length: {len(answer.body)}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body)
        await writer.drain()
        return True


@contextlib.contextmanager
def speaking(*pieces: bytes, again: bytes = b"", pause: float = 0.02) -> Iterator[str]:
    """The address of a server that answers one request with `pieces`, and then says `again` a
    hundred times, so slowly that it takes two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            with contextlib.suppress(OSError):
                there, _ = listening.accept()
                with there:
                    there.recv(1 << 16)
                    there.sendall(b"".join(pieces))
                    for _ in range(100 if again else 0):
                        time.sleep(pause)
                        there.sendall(again)
                    # Closed with a request unread, it would take back what it has said.
                    there.shutdown(socket.SHUT_WR)
                    there.settimeout(5)
                    while there.recv(1 << 16):
                        pass

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        thread.join(60)


@contextlib.contextmanager
def serving(behave: Behavior = always_a, latency: float = 0.0) -> Iterator[Server]:
    """The server until the block ends, on a port of its own."""
    server = Server(behave, latency)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    over = asyncio.Event()

    async def run() -> None:
        listening = await asyncio.start_server(server._serve, "127.0.0.1", 0, backlog=1024)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await over.wait()
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close on the next turn

    def whole() -> None:
        loop.run_until_complete(run())
        loop.close()

    thread = threading.Thread(target=whole, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
