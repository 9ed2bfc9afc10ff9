"""Counts the texts that were to be scored, and those that were: some trainers swallow errors.

State    a folder with one small JSON file for each process that scores
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from pathlib import Path

from dftspark.errors import EnvironmentProblem, InputError


class CallCount:
    """The count of this process, written to `folder` before and after each call.

    Raises EnvironmentProblem for a folder that cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self.file = Path(folder) / name
        self.texts = self.rewards = 0
        self._turn = threading.Lock()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._write()

    def asked(self, texts: int) -> None:
        with self._turn:
            self.texts += texts
            self._write()

    def returned(self, rewards: int) -> None:
        with self._turn:
            self.rewards += rewards
            self._write()

    def _write(self) -> None:
        partial = self.file.with_suffix(".partial")
        try:
            partial.write_text(json.dumps({"texts": self.texts, "rewards": self.rewards}))
            partial.replace(self.file)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"cannot count calls in {self.file.parent}: {error.strerror or error}. The gate asks "
            f"whether every text got its reward; put the target into a folder that can be written."
        )


def total(folder: str | Path) -> tuple[int, int]:
    """Returns the texts asked for and the rewards returned, over all processes.

    Raises InputError for a folder without counts, or with a damaged one.
    """
    files = sorted(Path(folder).glob("*.json"))
    if not files:
        raise InputError(f"{folder} has no counts of calls; was it the folder beside the target?")
    texts = rewards = 0
    for file in files:
        try:
            count = json.loads(file.read_text(encoding="utf-8"))
            texts += int(count["texts"])
            rewards += int(count["rewards"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is no count of calls: {error!r}") from error
    return texts, rewards
