"""The journal of one task: what it has sent and received, so that nothing is asked twice.

State   a file of JSON lines: before a request is sent, its key; when its answer is there, the
        answer. The asking task holds the lock of the file, which the system takes back when the
        process ends, however it ends. So of two tasks with the same work (Spark's speculation, or
        a retry while the first still runs) one asks and the other waits; a restarted task goes on
        where the dead one stopped; and a request that was sent without an answer is known, and not
        sent again unless somebody says so.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dftspark.endpoints.answers import UNHEARD, Answer, Kind
from dftspark.endpoints.client import Reply
from dftspark.errors import EnvironmentProblem
from dftspark.location import Location, writing

_WAIT = 0.5  # seconds between two tries of a lock that another process holds
_BUSY = frozenset({errno.EACCES, errno.EAGAIN})


@dataclass(frozen=True)
class Entry:
    """An answer with its seconds, the number of requests sent, and the time when it came (UTC)."""

    said: Any  # an Answer of the journal's kind
    seconds: float = 0.0
    attempts: int = 0
    at: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any], kind: Kind) -> Entry:
        """Makes an entry from the columns of the kind's schema."""
        return cls(kind.answer(row), row["seconds"], row["attempts"], row["at"])

    @property
    def unheard(self) -> bool:
        """True if the request was sent and the model itself said nothing."""
        return self.said.problem in UNHEARD


@dataclass(frozen=True)
class Heard:
    """Contents of a journal. `failed` gives reasons; `lost` was sent without an answer."""

    answered: dict[bytes, Entry]
    failed: dict[bytes, str]
    lost: set[bytes]
    requests: int


class Journal:
    """A journal open for writing, its lock held. Safe to use from many threads.

    A failed write raises EnvironmentProblem and leaves no part of a line behind.
    """

    def __init__(self, file: IO[bytes], path: Path, kind: Kind) -> None:
        self._file, self._place, self._kind = file, Location.parse(str(path)), kind
        self._lock = threading.Lock()

    def sent(self, key: bytes) -> None:
        self._write({"sent": key.hex()})

    def answered(self, key: bytes, answer: Answer, reply: Reply) -> None:
        self._write(
            {
                "key": key.hex(),
                **self._kind.row(answer),
                "attempts": reply.attempts,
                "seconds": round(reply.seconds, 3),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )

    def failed(self, key: bytes, error: str) -> None:
        self._write({"failed": key.hex(), "error": error})

    def _write(self, line: dict[str, Any]) -> None:
        # One system call per line: when it returns, the kernel has the line, whatever follows.
        data = json.dumps(line, ensure_ascii=True).encode() + b"\n"
        with self._lock, writing(self._place):
            size = os.fstat(self._file.fileno()).st_size
            try:
                while data:  # a disk that fills up takes a part, and refuses the rest
                    data = data[self._file.write(data) :]
            except OSError:
                self._file.truncate(size)  # the next line would be read as the rest of this one
                raise


@contextmanager
def locked(path: Path, kind: Kind, *, wait: bool, busy: str = "") -> Iterator[IO[bytes]]:
    """Opens the file for appending and keeps it locked until the block ends.

    Waits for another holder, or raises EnvironmentProblem with `busy`.
    """
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {path}: {error.strerror}. {kind.setting} must be a folder that the "
            f"driver and every executor can write"
        ) from error
    with file:
        while not _try_lock(file, path, kind):
            if not wait:
                raise EnvironmentProblem(busy)
            time.sleep(_WAIT)
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise EnvironmentProblem(f"{path} was taken in by a later run, which goes on with it")
        yield file


def _try_lock(file: IO[bytes], path: Path, kind: Kind) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise EnvironmentProblem(
            f"{path}: this file system has no locks ({os.strerror(error.errno or 0)}), without "
            f"which two runs could ask, and pay, twice. Set {kind.setting} to a local or shared "
            f"disk"
        ) from error
    return True


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[Journal, Heard]]:
    """Opens the journal, when no other process holds it, and reads what it has so far."""
    with locked(path, kind, wait=True) as file:
        heard = read(path, kind)
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            with writing(Location.parse(str(path))):
                file.write(b"\n")  # ends a line that was cut when its writer was killed
        yield Journal(file, path, kind), heard


@contextmanager
def taken(path: Path, deadline: float, kind: Kind) -> Iterator[Heard]:
    """Yields the contents of an ended task's journal; removes the file after the block.

    Raises EnvironmentProblem where its task has not ended by `deadline` (time.monotonic).
    """
    with path.open("ab") as file:
        while not _try_lock(file, path, kind):
            if time.monotonic() > deadline:
                raise EnvironmentProblem(
                    f"a task of an earlier run still asks: {path} is locked. Try again when it has "
                    f"ended"
                )
            time.sleep(_WAIT)
        yield read(path, kind)
        path.unlink()


def read(path: Path, kind: Kind) -> Heard:
    """Returns the current contents of a journal; the later line on a request wins."""
    answered: dict[bytes, Entry] = {}
    failed: dict[bytes, str] = {}
    open_: dict[bytes, None] = {}
    requests = 0
    for line in lines(path):
        if "sent" in line:
            requests += 1
            open_[bytes.fromhex(line["sent"])] = None
        elif "failed" in line:
            key = bytes.fromhex(line["failed"])
            failed[key] = line["error"]
            open_.pop(key, None)
        else:
            key = bytes.fromhex(line["key"])
            answered[key] = Entry.of(line, kind)
            open_.pop(key, None)
    return Heard(answered, failed, set(open_) - answered.keys(), requests)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields whole lines only: the last may be one that its writer did not live to finish."""
    with path.open("rb") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def lost(kind: Kind) -> Entry:
    """Returns the entry of a request that was sent without an answer."""
    return Entry(kind.lost(), attempts=1)


def counting(path: Path) -> Callable[[], int]:
    """Returns a function that counts the answers that came since its last call."""
    position = 0

    def more() -> int:
        nonlocal position
        with path.open("rb") as file:
            file.seek(position)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        position += len(new)
        return new.count(b'{"key": ')

    return more
