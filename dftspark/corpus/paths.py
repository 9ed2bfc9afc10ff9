"""Turns what a person writes (file, folder, glob, URI) into files that Arrow can open."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import translate

import pyarrow as pa
from pyarrow import fs

from dftspark.corpus.folders import (
    Identity,
    children,
    identity,
    is_hidden,
    refuse_tables,
    walk,
    why_no_file,
)
from dftspark.corpus.rows import Issue
from dftspark.errors import ConfigError, DftsparkError, EnvironmentProblem, InputError
from dftspark.location import Location, arrow_scheme, redact

_MAGIC = re.compile(r"[*?\[{]")
_MOST = 10_000  # paths that the braces of one pattern may stand for


@dataclass(frozen=True)
class FileToRead:
    """A file to read; `name` is the rest of its path below the folder that was asked for."""

    location: Location
    name: str
    size: int
    stamp: str
    """Size and time of the last change; another stamp is another content."""
    identity: Identity | None

    @property
    def path(self) -> str:
        """The path as reported, which `Location.locate` can read again."""
        return self.location.name


def expand(path: str, setting: str) -> tuple[list[FileToRead], list[Issue]]:
    """Returns the files that `path` names, sorted, and notes on what is left out: links that lead
    nowhere, things that are not files, and folders that were visited before.

    Names that begin with _ or a dot are left out of folders without a note. Raises InputError, led
    by `setting`, if there is no file, and for a table of Delta Lake, Iceberg or Hudi.
    """
    try:
        asked = Location.locate(arrow_scheme(path))  # two spellings of a file are one file
        found = asked.filesystem.get_file_info(asked.path)
        left_out: list[Issue] = []
        if found.type == fs.FileType.File:
            places = [_place(asked, found, posixpath.dirname(asked.path))]
        elif found.type == fs.FileType.Directory:
            places = _folder(asked, asked.path, setting, left_out)
        elif not (why := why_no_file(asked)) and _MAGIC.search(asked.path):
            places = _glob(asked, setting, left_out)
        else:
            raise InputError(f"{setting}: there is no file or folder {_told(path, asked, why)}")
    except (OSError, pa.ArrowException, EnvironmentProblem) as error:
        raise _unknown(path, setting, error) from error
    if not places:
        kind = "folder" if found.type == fs.FileType.Directory else "pattern"
        first = "".join(f"; {note.file!r}: {note.detail}" for note in left_out[:1])
        raise InputError(
            f"{setting}: the {kind} {redact(path)!r} has no file to read (tried {asked.path!r}, "
            f"with its subfolders; names that begin with _ or . do not count{first}); put files "
            f"there or correct the path"
        )
    return sorted(places, key=lambda place: place.path), left_out


def is_local(path: str) -> bool:
    return "://" not in path or path.lower().startswith("file:")


def check_remote(path: str, setting: str) -> None:
    """Raises what `expand` raises if `path`, which is not a pattern, names nothing or is a table.
    It takes only a few look-ups."""
    try:
        asked = Location.locate(arrow_scheme(path))
        if _MAGIC.search(asked.path):
            return
        kind = asked.filesystem.get_file_info(asked.path).type
        if kind == fs.FileType.NotFound:
            raise InputError(f"{setting}: there is no file or folder {_told(path, asked)}")
        if kind == fs.FileType.Directory:
            refuse_tables([asked.path], asked, setting)
    except (OSError, pa.ArrowException, EnvironmentProblem) as error:
        raise _unknown(path, setting, error) from error


def _unknown(path: str, setting: str, error: Exception) -> DftsparkError:
    if isinstance(error, EnvironmentProblem):  # a package is missing
        return EnvironmentProblem(f"{setting}: cannot look up {redact(path)!r}: {error}")
    if isinstance(error, pa.ArrowInvalid):  # no such address, wherever it is looked up
        return ConfigError(
            f"{setting}: {redact(path)!r}: {redact(str(error))}. Use a local path, an s3a:, gs:, "
            f"abfs: or hdfs: URI, or with the extra fsspec one that fsspec knows, such as https:"
        )
    return InputError(
        f"{setting}: cannot look up {redact(path)!r}: {redact(str(error))}; check the address, "
        f"the permissions and the credentials of this machine"
    )


def _told(path: str, asked: Location, why: str = "") -> str:
    looked = "" if path == asked.path else f" (looked for {str(asked)!r})"
    remedy = why or "correct the path, which is relative to the working directory"
    return f"{redact(path)!r}{looked}; {remedy}"


def _place(asked: Location, info: fs.FileInfo, top: str) -> FileToRead:
    name = posixpath.relpath(info.path, top or "/") if top else info.path
    at = asked.at(info.path)
    return FileToRead(at, name, info.size or 0, stamp_of(info), identity(at))


def stamp_of(info: fs.FileInfo) -> str:
    return f"{info.size} bytes of {info.mtime_ns}"


def _folder(folder: Location, top: str, setting: str, left_out: list[Issue]) -> list[FileToRead]:
    found = walk(folder)
    refuse_tables(found.folders, folder, setting)
    left_out += found.left_out
    return [_place(folder, info, top) for info in found.files]


def _glob(pattern: Location, setting: str, left_out: list[Issue]) -> list[FileToRead]:
    places: dict[str, FileToRead] = {}
    for plain in _braces(pattern.path, setting):
        parts = plain.split("/")
        first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
        top = "/".join(parts[:first]) or ("/" if plain.startswith("/") else "")
        folders: dict[str, None] = {}
        for info in _matches(pattern.at(top), parts[first:], left_out):
            if info.type == fs.FileType.Directory:
                inside = _folder(pattern.at(info.path), top, setting, left_out)
            else:
                inside = [_place(pattern, info, top)]
                folders[posixpath.dirname(info.path)] = None
            places.update((place.path, place) for place in inside)
        refuse_tables(folders, pattern, setting)
    left_out[:] = dict.fromkeys(left_out)
    return list(places.values())


def _braces(pattern: str, setting: str) -> list[str]:
    """Expands braces as Hadoop does: `{a,b}/c` is `a/c` and `b/c`. InputError if they are too
    many."""
    plain, left = [], [pattern]
    while left:
        one = left.pop()
        found = re.search(r"\{([^{}]*)\}", one)
        if found is None:
            plain.append(one)
        else:
            ways = reversed(found[1].split(","))
            left += [one[: found.start()] + way + one[found.end() :] for way in ways]
        if len(plain) + len(left) > _MOST:
            raise InputError(
                f"{setting}: the braces of {redact(pattern[:200])!r} stand for more than {_MOST:,} "
                f"paths; give a list of paths, or * in their place"
            )
    return plain


def _matches(base: Location, parts: list[str], left_out: list[Issue]) -> Iterator[fs.FileInfo]:
    """Yields files and folders below `base` that match; below `**`, no folder twice."""
    if not parts:
        info = base.filesystem.get_file_info(base.path)
        if info.type in (fs.FileType.File, fs.FileType.Directory):
            yield info
        return
    part, *rest = parts
    if not _MAGIC.search(part):
        yield from _matches(base.at(posixpath.join(base.path, part)), rest, left_out)
        return
    if part == "**":
        while rest[:1] == ["**"]:
            rest = rest[1:]
        kind = base.filesystem.get_file_info(base.path).type
        found = walk(base) if kind == fs.FileType.Directory else None
        if found is not None:
            left_out += found.left_out
        for folder in found.folders if found is not None and rest else [base.path]:
            yield from _matches(base.at(folder), rest, left_out)
        return
    fits = re.compile(translate(part)).match
    infos, notes = children(base)
    left_out += [note for note in notes if _fits(note.file, part, fits)]
    for info in infos:
        if not _fits(info.path, part, fits):
            continue
        if not rest:
            yield info
        elif info.type == fs.FileType.Directory:
            yield from _matches(base.at(info.path), rest, left_out)


def _fits(path: str, part: str, fits: Callable[[str], object]) -> bool:
    name = posixpath.basename(path)
    return bool(fits(name)) and not (is_hidden(name) and part[0] != name[0])
