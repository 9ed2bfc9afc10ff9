"""From what a person writes (file, folder, glob, URI) to files that Arrow can open."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from dftspark.errors import InputError
from dftspark.location import redact

_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/?.*)", re.DOTALL)
_QUERY = re.compile(r"\?(?=\w+=)")
_MAGIC = re.compile(r"[*?\[{]")
_SCHEMES = {"s3a": "s3", "s3n": "s3"}


@dataclass(frozen=True)
class Place:
    """A file: `path` as reported, `inner` as its filesystem calls it, `name` below the root."""

    path: str
    filesystem: fs.FileSystem
    inner: str
    name: str
    size: int


@dataclass(frozen=True)
class _Root:
    """A filesystem and the text before and after its paths: scheme and bucket, options."""

    filesystem: fs.FileSystem
    inner: str = ""
    before: str = ""
    after: str = ""

    def path(self, inner: str) -> str:
        return f"{self.before}{inner.removeprefix(self.inner)}{self.after}"


def locate(path: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a path or URI, and the path within it. Raises OSError, ArrowInvalid."""
    root, inner = _locate(path)
    return root.filesystem, inner


def expand(path: str, setting: str) -> list[Place]:
    """The files that `path` names, sorted; names that begin with _ or . are left out of folders.

    Raises InputError, led by `setting`, where there is none.
    """
    try:
        root, inner = _locate(path)
        found = root.filesystem.get_file_info(inner)
        if found.type == fs.FileType.File:
            places = [_place(root, found, posixpath.dirname(inner))]
        elif found.type == fs.FileType.Directory:
            places = _folder(root, inner, inner)
        elif _MAGIC.search(inner):
            places = _glob(root, inner)
        else:
            raise InputError(f"{setting}: there is no file or folder {_told(path, root, inner)}")
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{setting}: cannot look up {redact(path)!r}: {redact(str(error))}; check the address, "
            f"the permissions and the credentials of this machine"
        ) from error
    if not places:
        kind = "folder" if found.type == fs.FileType.Directory else "pattern"
        raise InputError(
            f"{setting}: the {kind} {redact(path)!r} has no file to read (tried {inner!r}, with "
            f"its subfolders; names that begin with _ or . do not count); put files there or "
            f"correct the path"
        )
    return sorted(places, key=lambda place: place.path)


def _told(path: str, root: _Root, inner: str) -> str:
    looked = "" if path == inner else f" (looked for {redact(root.path(inner))!r})"
    return f"{redact(path)!r}{looked}; correct the path, which is relative to the working directory"


def _locate(path: str) -> tuple[_Root, str]:
    remote = _REMOTE.fullmatch(path)
    if path.lower().startswith("file:"):
        rest = path[len("file:") :]
        return _Root(fs.LocalFileSystem()), unquote(re.sub(r"^//[^/]*", "", rest))
    if remote is None:
        return _Root(fs.LocalFileSystem()), str(Path(path).expanduser().absolute())
    scheme, host, rest = remote.groups()
    rest, *query = _QUERY.split(rest, maxsplit=1)
    scheme = _SCHEMES.get(scheme.lower(), scheme.lower())
    root = _remote(scheme, host, query[0] if query else "")
    return root, root.inner + rest.rstrip("/")


@lru_cache(maxsize=64)
def _remote(scheme: str, host: str, query: str) -> _Root:
    after = f"?{query}" if query else ""
    filesystem, inner = fs.FileSystem.from_uri(f"{scheme}://{host}/{after}")
    return _Root(filesystem, inner.rstrip("/"), f"{scheme}://{host}", after)


def _place(root: _Root, info: fs.FileInfo, top: str) -> Place:
    name = posixpath.relpath(info.path, top or "/") if top else info.path
    return Place(root.path(info.path), root.filesystem, info.path, name, info.size or 0)


def _folder(root: _Root, inner: str, top: str) -> list[Place]:
    found = root.filesystem.get_file_info(fs.FileSelector(inner, recursive=True))
    return [
        _place(root, info, top)
        for info in found
        if info.type == fs.FileType.File
        and not any(part[0] in "_." for part in posixpath.relpath(info.path, inner).split("/"))
    ]


def _glob(root: _Root, pattern: str) -> list[Place]:
    places: dict[str, Place] = {}
    for plain in _braces(pattern):
        parts = plain.split("/")
        first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
        top = "/".join(parts[:first]) or ("/" if plain.startswith("/") else "")
        for info in _matches(root.filesystem, top, parts[first:]):
            if info.type == fs.FileType.Directory:
                inside = _folder(root, info.path, top)
            else:
                inside = [_place(root, info, top)]
            places.update((place.path, place) for place in inside)
    return list(places.values())


def _braces(pattern: str) -> list[str]:
    """`{a,b}/c` is `a/c` and `b/c`, as in Hadoop."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [plain for one in found[1].split(",") for plain in _braces(before + one + after)]


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
