"""An endpoint on loopback that streams chat completions as slowly as a test wants, and counts what
comes, and what is given up before it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Slow:
    """`pieces` are sent `pause` seconds apart, the first after `wait`. `requests` are the bodies
    that came, `ended` counts texts sent whole, and `given_up` those whose reader left before.

    A status other than 200 is answered with `message`. `broken` cuts the connection after that many
    pieces; `held` waits after that many until `go` is set; `plain` answers with one JSON document,
    as endpoints do that cannot stream; `closes` says that the connection ends with the answer.
    """

    pieces: Sequence[str] = ()
    pause: float = 0.05
    wait: float = 0.0
    status: int = 200
    message: str = "no such model"
    broken: int | None = None
    held: int | None = None
    plain: bool = False
    finish: str = "stop"
    closes: bool = False
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    ended: int = 0
    given_up: int = 0
    now: int = 0
    most_at_once: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def until(self, over: Any, seconds: float = 10.0) -> bool:
        """Waits until `over(self)` is true."""
        with self._change:
            return bool(self._change.wait_for(lambda: over(self), seconds))

    def _tell(self, **by: int) -> None:
        with self._change:
            for name, step in by.items():
                setattr(self, name, getattr(self, name) + step)
            self.most_at_once = max(self.most_at_once, self.now)
            self._change.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].split()[0])
                self.requests.append(json.loads(await reader.readexactly(length)))
                self._tell(now=1)
                gone = asyncio.ensure_future(reader.read(1))  # ends when the reader leaves
                sending = asyncio.ensure_future(self._answer(writer))
                await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
                # Writing to a reader who has left fails, which is no end.
                whole = sending.done() and sending.exception() is None
                gone.cancel(), sending.cancel()
                self._tell(now=-1, **{"ended" if whole else "given_up": 1})
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if self.status != 200 or self.plain:
            text = {"message": {"content": "".join(self.pieces)}, "finish_reason": self.finish}
            body = {"choices": [text]} if self.plain else {"error": {"message": self.message}}
            data = json.dumps(body).encode()
            head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(data)}\r\n\r\n"
            writer.write(head.encode() + data)
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n"
            + (b"Connection: close\r\n\r\n" if self.closes else b"\r\n")
        )
        await writer.drain()
        await asyncio.sleep(self.wait)
        for number, piece in enumerate(self.pieces):
            if number == self.broken:
                writer.transport.abort()
                return
            while number == self.held and not self.go.is_set():
                await asyncio.sleep(0.01)
            await self._event(writer, {"content": piece}, None)
            await asyncio.sleep(self.pause)
        await self._event(writer, {}, self.finish)
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()

    async def _event(
        self, writer: asyncio.StreamWriter, delta: dict[str, str], finish: str | None
    ) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        data = f"data: {json.dumps({'choices': [choice], 'model': 'slow'})}\n\n".encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await writer.drain()


@contextlib.contextmanager
def streaming(slow: Slow) -> Iterator[Slow]:
    """The endpoint until the block ends, on a port of its own."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        listening = await asyncio.start_server(slow._serve, "127.0.0.1", 0)
        slow.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await over.wait()
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield slow
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
