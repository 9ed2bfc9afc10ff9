"""The sign of life of a run at work: a small file in its folder that is rewritten again and again.

Storage of any kind has files and their modification times, so anyone who looks at the folder, from
any machine, sees whether somebody still works there.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pyarrow.fs import FileType

from dftspark.location import Location

SIGN = ".alive"
SILENT = timedelta(minutes=15)  # without a sign for so long, a run is no longer at work

_BEAT = 60.0  # seconds


class SignOfLife:
    """A sign written by a thread until `end`, or until nothing refers to this object any more."""

    def __init__(self, folder: Location, seconds: float = _BEAT) -> None:
        self._file, over = folder / SIGN, threading.Event()
        self._over = over
        self._thread = threading.Thread(
            target=_beat, args=(self._file, over, seconds), name="sign of life", daemon=True
        )
        self._thread.start()
        weakref.finalize(self, over.set)

    def end(self) -> None:
        """Removes the file; a file that stays behind does harm only for a while."""
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            if self._file.filesystem.get_file_info(self._file.path).type == FileType.File:
                self._file.filesystem.delete_file(self._file.path)


def last_sign(folder: Location) -> datetime | None:
    """Returns when the run of the folder last gave a sign, by the clock of the storage."""
    with suppress(OSError):
        info = folder.filesystem.get_file_info((folder / SIGN).path)
        if info.type == FileType.File and info.mtime_ns is not None:
            return datetime.fromtimestamp(info.mtime_ns / 1e9, UTC)
    return None


def _beat(file: Location, over: threading.Event, seconds: float) -> None:
    # A run's id has its beginning, so the first sign can wait.
    while not over.wait(seconds):
        with suppress(OSError), file.filesystem.open_output_stream(file.path) as stream:
            stream.write(f"{datetime.now(UTC).isoformat()}\n".encode())
