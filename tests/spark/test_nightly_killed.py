"""The driver killed at every border of a stage, by the signal that nobody catches."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dftspark.nights import calendar
from dftspark.store.listing import runs
from tests.spark import processes
from tests.spark.nights import DATES, corpora, said

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PROGRAM = """
import os, signal, sys
from pathlib import Path
from dftspark import runs
from dftspark.spark.session import session
from tests.spark.nights import DATES, KilledAt, audit

class Dead(KilledAt):
    def end(self):
        print(self.names[-1], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

folder, out, border = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with session("killed", "local[2]") as spark:
    runs.nightly(spark, audit(folder, out), DATES[0], Dead(border))
"""


def killed_at(folder: Path, out: Path, border: str) -> str:
    """Where the process was killed; empty where it came to its end."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(out), border]
    job = subprocess.Popen(
        command,
        cwd=folder,
        env=processes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        where, _ = job.communicate(timeout=240)
    finally:
        processes.stop(job, signal.SIGKILL)  # type: ignore[arg-type]
    if job.returncode == 0:
        return ""
    assert job.returncode == -signal.SIGKILL
    return where.strip()


def test_kill_9_at_every_border(tmp_path: Path) -> None:
    """What is published is whole after each of them, and the next run goes on from there."""
    folder, out = corpora(tmp_path / "texts", DATES[:1]), tmp_path / "killed"
    # The reference goes through the stages of a profile first; once it is there, the day does.
    # Between the end of one stage and the beginning of the next only a profile is published.
    stages = [
        "read",
        "count",
        "read back phrases",
        "merge days",
        "compare",
        "compare structure",
        "check",
    ]
    borders = [f"after {stage}" for stage in stages]
    for border in ("before read", *borders[:3], "before merge days", *borders[3:]):
        assert killed_at(folder, out, border) == border
        found = calendar.Nights.of(str(out), "night")
        assert found.night(DATES[0]) is None
        for info in runs(str(out)):
            assert info.state in ("finished", "unfinished")
            assert info.kind in ("reference", "profile", "")
    assert killed_at(folder, out, "never") == ""
    clean = tmp_path / "clean"
    assert killed_at(folder, clean, "never") == ""
    after, whole = (calendar.Nights.of(str(at), "night").night(DATES[0]) for at in (out, clean))
    assert after is not None
    assert whole is not None
    assert said(after) == said(whole)
