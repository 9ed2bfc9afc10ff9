"""Progress of long stages: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from dftspark import logs

_HEARTBEAT = 30.0
_LOG = logging.getLogger(__name__)


class Stage(Protocol):
    """One stage while it runs. `advance` may be called from any thread."""

    def advance(self, rows: int) -> None: ...


class Progress(Protocol):
    """The display to which a run reports its stages; `total` is in units, None if it is not
    known."""

    def stage(
        self, name: str, total: int | None = None, unit: str = "rows"
    ) -> AbstractContextManager[Stage]: ...


class Silent:
    """A progress display that shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Stage]:
        yield _Counter()


class Lines:
    """A log: one line when a stage starts, one when it ends, and one every `seconds` in between."""

    def __init__(self, stream: TextIO | None = None, seconds: float = _HEARTBEAT) -> None:
        self._stream, self._seconds = stream or sys.stderr, seconds

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Stage]:
        counter, started, done = _Counter(), time.monotonic(), threading.Event()

        def beat() -> None:
            while not done.wait(self._seconds):
                self._say(
                    f"{name}: {_state(counter.rows, total, time.monotonic() - started, unit)}"
                )

        # A stage may wait for Spark for an hour without a row, so the beat has its own thread.
        heart = threading.Thread(target=beat, daemon=True)
        self._say(f"{name}: started")
        heart.start()
        outcome = "failed after"
        try:
            yield counter
            outcome = "done,"
        finally:
            done.set()
            heart.join()
            elapsed = time.monotonic() - started
            self._say(f"{name}: {outcome} {_state(counter.rows, None, elapsed, unit)}")

    def _say(self, text: str) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        print(f"{now} {text}", file=self._stream, flush=True)


class Events:
    """A log of what happens to the logger `dftspark.progress`: stages that start, end and fail, one
    record every `seconds` in between, and whatever else is said."""

    def __init__(self, seconds: float = _HEARTBEAT) -> None:
        self._seconds = seconds

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Stage]:
        counter, started, done = _Counter(), time.monotonic(), threading.Event()

        def say(event: str) -> None:
            seconds = round(time.monotonic() - started, 3)
            self.say(event, stage=name, done=counter.rows, total=total, unit=unit, seconds=seconds)

        def beat() -> None:
            while not done.wait(self._seconds):
                say("stage_running")

        heart = threading.Thread(target=beat, daemon=True)
        say("stage_started")
        heart.start()
        outcome = "stage_failed"
        try:
            yield counter
            outcome = "stage_done"
        finally:
            done.set()
            heart.join()
            say(outcome)

    def say(self, event: str, **values: object) -> None:
        logs.event(_LOG, event, **values)


class Bars:
    """A live bar with rows, rate and time left for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Stage]:
        columns: list[ProgressColumn] = [
            SpinnerColumn(finished_text="\u2713"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            _Rows(),
            _Rate(),
            TimeRemainingColumn() if total else TimeElapsedColumn(),
        ]
        with RichProgress(*columns, console=self._console) as display:
            task = display.add_task(name, total=total, counted=True, unit=unit)
            yield _Bar(display, task)
            rows = display.tasks[0].completed
            display.update(task, total=rows or 1, completed=rows or 1, counted=rows > 0)


def progress(console: Console, quiet: bool = False) -> Progress:
    """Returns the kind of progress that fits the console, which writes to standard error."""
    if logs.as_json():
        return Events()
    if quiet:
        return Silent()
    return Bars(console) if console.is_terminal else Lines(console.file)  # type: ignore[arg-type]


def lines() -> Progress:
    """Returns the progress of a job: lines, or events where JSON lines were asked for."""
    return Events() if logs.as_json() else Lines()


class _Counter:
    def __init__(self) -> None:
        self.rows, self._lock = 0, threading.Lock()

    def advance(self, rows: int) -> None:
        with self._lock:
            self.rows += rows


class _Bar:
    def __init__(self, display: RichProgress, task: int) -> None:
        self._display, self._task = display, task

    def advance(self, rows: int) -> None:
        self._display.advance(self._task, rows)  # type: ignore[arg-type]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(_rate(speed or 0, task.fields["unit"]))


class _Rows(ProgressColumn):
    def render(self, task: Task) -> Text:
        if not task.completed or not task.fields["counted"]:
            return Text("")
        of = f" of {task.total:,.0f}" if task.total and not task.finished else ""
        return Text(f"{task.completed:,.0f}{of} {_unit(task.completed, of, task.fields['unit'])}")


def _state(rows: int, total: int | None, seconds: float, unit: str) -> str:
    took = f"{seconds:,.{1 if seconds < 10 else 0}f} s"
    if not rows:
        return took
    rate = rows / max(seconds, 1e-9)
    of = f" of {total:,}" if total else ""
    left = f", {max(total - rows, 0) / rate:,.0f} s left" if total else ""
    parts = [f"{rows:,}{of} {_unit(rows, of, unit)}", took, _rate(rate, unit)]
    return ", ".join(part for part in parts if part) + left


def _rate(speed: float, unit: str) -> str:
    """Writes a rate; empty below what one decimal can express."""
    return f"{speed:,.{1 if speed < 10 else 0}f} {unit}/s" if speed >= 0.05 else ""


def _unit(rows: float, of: str, unit: str) -> str:
    return unit.removesuffix("s") if rows == 1 and not of else unit
