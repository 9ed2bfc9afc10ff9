"""File systems of fsspec as Arrow's, for sources that Arrow does not reach itself: hf:, https:,
sftp:, zip: and whatever else a package registers there. They are read and never written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import fs

from dftspark.errors import EnvironmentProblem

# Arrow's own, and fsspec's that are no store which a cluster shares.
_NOT_OURS = frozenset(
    ("s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file", "local", "mock")
) | {"dbfs", "memory", "dir", "data", "reference"}


def takes(scheme: str) -> bool:
    """Returns whether fsspec has the scheme, given in small letters, and Arrow has not."""
    if scheme in _NOT_OURS:
        return False
    try:
        import fsspec
    except ModuleNotFoundError:
        return False
    return scheme in fsspec.available_protocols()


def located(uri: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system, and the path in it, of a URI, which may be chained by `::`.

    Raises OSError if it cannot be opened, EnvironmentProblem if a package for it is missing.
    """
    import fsspec

    with _as_os_errors(uri.partition("://")[0]):
        # Without the cache of listings: a folder may have changed since it was listed.
        own, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    return fs.PyFileSystem(_Handler(own)), path


def lacking(what: str, error: ImportError) -> EnvironmentProblem:
    """Returns what to install for the scheme `what`."""
    return EnvironmentProblem(
        f"{what}: a package is missing: {error}\n  pip install 'dftspark[fsspec]' brings what hf: "
        f"and https: need, and other schemes need one of their own beside it; executors need them "
        f"too"
    )


@contextmanager
def _as_os_errors(what: str) -> Iterator[None]:
    """Raises an OSError for what the clients of stores raise, each with classes of its own."""
    try:
        yield
    except (OSError, pa.ArrowException):
        raise
    except ImportError as error:
        raise lacking(what, error) from error
    except Exception as error:
        raise OSError(f"{what}: {type(error).__name__}: {error}") from error


def _is_absent(error: BaseException) -> bool:
    """Returns whether a client says that nothing is there, and not that it may not look."""
    status = getattr(error, "status", None)
    status = status or getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, FileNotFoundError) or status in (404, 410)


class _Handler(fs.FSSpecHandler):  # type: ignore[misc]
    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def _info(self, path: str) -> fs.FileInfo:
        with _as_os_errors(path):
            try:
                return self._create_file_info(path, self.fs.info(path))
            except FileNotFoundError as error:
                if (refused := error.__cause__) is None or _is_absent(refused):
                    return fs.FileInfo(path, fs.FileType.NotFound)
                raise OSError(f"{path}: {refused}") from error

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        with _as_os_errors(selector.base_dir):
            found: list[fs.FileInfo] = super().get_file_info_selector(selector)
            return found

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.PythonFile:
        with _as_os_errors(path):
            return pa.PythonFile(_File(self.fs.open(path, mode="rb"), path), mode="r")


class _File:
    """An open file whose errors are OSErrors, which readers report with the file."""

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def read(self, *size: int) -> bytes:
        with _as_os_errors(self._path):
            data: bytes = self._file.read(*size)
            return data

    def seek(self, *to: int) -> int:
        with _as_os_errors(self._path):
            return int(self._file.seek(*to))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
