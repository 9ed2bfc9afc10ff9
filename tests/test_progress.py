"""Progress: lines for a log, bars for a terminal, nothing where it is asked for."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from dftspark.progress import Bars, Lines, Silent, _state, progress


def test_lines_beat_while_nothing_moves() -> None:
    beaten = threading.Event()

    class Stream:
        lines: list[str] = []  # noqa: RUF012

        def write(self, text: str) -> None:
            self.lines.append(text)
            if "40 of 100 rows" in text:
                beaten.set()

        def flush(self) -> None: ...

    stream = Stream()
    with Lines(stream, seconds=0.01).stage("count", 100) as stage:  # type: ignore[arg-type]
        stage.advance(15)
        stage.advance(25)
        assert beaten.wait(10)
    text = "".join(stream.lines)
    assert "count: started" in text
    assert "s left" in text
    assert "count: done, 40 rows" in text
    with pytest.raises(ValueError, match="x"), Lines(stream).stage("fails"):  # type: ignore[arg-type]
        raise ValueError("x")
    assert "fails: failed after" in "".join(stream.lines)


def test_a_state_says_no_rate_of_nothing() -> None:
    assert _state(1, None, 24.0, "tasks") == "1 task, 24 s"
    assert _state(1, 2, 10.0, "tasks") == "1 of 2 tasks, 10 s, 0.1 tasks/s, 10 s left"
    assert _state(40, None, 2.0, "rows") == "40 rows, 2.0 s, 20 rows/s"


def test_the_kind_of_progress_follows_the_console() -> None:
    assert isinstance(progress(Console(force_terminal=True)), Bars)
    assert isinstance(progress(Console(force_terminal=False)), Lines)
    assert isinstance(progress(Console(force_terminal=True), quiet=True), Silent)


def test_a_bar_counts_rows() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system=None)
    with Bars(console).stage("read [red]", 200) as stage:
        stage.advance(150)
    assert "read [red]" in file.getvalue()
    assert "150 rows" in file.getvalue()
