"""From what a person writes (file, folder, glob, URI) to files that Arrow can open."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate

import pyarrow as pa
from pyarrow import fs

from dftspark.errors import InputError
from dftspark.location import Location, arrow_scheme, redact

_MAGIC = re.compile(r"[*?\[{]")
_MOST = 10_000  # paths that the braces of one pattern may stand for


@dataclass(frozen=True)
class Place:
    """A file to read; `name` is what is left of its path below the folder that was asked for."""

    location: Location
    name: str
    size: int

    @property
    def path(self) -> str:
        """As reported, and as `Location.locate` reads it again."""
        return self.location.name


def expand(path: str, setting: str) -> list[Place]:
    """The files that `path` names, sorted; names that begin with _ or . are left out of folders.

    Raises InputError, led by `setting`, where there is none.
    """
    try:
        asked = Location.locate(arrow_scheme(path))  # two spellings of a file are one file
        found = asked.filesystem.get_file_info(asked.path)
        if found.type == fs.FileType.File:
            places = [_place(asked, found, posixpath.dirname(asked.path))]
        elif found.type == fs.FileType.Directory:
            places = _folder(asked, asked.path)
        elif _MAGIC.search(asked.path):
            places = _glob(asked, setting)
        else:
            raise InputError(f"{setting}: there is no file or folder {_told(path, asked)}")
    except (OSError, pa.ArrowException) as error:
        raise _unknown(path, setting, error) from error
    if not places:
        kind = "folder" if found.type == fs.FileType.Directory else "pattern"
        raise InputError(
            f"{setting}: the {kind} {redact(path)!r} has no file to read (tried {asked.path!r}, "
            f"with its subfolders; names that begin with _ or . do not count); put files there "
            f"or correct the path"
        )
    return sorted(places, key=lambda place: place.path)


def is_local(path: str) -> bool:
    return "://" not in path or path.lower().startswith("file:")


def check_remote(path: str, setting: str) -> None:
    """Raises what `expand` raises where `path`, which is no pattern, names nothing; one look."""
    try:
        asked = Location.locate(arrow_scheme(path))
        if _MAGIC.search(asked.path):
            return
        if asked.filesystem.get_file_info(asked.path).type == fs.FileType.NotFound:
            raise InputError(f"{setting}: there is no file or folder {_told(path, asked)}")
    except (OSError, pa.ArrowException) as error:
        raise _unknown(path, setting, error) from error


def _unknown(path: str, setting: str, error: Exception) -> InputError:
    return InputError(
        f"{setting}: cannot look up {redact(path)!r}: {redact(str(error))}; check the address, "
        f"the permissions and the credentials of this machine"
    )


def _told(path: str, asked: Location) -> str:
    looked = "" if path == asked.path else f" (looked for {str(asked)!r})"
    return f"{redact(path)!r}{looked}; correct the path, which is relative to the working directory"


def _place(asked: Location, info: fs.FileInfo, top: str) -> Place:
    name = posixpath.relpath(info.path, top or "/") if top else info.path
    return Place(asked.at(info.path), name, info.size or 0)


def _folder(folder: Location, top: str) -> list[Place]:
    found = folder.filesystem.get_file_info(fs.FileSelector(folder.path, recursive=True))
    files = [info for info in found if info.type == fs.FileType.File]
    return [_place(folder, info, top) for info in files if not _hidden(info.path, folder.path)]


def _hidden(path: str, folder: str) -> bool:
    return any(part[0] in "_." for part in posixpath.relpath(path, folder).split("/"))


def _glob(pattern: Location, setting: str) -> list[Place]:
    places: dict[str, Place] = {}
    for plain in _braces(pattern.path, setting):
        parts = plain.split("/")
        first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
        top = "/".join(parts[:first]) or ("/" if plain.startswith("/") else "")
        for info in _matches(pattern.filesystem, top, parts[first:]):
            if info.type == fs.FileType.Directory:
                inside = _folder(pattern.at(info.path), top)
            else:
                inside = [_place(pattern, info, top)]
            places.update((place.path, place) for place in inside)
    return list(places.values())


def _braces(pattern: str, setting: str) -> list[str]:
    """`{a,b}/c` is `a/c` and `b/c`, as in Hadoop. InputError where they multiply."""
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


def _matches(filesystem: fs.FileSystem, base: str, parts: list[str]) -> Iterator[fs.FileInfo]:
    if not parts:
        info = filesystem.get_file_info(base)
        if info.type != fs.FileType.NotFound:
            yield info
        return
    part, *rest = parts
    if not _MAGIC.search(part):
        yield from _matches(filesystem, posixpath.join(base, part), rest)
        return
    if part == "**":
        yield from _matches(filesystem, base, rest)
    fits = re.compile(translate(part)).match
    for info in filesystem.get_file_info(fs.FileSelector(base, allow_not_found=True)):
        name = posixpath.basename(info.path)
        hidden = name[0] in "_." and part[0] != name[0]
        folder = info.type == fs.FileType.Directory
        if hidden or not fits(name):
            continue
        if part == "**":
            if folder:
                yield from _matches(filesystem, info.path, parts)
        elif not rest:
            yield info
        elif folder:
            yield from _matches(filesystem, info.path, rest)
