"""Lists the files of a corpus and cuts them into splits; a split is a unit of reading.

Cost: one listing of what the paths name; for files above 64 MB also the first bytes or the footer.
"""

from __future__ import annotations

import codecs
import json
import os
import posixpath
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from dftspark.config import Corpus
from dftspark.config.corpora import DATAFRAME
from dftspark.corpus.folders import identity
from dftspark.corpus.paths import FileToRead, check_remote, expand, is_local, stamp_of
from dftspark.corpus.rows import Damaged, Issue
from dftspark.corpus.sides import check_sides
from dftspark.corpus.streams import is_plain
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location

SPLIT_BYTES = 64 << 20

_FORMATS = {
    "parquet": "parquet",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "csv": "csv",
    "txt": "text",
}
_COMPRESSIONS = {"gz": "gzip", "zst": "zstd", "zstd": "zstd"}


@dataclass(frozen=True)
class Split:
    """The part of the input that one task reads: a file or a part of one. Plain values travel in a
    row.

    `size` is the number of bytes of the whole file when it was listed; a different `stamp` means
    that it has changed. `name` is the file's path below what the corpus names; document ids are
    made from it. `compression` is what the file name says; what the bytes say decides. `start` and
    `end` are bytes, or row groups of Parquet; `end` -1 is the end of the file. A range of bytes
    owns the lines that begin in (start, end], and line 1 if start is 0.
    """

    path: str
    name: str
    format: str
    compression: str = "none"
    start: int = 0
    end: int = -1
    size: int = 0
    stamp: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Split:
        return cls(**json.loads(text))


def changed(split: Split) -> Damaged | None:
    """Returns the damage if the file is there but is no longer the one that was listed, because the
    parts that tasks read would come from two files. None if that cannot be told."""
    if not split.stamp:
        return None
    try:
        place = Location.locate(split.path)
        info = place.filesystem.get_file_info(place.path)
    except (OSError, pa.ArrowException):
        return None
    now = stamp_of(info)
    if info.type != fs.FileType.File or now == split.stamp:
        return None
    sizes = f"{split.size:,} bytes when it was listed, {info.size or 0:,} now"
    return Damaged(
        "changed_file",
        f"changed while the corpus was read ({sizes}); run again when nothing writes into it",
    )


def find(corpus: Corpus, name: str) -> tuple[list[Split], list[Issue]]:
    """Returns splits of the corpus's files, sorted by path, and notes on files that are left out.

    Raises InputError if a path names no file, ConfigError if `encoding` or `document` of corpus
    `name` is invalid.
    """
    check_text_settings(corpus, name)
    found: dict[str, tuple[FileToRead, str]] = {}
    issues: list[Issue] = []
    for path in corpus.paths:
        places, left_out = expand(path, f"corpora.{name}.path")
        formats = [format_of(_name_of(place), corpus.format) for place in places]
        if not any(formats):
            raise InputError(
                f"corpora.{name}.path: {path!r} has {len(places)} file(s), the first "
                f"{places[0].path!r}, and no name says a format ({', '.join(_FORMATS)}, also .gz "
                f'.zst); set corpora.{name}.format = "jsonl", or what they are'
            )
        issues += left_out
        for place, kind in zip(places, formats, strict=True):
            if place.path in found:
                issues.append(_note(place, "same_file", f"also under {path!r}; read once"))
            elif kind is None:
                issues.append(_note(place, "unknown_format", "no known ending; left out"))
            else:
                found[place.path] = place, kind
    once, again = _once([place for place, _ in found.values()])
    splits = [split for at in once for split in _splits(at, found[at.path][1], corpus)]
    return sorted(_distinctly_named(splits), key=lambda s: (s.path, s.start)), issues + again


def _once(places: list[FileToRead]) -> tuple[list[FileToRead], list[Issue]]:
    """Keeps one name of each file, preferably not a link, and returns notes on the others."""
    names: dict[object, list[FileToRead]] = {}
    for place in places:
        names.setdefault(place.identity or place.path, []).append(place)
    issues = []
    for own in names.values():
        if len(own) > 1:
            own.sort(key=lambda place: (_by_link(place), place.path))
        detail = f"the same file as {own[0].path!r}; read once"
        issues += [_note(place, "same_file", detail) for place in own[1:]]
    return [own[0] for own in names.values()], issues


def _by_link(place: FileToRead) -> bool:
    return os.path.realpath(place.location.path) != place.location.path


def find_all(corpora: Mapping[str, Corpus]) -> dict[str, tuple[list[Split], list[Issue]]]:
    """Returns what `find` returns, for each corpus of files.

    Raises what `find` raises, and ConfigError if both sides read the same texts.
    """
    found = {name: find(corpus, name) for name, corpus in corpora.items() if corpus.paths}
    known = {name: _known_by(splits) for name, (splits, _) in found.items()}
    check_sides(corpora, {**_tables(corpora), **known})
    return found


