"""Places in any file system that pyarrow reaches, and what to do when storage refuses."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from dftspark import azure, fsspec_storage
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.redaction import redact as redact
from dftspark.time_limit import within

_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/?.*)", re.DOTALL)
_HALF = re.compile(r"(?!file:)([A-Za-z][A-Za-z0-9+.-]+):(?!//)(/?)", re.IGNORECASE)
_SCHEMES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "hf"})
_WHOLE = frozenset({"s3", "gcs"})
_OBJECT_STORES = _WHOLE | {"abfs"}
_LIBHDFS = (
    "pyarrow reaches HDFS through libhdfs and Java, which are not found: set JAVA_HOME, "
    "HADOOP_HOME (or ARROW_LIBHDFS_DIR) and CLASSPATH=$(hadoop classpath --glob), on executors too"
)
SECONDS = 60.0  # after which a store that does not answer is given up
_S3_SECONDS, _S3_ATTEMPTS = 10.0, 2  # of a request that only asks whether a store is there
_OPTIONS = re.compile(r"\?(?=\w+=)")

NO_INODES = (
    "The file system has no inode left for another file, whatever space it has: remove many small "
    "files there (df -i), or choose another `out`."
)
_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose another `out`.",
    errno.EDQUOT: "Free some space, raise the quota, or choose another `out`.",
    errno.EFBIG: "The file-size limit (ulimit -f) or the file system is too small for the run.",
    errno.EACCES: "Choose an `out` that this user may write.",
    errno.EPERM: "Choose an `out` that this user may write.",
    errno.EROFS: "The file system is read-only; choose another `out`.",
    errno.ENOTDIR: "A part of the path is a file, not a folder; choose another `out`.",
    errno.EEXIST: "A file of that name is in the way; choose another `out`.",
}


@dataclass(frozen=True)
class Location:
    """A file or folder: `path` inside `filesystem`.

    People write it with `before` in place of `inner`, scheme and host as the beginning of the path,
    and with the options of the file system `after` it.
    """

    filesystem: fs.FileSystem
    path: str
    inner: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> Location:
        """Does the same as `locate`, but raises a ConfigError or an EnvironmentProblem that says
        what to do."""
        remote = _REMOTE.fullmatch(text)
        if remote is not None and fsspec_storage.takes(remote[1].lower()):
            raise ConfigError(
                f"{redact(text)}: such a place is only read from, as a corpus. Use a local path or "
                f"an s3a:, gs:, abfs: or hdfs: URI."
            )
        try:
            return cls.locate(text)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ConfigError(
                f"{redact(text)}: {redact(str(error))}. Use a local path or an s3a:, gs:, abfs: "
                f"or hdfs: URI."
            ) from error
        except OSError as error:
            said = _LIBHDFS if "libhdfs" in str(error) or "libjvm" in str(error) else str(error)
            raise EnvironmentProblem(f"{redact(text)}: {redact(said)}") from error

    @classmethod
    def locate(cls, text: str) -> Location:
        """Makes it from a path or URI. Local paths become absolute; what follows the host of a URI
        is taken literally, as Hadoop does: spaces, % and patterns too. Raises OSError,
        ArrowException, and EnvironmentProblem for a package that is missing."""
        remote = _REMOTE.fullmatch(text)
        _refuse_half_a_uri(text)
        if text.lower().startswith("file:"):
            path = unquote(re.sub(r"^//[^/]*", "", text[len("file:") :]))
            return cls(fs.LocalFileSystem(), "/" + path.strip("/"))
        if remote is None:
            return cls(fs.LocalFileSystem(), str(Path(text).expanduser().absolute()))
        scheme, host, rest = remote.groups()
        if fsspec_storage.takes(scheme.lower()):
            return cls._of_fsspec(text)
        rest, *options = _OPTIONS.split(rest, maxsplit=1)
        after = f"?{options[0]}" if options else ""
        place = arrow_scheme(f"{scheme.lower()}://{host}/{after}")
        try:
            filesystem, inner = _file_system(place, azure.connection_string())
        except ImportError as error:  # Arrow knows hf:, but leaves it to fsspec
            raise fsspec_storage.lacking(scheme, error) from error
        path = inner + rest.rstrip("/")
        if filesystem.type_name == "abfs":  # its paths begin with the container
            path = path.lstrip("/")
        return cls(filesystem, path, inner, f"{scheme}://{host}", after)

    @classmethod
    def _of_fsspec(cls, text: str) -> Location:
        """Makes it from a URI of fsspec, `zip://a.jsonl::https://host/a.zip` among them."""
        first, chain, rest = text.partition("::")
        filesystem, path = _fsspec(text)
        first, path = first.rstrip("/"), path.rstrip("/")
        if not first.endswith(path):  # spelled in a way that fsspec mends
            first = f"{first.partition('://')[0]}://{path}"
        return cls(filesystem, path, "", first.removesuffix(path), chain + rest)

    def at(self, path: str) -> Location:
        """Returns another path in the same file system."""
        return replace(self, path=path)

    def __truediv__(self, child: str) -> Location:
        return self.at(f"{self.path}/{child}")

    @property
    def name(self) -> str:
        """The location as people write it."""
        return self._without_options + self.after

    @property
    def _without_options(self) -> str:
        if not self.before:
            return self.path
        inside = self.path.removeprefix(self.inner).lstrip("/")
        between = "" if self.before.endswith("/") else "/"  # which fsspec's have already
        return f"{self.before}{between}{inside}" if inside else self.before

    def __str__(self) -> str:
        return redact(self.name)

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    @property
    def impatient(self) -> Location:
        """The same place in a file system that soon gives up a server which does not answer.

        On S3 by its own limits: pyarrow's clients are waited for when a process ends, whichever
        thread has them.
        """
        if self.filesystem.type_name != "s3":
            return self
        make, (options,) = self.filesystem.__reduce__()
        limits = {
            "request_timeout": _S3_SECONDS,
            "connect_timeout": _S3_SECONDS,
            "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=_S3_ATTEMPTS),
        }
        return replace(self, filesystem=make({**options, **limits}))

    @property
    def local(self) -> bool:
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def object_store(self) -> bool:
        """True where tasks write and read through pyarrow."""
        return self.filesystem.type_name in _OBJECT_STORES

    @property
    def whole(self) -> bool:
        """True where a file that is being written appears whole or not at all; on Azure it is
        empty, as Arrow writes it, until it is closed."""
        return self.filesystem.type_name in _WHOLE

    @property
    def uri(self) -> str:
        """The location with a scheme, because a cluster's default file system may be another
        one."""
        return f"file:{self.path}" if self.local else self.name

    @property
    def for_spark(self) -> str:
        """The location with a scheme, and without options, which are for Arrow."""
        return f"file:{self.path}" if self.local else self._without_options

    @property
    def kind(self) -> fs.FileType:
        with _reading(self):
            return self.filesystem.get_file_info(self.path).type

    def children(self, recursive: bool = False) -> list[fs.FileInfo]:
        with _reading(self):
            selector = fs.FileSelector(self.path, recursive=recursive)
            return list(self.filesystem.get_file_info(selector))


def _refuse_half_a_uri(text: str) -> None:
    """Raises ArrowInvalid for what begins like a URI and would be taken for a local folder."""
    half = _HALF.match(text)
    scheme = half[1].lower() if half else ""
    if text.lower().startswith("dbfs:"):
        raise pa.ArrowInvalid(
            "dbfs: is known to Databricks alone; a driver and executors there see the same files "
            "below /dbfs or, better, a volume below /Volumes"
        )
    if half and (scheme in _SCHEMES or half[2]):
        raise pa.ArrowInvalid(f"{scheme}: is followed by two slashes and the bucket or host")


def below(folder: str, name: str) -> str:
    """Returns the path or URI of `name` in that of a folder, which may end in options."""
    path, *options = _cut(folder)
    return "?".join([f"{path.rstrip('/')}/{name}", *options])


def parted(text: str) -> tuple[str, str]:
    """Returns the path or URI of a folder, with the options that `text` ends in, and the name of
    what lies in it. The folder of a bare name is empty."""
    path, *options = _cut(text)
    parent, _, name = path.rstrip("/").rpartition("/")
    return "?".join([parent, *options]), name


def _cut(text: str) -> list[str]:
    return _OPTIONS.split(text, maxsplit=1) if _REMOTE.fullmatch(text) else [text]


def arrow_scheme(uri: str) -> str:
    """Returns the URI with s3a: and s3n:, which are Hadoop's names, as s3:."""
    return re.sub(r"^s3[an]://", "s3://", uri, flags=re.IGNORECASE)


