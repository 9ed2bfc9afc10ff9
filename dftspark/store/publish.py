"""The step that makes a run visible: read every table back, then put the manifest in place.

A killed or failed run must leave nothing that looks finished, so the manifest is the last file to
appear, as a whole or not at all, and it never replaces another.
"""

from __future__ import annotations

import errno
import math
import numbers
import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileInfo, FileType

from dftspark import schema
from dftspark.errors import EnvironmentProblem, ShapeError
from dftspark.location import Location, move, redact

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_READERS = 16


def check_columns(name: str, found: pa.Schema) -> None:
    """Raises ShapeError, with the difference, if the columns are not the table's."""
    if name not in schema.TABLES:
        raise ShapeError(f"schema.TABLES has no table {name!r}; it has {sorted(schema.TABLES)}")
    expected = [(column.name, column.type) for column in schema.TABLES[name]]
    got = [(column.name, column.type) for column in found]
    if got != expected:
        raise ShapeError(
            f"table {name} is not as schema.TABLES says\n"
            f"  missing    {[f'{n}: {kind}' for n, kind in expected if (n, kind) not in got]}\n"
            f"  not in it  {[f'{n}: {kind}' for n, kind in got if (n, kind) not in expected]}\n"
            f"  order expected  {[n for n, _ in expected]}"
        )


Files = dict[str, int]  # sizes by path


def files_of(table: Location) -> Files:
    return {part.path: part.size for part in parts_of(table)}


def tables(run: Location, written: Mapping[str, Files]) -> dict[str, dict[str, int]]:
    """Returns parts, rows and bytes of every table in a run's folder.

    Raises EnvironmentProblem if a table is broken, or its files are not those that were `written`,
    by the table's name.
    """
    names = {
        i.base_name.removesuffix(".parquet")
        for i in run.children()
        if i.base_name.endswith(".parquet")
    }
    found = {}
    for name in sorted(names | written.keys()):
        table = run / f"{name}.parquet"
        parts = parts_of(table)
        now = {part.path: part.size for part in parts}
        if now != written.get(name, now):
            raise EnvironmentProblem(_changed(table, written[name], now))
        found[name] = _read_back(table, parts)
    return found


def _changed(table: Location, written: Files, now: Files) -> str:
    gone, other = sorted(written.keys() - now.keys()), sorted(now.items() - written.items())
    what = f"{gone[0]} is gone" if gone else f"{other[0][0]} is another than was written"
    return (
        f"{table} changed while the run was made: {what}; it was written in {len(written)} files "
        f"of {sum(written.values()):,} bytes and has {len(now)} of {sum(now.values()):,}. The run "
        f"is not published; see what else writes or deletes there, and start it again."
    )


def written(run: Location, names: Iterable[str]) -> dict[str, dict[str, int]]:
    """Returns rows and bytes of those tables that are whole in the folder of an unfinished run."""
    found: dict[str, dict[str, int]] = {}
    for name in names:
        table = run / f"{name}.parquet"
        # Spark puts the mark there when all parts of a table are in place.
        if table.kind == FileType.File or (table / "_SUCCESS").kind == FileType.File:
            with suppress(EnvironmentProblem, ShapeError):
                found[name] = _read_back(table, parts_of(table))
    return found


def parts_of(table: Location) -> list[FileInfo]:
    """Returns a table's Parquet files: itself, or those in its folder without hidden ones; none if
    missing."""
    if table.kind != FileType.Directory:
        info = table.filesystem.get_file_info(table.path)
        return [info] if info.type == FileType.File else []
    return [
        info
        for info in table.children(recursive=True)
        if info.type == FileType.File
        and info.base_name.endswith(".parquet")
        and not any(
            part.startswith((".", "_")) for part in info.path[len(table.path) + 1 :].split("/")
        )
    ]


def _read_back(table: Location, parts: list[FileInfo]) -> dict[str, int]:
    # A footer that can be read also proves that its file is whole.
    if not parts:
        raise EnvironmentProblem(
            f"{table} has no Parquet file after it was written. `out` must be storage that the "
            f"driver and every executor see."
        )
    with ThreadPoolExecutor(_READERS) as pool:
        rows = list(pool.map(partial(_rows, table), parts))
    return {"parts": len(parts), "rows": sum(rows), "bytes": sum(part.size for part in parts)}


def _rows(table: Location, part: FileInfo) -> int:
    try:
        if table.local:
            _sync(part.path)
        with table.filesystem.open_input_file(part.path) as file:
            footer = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:  # of a garbled name
        raise EnvironmentProblem(
            f"{part.path} cannot be read back after it was written: {error} The run is not "
            f"published; start it again."
        ) from error
    name = table.path.rsplit("/", 1)[-1].removesuffix(".parquet")
    if name in schema.TABLES:
        check_columns(name, footer.schema_arrow)
    return int(footer.metadata.num_rows)


def put(folder: Location, name: str, data: bytes) -> None:
    """Makes the file in one step. Raises FileExistsError on local storage if it exists."""
    target, temporary = folder / name, folder / f".{name}.{secrets.token_hex(3)}"
    if folder.whole:
        _write(target, data)
        return
    if not folder.local:
        _write(temporary / name, data)
        move(temporary / name, target)
        with suppress(OSError):  # a hidden copy that stays behind harms nobody
            folder.filesystem.delete_dir(temporary.path)
        return
    _write(temporary, data)
    _sync(temporary.path)
    _move_without_replacing(temporary.path, target.path)
    _sync(folder.path)
    _sync(str(Path(folder.path).parent))


def _write(target: Location, data: bytes) -> None:
    with target.filesystem.open_output_stream(target.path) as stream:
        stream.write(data)


def _move_without_replacing(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        Path(source).rename(target)
    else:
        Path(source).unlink()


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def plain(value: Any, place: str) -> Any:
    """Returns the value in JSON's types, without secrets and nan."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    raise ShapeError(f"{place} is a {type(value).__name__}, which JSON does not have")