def check(corpora: Mapping[str, Corpus]) -> None:
    """Raises what `find_all` raises for missing files, without listing a remote folder.

    A remote pattern is not checked: that takes a listing, which `find_all` makes anyway.
    """
    known = _tables(corpora)
    for name, corpus in corpora.items():
        if not corpus.paths:
            continue
        check_text_settings(corpus, name)
        remote = [path for path in corpus.paths if not is_local(path)]
        known[name] = {path: path for path in remote}
        if not remote:
            known[name] = _known_by(find(corpus, name)[0])
        for path in remote:
            check_remote(path, f"corpora.{name}.path")
    check_sides(corpora, known)


def _tables(corpora: Mapping[str, Corpus]) -> dict[str, dict[Hashable, str]]:
    """Returns what each corpus of a table or a query is known by; a DataFrame's identity is not
    seen here."""
    return {
        name: {} if corpus.table == DATAFRAME else {corpus.where: corpus.where}
        for name, corpus in corpora.items()
        if not corpus.paths
    }


def _known_by(splits: list[Split]) -> dict[Hashable, str]:
    known: dict[Hashable, str] = {}
    for path in dict.fromkeys(split.path for split in splits):
        with suppress(FileNotFoundError):  # the task that reads it reports it
            known[identity(Location.locate(path)) or path] = path
    return known


def check_text_settings(corpus: Corpus, name: str) -> None:
    """Raises ConfigError for an unknown encoding or an empty separator."""
    try:
        codecs.getincrementaldecoder(corpus.encoding)
        "\n".encode(corpus.encoding)
    except (LookupError, ValueError) as error:  # for a name with a zero byte
        raise ConfigError(
            f"corpora.{name}.encoding: {corpus.encoding!r} is not a text encoding ({error}); "
            f'use "utf-8", "latin-1", "cp1252", "utf-16" or another that Python knows'
        ) from error
    if not corpus.document:
        raise ConfigError(
            f"corpora.{name}.document: an empty separator ends no document; use 'file', 'line' "
            f"or the text between documents"
        )


def format_of(path: str, setting: str) -> str | None:
    """Returns the format by the setting, or by the file name if that is "auto"; None if unknown."""
    if setting != "auto":
        return setting
    endings = posixpath.basename(path).lower().split(".")[1:]
    if endings and endings[-1] in _COMPRESSIONS:
        endings.pop()
    return _FORMATS.get(endings[-1]) if endings else None


def _name_of(place: FileToRead) -> str:
    """Returns the path by itself: without options, what it is chained to, and an address's
    query."""
    path = place.location.path
    return path.partition("?")[0] if "://" in path else path


def ranges(size: int, width: int) -> list[tuple[int, int]]:
    """Returns byte ranges (start, end) of about `width` that cover `size` bytes."""
    count = max(1, -(-size // width))
    return list(pairwise(size * i // count for i in range(count + 1)))


def _note(place: FileToRead, reason: str, detail: str) -> Issue:
    return Issue(place.path, "", "noted", reason, detail)


def _splits(place: FileToRead, kind: str, corpus: Corpus) -> list[Split]:
    ending = _name_of(place).rpartition(".")[2].lower()
    packed = _COMPRESSIONS.get(ending, "none")
    whole = Split(place.path, place.name, kind, packed, size=place.size, stamp=place.stamp)
    cuts: list[tuple[int, int]] = []
    if place.size > SPLIT_BYTES:
        try:
            if kind == "parquet":
                cuts = _row_groups(place)
            elif _has_lines(kind, corpus) and is_plain(place.path, corpus.encoding):
                cuts = ranges(place.size, SPLIT_BYTES)
        except (OSError, pa.ArrowException, UnicodeDecodeError):
            cuts = []  # the task that reads the file reports it, with its place in the rejects
    if len(cuts) < 2:
        return [whole]
    return [replace(whole, start=start, end=end) for start, end in cuts]


def _has_lines(kind: str, corpus: Corpus) -> bool:
    return kind == "jsonl" or (kind == "text" and corpus.document == "line")


def _row_groups(place: FileToRead) -> list[tuple[int, int]]:
    at = place.location
    with at.filesystem.open_input_file(at.path) as file:
        metadata = pq.ParquetFile(file).metadata
        return group(
            [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)],
            SPLIT_BYTES,
        )


def group(sizes: list[int], width: int) -> list[tuple[int, int]]:
    """Returns runs (first, past the last) of consecutive sizes: each one size, or at most
    `width`."""
    runs: list[tuple[int, int]] = []
    first, total = 0, 0
    for i, size in enumerate(sizes):
        if i > first and total + size > width:
            runs.append((first, i))
            first, total = i, 0
        total += size
    return [*runs, (first, len(sizes))]


def _distinctly_named(splits: list[Split]) -> Iterator[Split]:
    paths: dict[str, set[str]] = {}
    for split in splits:
        paths.setdefault(split.name, set()).add(split.path)
    for split in splits:
        if len(paths[split.name]) == 1:
            yield split
        else:
            yield replace(split, name=split.path)
