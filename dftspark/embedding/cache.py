"""Models that are made once on a machine, each as a folder in the user's cache.

Several processes may need the same one at once. A folder appears whole or not at all, the first of
its name stays, and where the file system has locks the others wait instead of making it too.
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
    """Returns the folder `target`; where it is absent, `make` fills it in another place first.

    Raises EnvironmentProblem, which says `what` the folder holds, where it cannot be written.
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
    """Lets one process in after another. This only saves work, so it may be without effect."""
    lock = target.parent / f".{target.name}.lock"
    with lock.open("w") as file:
        with suppress(OSError):  # the file system has no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # a process that waits holds the file itself


def _put(whole: Path, target: Path) -> None:
    try:
        whole.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was first
            raise
