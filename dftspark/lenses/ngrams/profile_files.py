"""N-gram profiles as files: the totals of all, and the states of one key range at a time.

Each row is a row group of its own, so the footers show which bytes a key range has, in one run or
in those of many days. A task reads only these, and no state crosses a shuffle.

Cost     the footers of all files, then the bytes of what is asked for
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark import schema
from dftspark.lenses.ngrams.statistic_counts import TOTALS
from dftspark.location import Location
from dftspark.state import decode_arrays
from dftspark.store import publish

Range = tuple[int, int]  # n, part
Totals = dict[tuple[str, str, int], dict[str, NDArray[np.int64]]]


class ProfileFiles:
    """The rows of schema.PROFILE in tables, or files of such tables, at `paths`.

    Raises FileNotFoundError where there is no file, OSError and pyarrow.ArrowInvalid for files that
    cannot be read, for instance with a page that has changed since it was written.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.parts = tuple(
            place.at(path) for place in map(Location.parse, paths) for path in _files_of(place)
        )
        self._files = [
            pq.ParquetFile(
                part.filesystem.open_input_file(part.path),
                page_checksum_verification=True,
                pre_buffer=True,
            )
            for part in self.parts
        ]

    @property
    def paths(self) -> list[str]:
        """Paths of the files, one by one: opening these gives what this has, or fails."""
        return [part.name for part in self.parts]

    @cached_property
    def _places(self) -> dict[Range, list[tuple[int, int]]]:
        """File and row group of each key range."""
        found: dict[Range, list[tuple[int, int]]] = defaultdict(list)
        for number, file in enumerate(self._files):
            for group in range(file.metadata.num_row_groups):
                for key in _ranges_of(file, group):
                    found[key].append((number, group))
        return found

    @property
    def ranges(self) -> list[Range]:
        return sorted(key for key in self._places if key[0] != schema.WHOLE)

    def rows(self, key: Range, columns: list[str]) -> pa.Table:
        """Returns the rows of one key range of one order."""
        groups: dict[int, list[int]] = defaultdict(list)
        for number, group in self._places.get(key, []):
            groups[number].append(group)
        own = (pc.field("n") == key[0]) & (pc.field("part") == key[1])
        tables = []
        for number, of_file in groups.items():
            mixed = any(len(_ranges_of(self._files[number], group)) > 1 for group in of_file)
            wanted = [*columns, "n", "part"] if mixed else columns
            table = self._files[number].read_row_groups(of_file, columns=wanted)
            tables.append(table.filter(own).select(columns) if mixed else table.select(columns))
        return pa.concat_tables(tables) if tables else _none(columns)

    def every(self, columns: list[str]) -> pa.Table:
        tables = [file.read(columns=columns).select(columns) for file in self._files]
        return pa.concat_tables(tables) if tables else _none(columns)

    @cached_property
    def totals(self) -> Totals:
        """Totals `(64,)` by name for each (corpus, stratum, n): a few kilobytes each."""
        return totals_of(self.every(["corpus", "stratum", "n", "totals"]))


def totals_of(rows: pa.Table) -> Totals:
    """Returns totals as `ProfileFiles.totals`, from rows with corpus, stratum, n and totals."""
    found: Totals = {}
    for row in rows.to_pylist():
        if row["n"] == schema.WHOLE:
            continue
        (stacked,) = decode_arrays(row["totals"], "totals")
        sums = found.setdefault((row["corpus"], row["stratum"], row["n"]), {})
        for name, values in zip(TOTALS, stacked, strict=True):
            sums[name] = sums[name] + values if name in sums else values
    return found


def _ranges_of(file: pq.ParquetFile, group: int) -> list[Range]:
    """Returns the key ranges of a row group, by its statistics, or by its rows if several."""
    found = []
    for name in ("n", "part"):
        at = file.schema_arrow.get_field_index(name)
        statistics: Any = file.metadata.row_group(group).column(at).statistics
        if statistics is None or not statistics.has_min_max or statistics.min != statistics.max:
            rows = file.read_row_group(group, columns=["n", "part"])
            return sorted(set(zip(*(rows[c].to_pylist() for c in ("n", "part")), strict=True)))
        found.append(statistics.min)
    return [(found[0], found[1])]


def _files_of(place: Location) -> list[str]:
    found = sorted(publish.files_of(place))
    if not found:
        raise FileNotFoundError(f"{place} has no Parquet file")
    return found


def _none(columns: list[str]) -> pa.Table:
    return pa.schema([schema.PROFILE.field(name) for name in columns]).empty_table()