@lru_cache(maxsize=64)
def _file_system(uri: str, azures: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system and the beginning of all paths in it. Cached, because finding a
    bucket may ask the network."""
    filesystem, inner = fs.FileSystem.from_uri(uri)
    if azures and filesystem.type_name == "abfs":
        filesystem = azure.connected(filesystem, uri, azures)
    return filesystem, inner.rstrip("/")


@lru_cache(maxsize=4096)
def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    return fsspec_storage.located(uri)


@contextmanager
def writing(location: Location) -> Iterator[None]:
    """Turns storage errors into an EnvironmentProblem: place, space, remedy."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if not _of_storage(error):
            raise
        number = getattr(error, "errno", None) or 0
        remedy = _REMEDIES.get(number, "`dftspark doctor --out` checks the storage.")
        if number in (errno.ENOSPC, errno.EDQUOT) and without_inodes(location):
            remedy = NO_INODES
        reason = os.strerror(number) if number else redact(str(error)).rstrip(". ")
        raise EnvironmentProblem(
            f"cannot write {location}: {reason}{space(location)}. {remedy}"
        ) from error


@contextmanager
def _reading(location: Location) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if not _of_storage(error):
            raise
        raise EnvironmentProblem(f"cannot read {location}: {redact(str(error))}") from error


def _of_storage(error: OSError | pa.ArrowException) -> bool:
    """Returns whether storage refused; of credentials that Azure lacks, Arrow says no more than
    that the error is unknown."""
    return isinstance(error, OSError) or type(error) is pa.ArrowException


def move(source: Location, target: Location) -> None:
    """Moves a file out of a folder that is deleted later. It stays there too where storage can only
    copy, as accounts of Azure without a hierarchical namespace."""
    try:
        source.filesystem.move(source.path, target.path)
    except pa.ArrowNotImplementedError:
        source.filesystem.copy_file(source.path, target.path)


def delete(folder: Location) -> None:
    """Deletes a folder with what is in it; one that is not there is no error. GCS says the same of
    a folder that has files but no object of its own, after it has deleted them."""
    with suppress(FileNotFoundError):
        folder.filesystem.delete_dir(folder.path)


def check_store(out: str) -> None:
    """Raises ConfigError or EnvironmentProblem for a run store that cannot be: one of an unknown
    scheme, one in a bucket that is not there or may not be written, one on a server that does not
    answer, and a local one below a file or in a folder that this user may not write. Local folders
    are made later."""

    def make() -> None:
        place = Location.parse(out)
        with writing(place):
            if place.local:
                _check_folder(Path(place.path))
            else:
                place.impatient.filesystem.create_dir(place.path, recursive=True)

    within(SECONDS, f"cannot write {redact(out)}", make)


def _check_folder(path: Path) -> None:
    """Raises OSError if a folder cannot be made or written there."""
    there = next(one for one in (path, *path.parents) if os.path.lexists(one))
    number = 0
    # Path.is_dir raises where this user may not look.
    if not os.path.isdir(there):  # noqa: PTH112
        number = errno.EEXIST if there == path else errno.ENOTDIR
    elif not os.access(there, os.W_OK | os.X_OK):
        number = errno.EACCES
    if number:
        raise OSError(number, os.strerror(number), str(there))


def free_bytes(location: Location) -> int | None:
    """Returns the free space where the location is or would be; None if storage does not report
    it."""
    folder = _nearest(location)
    return None if folder is None else shutil.disk_usage(folder).free


def without_inodes(location: Location) -> bool:
    """Returns whether the file system there counts its inodes and has none left for another
    file."""
    folder = _nearest(location)
    if folder is None:
        return False
    told = os.statvfs(folder)
    return told.f_files > 0 and told.f_favail == 0


def space(location: Location) -> str:
    """Returns the free space there, in parentheses; empty if storage does not report it."""
    free = free_bytes(location)
    if free is None:
        return ""
    inodes = ", and no inode" if without_inodes(location) else ""
    return f" ({free / 2**20:,.1f} MiB free there{inodes})"


def _nearest(location: Location) -> Path | None:
    """Returns the folder, or the first existing one above it; None if it is not on this machine."""
    path = Path(location.path)
    folders = (path, *path.parents) if location.local else ()
    # A folder that may not be looked into is none, where Path.is_dir raises.
    return next((folder for folder in folders if os.path.isdir(folder)), None)  # noqa: PTH112
