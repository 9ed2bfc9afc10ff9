"""Models that are made once on a machine, each a folder in the user's cache.

Several processes may want one at once: it appears whole or not at all, the first of its name
stays, and the others wait instead of making it too, where the file system has locks.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dftspark.errors import EnvironmentProblem


def place(name: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "dftspark" / "embedders" / name


def made(target: Path, make: Callable[[Path], None], what: str) -> Path:
    """The folder `target`, which `make` fills in another place where it is absent.

    Raises EnvironmentProblem, which says `what` it holds, where it cannot be written.
    """
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(target), tempfile.TemporaryDirectory(dir=target.parent) as folder:
            if not target.is_dir():
                whole = Path(folder) / "model"
                make(whole)
                _put(whole, target)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {target}: {error.strerror or error}. It caches {what}; XDG_CACHE_HOME "
            f"names another cache folder."
        ) from error
    return target


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """One process after another. It only saves their work, so it may be without effect."""
    lock = target.parent / f".{target.name}.lock"
    with lock.open("w") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # who waits holds the file itself


def _put(whole: Path, target: Path) -> None:
    try:
        whole.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first
            raise
