"""Walks folders without going in circles; refuses lakehouse tables, which are not plain folders.

Cost: one listing of each local folder; one recursive listing of a remote one, which has no links.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from dftspark.corpus.rows import Issue, excerpt
from dftspark.errors import InputError
from dftspark.location import Location

Identity = tuple[int, int]

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_TABLES = {"_delta_log": "Delta Lake", ".hoodie": "Hudi", "metadata": "Iceberg"}
_READERS = {
    "Delta Lake": "Delta's own readers: table = \"delta.`FOLDER`\" in place of path, with Delta's "
    "package in Spark",
    "Iceberg": 'Iceberg\'s own readers: table = "CATALOG.DATABASE.TABLE" in place of path, with '
    "Iceberg's package in Spark",
    "Hudi": "Hudi's own readers, as spark.read.format('hudi')",
}


@dataclass
class Walk:
    """The contents in and below a folder, except names that begin with _ or a dot.

    `folders` are the paths of all folders, including the one that was asked for. Each folder occurs
    once, whatever links lead to it, under the path that contains no link, if there is one.
    `left_out` gives the reasons for links that lead nowhere or to something already listed, and for
    what is not a file.
    """

    folders: list[str] = field(default_factory=list)
    files: list[fs.FileInfo] = field(default_factory=list)
    left_out: list[Issue] = field(default_factory=list)


def walk(folder: Location) -> Walk:
    """Walks a folder. Raises OSError or ArrowException if one cannot be listed."""
    if folder.local:
        return _Local(folder).walked()
    listed = folder.filesystem.get_file_info(fs.FileSelector(folder.path, recursive=True))
    found = Walk(folders=[folder.path])
    for info in listed:
        if not any(map(is_hidden, posixpath.relpath(info.path, folder.path).split("/"))):
            if info.type == fs.FileType.Directory:
                found.folders.append(info.path)
            elif info.type == fs.FileType.File:
                found.files.append(info)
    return found


def is_hidden(name: str) -> bool:
    """Returns whether a name is hidden, as in Spark: `_date=2026-01-01` is a folder of a
    partition."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def children(folder: Location) -> tuple[list[fs.FileInfo], list[Issue]]:
    """Returns the contents of a folder, which need not exist, and what is left out of it."""
    if folder.local:
        try:
            return _list(folder)[:2]
        except (FileNotFoundError, NotADirectoryError):
            return [], []
    selector = fs.FileSelector(folder.path, allow_not_found=True)
    return list(folder.filesystem.get_file_info(selector)), []


def identity(place: Location) -> Identity | None:
    """Returns device and inode; None if there are none, as on object stores."""
    if not place.local:
        return None
    found = Path(place.path).stat()
    return (found.st_dev, found.st_ino) if found.st_ino else None


def why_no_file(place: Location) -> str:
    """Returns what a local path is if it is neither file nor folder; empty if nothing is there."""
    path = Path(place.path)
    if not place.local or not os.path.lexists(path):
        return ""
    if not path.exists():
        return _leads(path)
    return f"it is {_kind(path.stat().st_mode)}; write what comes from it into a file first"


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")


def _leads(path: Path) -> str:
    return f"the link leads to {excerpt(str(path.readlink()), 200)!r}, which is not there"


def _list(folder: Location) -> tuple[list[fs.FileInfo], list[Issue], set[str]]:
    """Returns (files and folders, what is left out, paths of links) of a local folder."""
    paths: list[str] = []
    left_out: list[Issue] = []
    links: set[str] = set()
    with os.scandir(folder.path) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        path = posixpath.join(folder.path, entry.name)
        try:
            entry.name.encode("utf-8")
            mode = Path(path).stat().st_mode
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            left_out.append(_note(shown, "name_not_utf8", "the name is not UTF-8; rename it"))
            continue
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP) or not entry.is_symlink():
                raise
            left_out.append(_note(path, "dangling_link", f"{_leads(Path(path))}; left out"))
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            left_out.append(_note(path, "not_a_file", f"{_kind(mode)}; left out"))
            continue
        paths.append(path)
        if entry.is_symlink():
            links.add(path)
    return folder.filesystem.get_file_info(paths), left_out, links


def _note(path: str, reason: str, detail: str) -> Issue:
    return Issue(path, "", "noted", reason, detail)


class _Local:
    """A walk that enters links after everything that is there without them is known."""

    def __init__(self, top: Location) -> None:
        self._top = top
        self._seen: dict[Identity | str, str] = {}
        self._links: list[fs.FileInfo] = []
        self._found = Walk()

    def walked(self) -> Walk:
        self._enter(self._top.path)
        while self._links:
            links, self._links = sorted(self._links, key=lambda info: info.path), []
            for info in links:
                if info.type == fs.FileType.Directory:
                    self._enter(info.path)
                else:
                    self._found.files.append(info)
        return self._found

    def _enter(self, path: str) -> None:
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            own = identity(self._top.at(folder)) or os.path.realpath(folder)
            if own in self._seen:
                detail = f"the same folder as {self._seen[own]!r}; read once"
                self._found.left_out.append(_note(folder, "same_folder", detail))
                continue
            self._seen[own] = folder
            self._found.folders.append(folder)
            infos, left_out, links = _list(self._top.at(folder))
            self._found.left_out += [n for n in left_out if not _is_hidden_path(n.file)]
            for info in infos:
                if _is_hidden_path(info.path):
                    continue
                if info.path in links:
                    self._links.append(info)
                elif info.type == fs.FileType.Directory:
                    waiting.append(info.path)
                else:
                    self._found.files.append(info)


def _is_hidden_path(path: str) -> bool:
    return is_hidden(posixpath.basename(path))


# --- lakehouse tables ----------------------------------------------------------------------------


def refuse_tables(folders: Iterable[str], at: Location, setting: str) -> None:
    """Raises InputError if a folder is, or lies in, a table whose log says which files count.

    The folder of such a table still holds the files that removals, updates and compactions
    replaced.
    """
    looked: set[str] = set()
    for folder in folders:
        for path in (folder, *_above(folder)):
            if path in looked:
                break
            looked.add(path)
            if kind := _table(at.at(path)):
                raise InputError(
                    f"{setting}: {str(at.at(path))!r} is a table of {kind}. Its folder keeps the "
                    f"files of removed and overwritten rows, and only its log tells which count, "
                    f"so files are not taken from it by folder or pattern. Read it with "
                    f"{_READERS[kind]}; or write the rows as Parquet or JSON lines into a folder "
                    f"of their own and name that; or name each file of the current version"
                )


def _above(folder: str) -> Iterator[str]:
    return (str(path) for path in PurePosixPath(folder).parents if str(path) not in ("", "."))


def _table(folder: Location) -> str | None:
    names = [posixpath.join(folder.path, name) for name in _TABLES]
    found: list[fs.FileInfo] = []
    with suppress(OSError, pa.ArrowException):  # a folder above that may not be looked into
        found = folder.filesystem.get_file_info(names)
    for info in found:
        kind = _TABLES[posixpath.basename(info.path)]
        if info.type == fs.FileType.Directory and (
            kind != "Iceberg" or _has_iceberg_metadata(folder.at(info.path))
        ):
            return kind
    return None


def _has_iceberg_metadata(folder: Location) -> bool:
    inside: list[fs.FileInfo] = []
    with suppress(OSError, pa.ArrowException):
        inside = list(folder.filesystem.get_file_info(fs.FileSelector(folder.path)))
    names = [info.path.removesuffix(".gz") for info in inside if info.type == fs.FileType.File]
    return any(name.endswith(".metadata.json") for name in names)
