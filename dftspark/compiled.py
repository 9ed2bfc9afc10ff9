"""Kernels compiled by numba, kept on disk if possible, and rebuilt if the files are damaged.

State   numba's files: beside the source, else in the user's cache folder, else in a temporary
        folder of the user's; NUMBA_CACHE_DIR names another. Without any of them a process compiles
        what it calls
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import caching
from numba.core.registry import cpu_target

# From a library whose types do not reach here.
_config: Any = numba.config
_target: Any = cpu_target
_FunctionCache: Any = caching.FunctionCache

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Returns the function, compiled at its first call with each set of types, without the GIL.

    A cache that cannot be read or written costs only the time to compile; the call never fails.
    """
    dispatcher: Any = numba.njit(nogil=True)(function)
    cache = _cache(function)
    if cache is not None:
        dispatcher._cache = cache
    kernel: Kernel = dispatcher
    return kernel


def kept(kernel: Callable[..., Any]) -> tuple[str, str]:
    """Returns where the machine code of a kernel is kept (empty if it is not), and what that
    costs."""
    folder = str(kernel._cache.cache_path or "")  # type: ignore[attr-defined]
    if not folder:
        return "", "no folder for it can be written, so every process compiles for half a minute"
    if Path(folder).is_relative_to(_own_temporary()):
        return folder, "the package and the user's cache folder cannot be written"
    return folder, ""


def ready(kernel: Callable[..., Any]) -> bool:
    """Returns whether a kernel was called before in this process, or its machine code is kept for
    this processor; else its first call compiles."""
    dispatcher: Any = kernel
    if dispatcher.signatures:
        return True
    try:
        kept = dispatcher._cache._cache_file._load_index()
    except Exception:  # there is no folder for it, or the file is damaged and will be rebuilt
        return False
    here = _target.target_context.codegen().magic_tuple()
    return any(processor == here for _, processor, _ in kept)


class _Cache(_FunctionCache):  # type: ignore[misc]
    """A cache that does without numba's assumptions that every file is whole and every disk has
    room."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a pickle that was cut short raises whatever it was about to do
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(Exception):  # a full disk, or an index that stayed damaged
            super().save_overload(sig, data)


def _cache(function: Callable[..., Any]) -> _Cache | None:
    with contextlib.suppress(RuntimeError):  # numba has no folder that it can write
        return _Cache(function)
    with contextlib.suppress(RuntimeError, OSError), _folder(_own_temporary()):
        return _Cache(function)
    return None


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Sets numba's folder while the block runs. Raises PermissionError if it belongs to another
    user."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    # Its files are pickles: one that somebody else may write to would run their code.
    foreign = os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o022)
    if foreign or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{path} belongs to somebody else")
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(path)
    try:
        yield
    finally:
        _config.CACHE_DIR = before


def _own_temporary() -> Path:
    who = os.getuid() if os.name == "posix" else "user"
    return Path(tempfile.gettempdir()) / f"dftspark-numba-{who}"
