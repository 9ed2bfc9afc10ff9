"""Files of a table of states, one corpus at a time: of one run, or of the runs of many days.

Cost     the footers of all files, then the bytes of what is asked for
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark.location import Location
from dftspark.store import publish


@dataclass(frozen=True)
class StateTable:
    """Parquet files by path, whose rows have a `corpus` and a `stratum`.

    Tasks receive it and open the files themselves. Raises OSError and pyarrow.ArrowInvalid for
    files that cannot be read, including a page that has changed since it was written.
    """

    files: tuple[str, ...]

    @classmethod
    def of(cls, tables: Iterable[str]) -> StateTable:
        """Makes it from the tables, or their files, at these paths."""
        found = []
        for place in map(Location.parse, tables):
            found += [place.at(path).name for path in sorted(publish.files_of(place))]
        return cls(tuple(found))

    def tables(self, columns: Sequence[str], corpus: str | None = None) -> Iterator[pa.Table]:
        """Yields the rows of a corpus, or of all, in the order of the files, some at a time."""
        for file in self._opened():
            for group in range(file.metadata.num_row_groups):
                if corpus is None:
                    yield file.read_row_group(group, columns=list(columns)).select(columns)
                elif _may_have(file, group, corpus):
                    table = file.read_row_group(group, columns=[*{*columns, "corpus"}])
                    yield table.filter(pc.equal(table["corpus"], corpus)).select(columns)

    def rows(self, columns: Sequence[str], corpus: str | None = None) -> Iterator[dict[str, Any]]:
        """Yields the rows of `tables` one by one, with binary columns as buffers."""
        for table in self.tables(columns, corpus):
            yield from _rows(table, columns)

    def distinct(self, *columns: str) -> list[tuple[Any, ...]]:
        """Returns the different values of these columns, in order."""
        found = (file.read(columns=list(columns)).select(columns) for file in self._opened())
        return sorted({tuple(row.values()) for table in found for row in table.to_pylist()})

    def _opened(self) -> Iterator[pq.ParquetFile]:
        for place in map(Location.parse, self.files):
            with place.filesystem.open_input_file(place.path) as stream:
                yield pq.ParquetFile(stream, page_checksum_verification=True)


def _may_have(file: pq.ParquetFile, group: int, corpus: str) -> bool:
    at = file.schema_arrow.get_field_index("corpus")
    found: Any = file.metadata.row_group(group).column(at).statistics
    return found is None or not found.has_min_max or found.min <= corpus <= found.max


def _rows(table: pa.Table, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in range(table.num_rows):
        values = {name: table[name][row] for name in columns}
        yield {
            name: value.as_buffer() if pa.types.is_binary(value.type) else value.as_py()
            for name, value in values.items()
        }
