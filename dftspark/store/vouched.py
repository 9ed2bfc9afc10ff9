"""A table on the disk, checked against the manifest of its run.

Parts, rows and bytes must be those that were published. A manifest from before parts were counted
has rows and bytes, which are checked all the same. Pages are read with their checksums.

Cost    one listing of the table's folder, and the footers of its files, which reading needs too
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa

from dftspark.errors import DamagedRun
from dftspark.location import Location, redact
from dftspark.store import publish

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_READERS = 16
_ORDER = ("parts", "rows", "bytes")


def opened(table: Location, said: Mapping[str, int]) -> ds.Dataset:
    """Returns the files of the table after reading their footers.

    Raises DamagedRun, which names the table, unless they match `said`.
    """
    import pyarrow.dataset as ds  # imports pandas, which listing and writing do not need

    pages = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    how = ds.ParquetFileFormat(default_fragment_scan_options=pages)
    parts = sorted(publish.parts_of(table), key=lambda part: str(part.path))
    found = {"parts": len(parts), "bytes": sum(part.size for part in parts)}
    _hold(table, said, found)
    fragments = [how.make_fragment(part.path, table.filesystem) for part in parts]
    try:
        with ThreadPoolExecutor(_READERS) as pool:
            rows = sum(pool.map(_rows, fragments))
        columns = fragments[0].physical_schema
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:  # of a garbled name
        raise unreadable(table, error) from error
    _hold(table, said, {**found, "rows": rows})
    return ds.FileSystemDataset(fragments, columns, how, table.filesystem)


def unreadable(table: Location, error: Exception) -> DamagedRun:
    return DamagedRun(f"table {_name(table)} is damaged: {table} cannot be read: {_plain(error)}")


def _rows(fragment: ds.ParquetFileFragment) -> int:
    return int(fragment.metadata.num_rows)


def _hold(table: Location, said: Mapping[str, int], found: Mapping[str, int]) -> None:
    if all(said[key] == value for key, value in found.items() if key in said):
        return
    now, before = (
        ", ".join(f"{key} {numbers[key]:,}" for key in _ORDER if key in found and key in numbers)
        for numbers in (found, said)
    )
    raise DamagedRun(
        f"table {_name(table)} is damaged: {table} has {now}; it was published with {before}"
    )


def _name(table: Location) -> str:
    return table.path.rsplit("/", 1)[-1].removesuffix(".parquet")


def _plain(error: Exception) -> str:
    return redact(str(error)).strip().rstrip(".")
