"""Repeats a check every so often while other work goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def polling(look: Callable[[], None], seconds: float) -> Iterator[None]:
    """Calls `look` in a separate thread while the block runs, and once after it."""
    over = threading.Event()

    def again() -> None:
        going = True
        while going:
            going = not over.wait(seconds)
            look()

    watcher = threading.Thread(target=again, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
