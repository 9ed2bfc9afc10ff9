"""Measures one command's processor time, wall time and memory from outside, over its process tree.

The command prints `ready` when it is warm, waits for a line, works, prints `done`, and then may
print `result JSON` or `skip REASON`. The window runs from the answer to `ready` until `done`.

Cost     one sample of the tree every 50 ms, by the parent, so none of it counts for the command
Source   /proc by way of psutil; processor time has the clock's resolution, 10 ms
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import psutil

SAMPLE_S = 0.05
CRASHED = "it ended early; its last lines are above"
LAST_LINES = 30  # of the stderr of a command that failed
RESCAN_EVERY = 10  # samples between two looks for new processes, which cost more than a sample


@dataclass(frozen=True)
class Usage:
    """cpu_s            user and system seconds of the tree, in the window
    wall_s           seconds of the window
    peak_mb          most memory in the window: resident sizes summed over the tree, MiB; a page
                     that two processes share counts twice
    others           processors that the rest of the machine kept busy meanwhile
    cold_cpu_s       processor seconds from the start of the process to the end of the window
    cold_wall_s      wall seconds of the same
    """

    cpu_s: float
    wall_s: float
    peak_mb: float
    others: float
    cold_cpu_s: float
    cold_wall_s: float


@dataclass(frozen=True)
class Outcome:
    """Either a usage with a result, or the reason why there is none."""

    usage: Usage | None
    result: Any = None
    reason: str = ""


@dataclass
class Tree:
    """A process and everything that it started. Processes that ended count through their
    parents."""

    root: int
    peak_bytes: int = 0
    seen: set[psutil.Process] = field(default_factory=set)

    def rescan(self) -> None:
        try:
            root = psutil.Process(self.root)
            self.seen |= {root, *root.children(recursive=True)}
        except psutil.NoSuchProcess:
            return

    def cpu_s(self) -> float:
        self.rescan()
        total = 0.0
        for process in self.seen:
            try:
                total += sum(process.cpu_times()[:4])  # own and waited-for, user and system
            except psutil.NoSuchProcess:
                continue
        return total

    def sample(self) -> None:
        resident = 0
        for process in list(self.seen):
            try:
                resident += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self.peak_bytes = max(self.peak_bytes, resident)

    def kill(self) -> None:
        self.rescan()
        for process in self.seen:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


def measured(command: Sequence[str], environment: dict[str, str], timeout_s: float) -> Outcome:
    """Returns what `command` used. A command that takes longer than timeout_s in all is killed."""
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=os.environ | environment,
        ) as child,
    ):
        tree = Tree(child.pid)
        timer = threading.Timer(timeout_s, tree.kill)
        timer.start()
        try:
            outcome = _conversation(child, tree, started)
        finally:
            in_time = timer.is_alive()
            timer.cancel()
            tree.kill()
        if outcome.reason != "ended":
            return outcome
        if not in_time:
            return Outcome(None, reason=f"took longer than {timeout_s:g} s")
        complaints.seek(0)
        sys.stderr.writelines(complaints.readlines()[-LAST_LINES:])
    return Outcome(None, reason=CRASHED)


def _conversation(child: subprocess.Popen[str], tree: Tree, started: float) -> Outcome:
    assert child.stdin is not None
    assert child.stdout is not None
    word, rest = _next(child.stdout)
    if word != "ready":
        return Outcome(None, reason=rest or "ended")
    cold_cpu, machine, before = tree.cpu_s(), _machine_cpu_s(), time.perf_counter()
    stop = threading.Event()
    sampler = threading.Thread(target=_sample, args=(tree, stop))
    sampler.start()
    child.stdin.write("go\n")
    child.stdin.flush()
    word, rest = _next(child.stdout)
    wall, cpu, machine = time.perf_counter() - before, tree.cpu_s(), _machine_cpu_s() - machine
    stop.set()
    sampler.join()
    if word != "done":
        return Outcome(None, reason=rest or "ended")
    word, rest = _next(child.stdout)
    if word != "result":
        return Outcome(None, reason=rest or "ended")
    usage = Usage(
        cpu_s=cpu - cold_cpu,
        wall_s=wall,
        peak_mb=tree.peak_bytes / 2**20,
        others=max(0.0, machine - (cpu - cold_cpu)) / wall,
        cold_cpu_s=cpu,
        cold_wall_s=before + wall - started,
    )
    return Outcome(usage, json.loads(rest))


def _next(lines: IO[str]) -> tuple[str, str]:
    """Returns the next line that is part of the conversation; ("", "") at the end."""
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word in ("ready", "done", "result", "skip"):
            return word, rest
        sys.stderr.write(line)
    return "", ""


def _sample(tree: Tree, stop: threading.Event) -> None:
    samples = 0
    while True:
        if samples % RESCAN_EVERY == 0:
            tree.rescan()
        tree.sample()
        samples += 1
        if stop.wait(SAMPLE_S):
            return


def _machine_cpu_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
