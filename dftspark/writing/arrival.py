"""From a model's thread to the browser: pieces as they come, until the text or the reader ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dftspark.endpoints.events import Delta
from dftspark.writing.engines import Draft

_LOOK = 0.01  # seconds


async def arriving(draft: Draft) -> AsyncGenerator[Delta, None]:
    """Yields the pieces of a draft, which a thread of its own reads. However this ends, the draft
    is canceled, and its thread has ended."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Delta | BaseException | None] = asyncio.Queue()

    def put(item: Delta | BaseException | None) -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def read() -> None:
        try:
            for delta in draft.pieces():
                put(delta)
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        draft.cancel()
        while thread.is_alive():
            await asyncio.sleep(_LOOK)


class PageStream(Response):
    """A page that is sent while it is made. When the reader closes it, the making is canceled.

    `over` is called once, however it ends.
    """

    media_type = "text/html"

    def __init__(self, parts: AsyncGenerator[str, None], over: Callable[[], None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._parts, self._over = parts, over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            ended = await asyncio.gather(sending, leaving, return_exceptions=True)
            self._over()
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self._parts) as parts:
            async for part in parts:
                body = part.encode("utf-8", "replace")
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
