"""The work of a task that reads Parquet files through pyarrow, wherever they are.

Cost    the bytes of the columns that are asked for; a task holds one batch
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.errors import InputError
from dftspark.location import Location

_BATCH = 1024  # rows; Spark's own batches have as many


def task(
    files: list[str], columns: pa.Schema, file: str | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Returns what reads, for every `id` of its batches, the columns of the file at that place; a
    column `file`, if it has a name, says which.

    Raises InputError for a file that is not whole.
    """

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch["id"].to_pylist():
                place = Location.parse(files[number])
                for part in _rows(place, columns):
                    yield part if file is None else _named(part, file, place)

    return run


def _rows(place: Location, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        with place.filesystem.open_input_file(place.path) as source:
            stored = pq.ParquetFile(source, page_checksum_verification=True)
            for batch in stored.iter_batches(_BATCH, columns=columns.names):
                yield batch.select(columns.names).cast(columns)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:  # of a garbled name
        raise InputError(f"{place} cannot be read: {error}") from error


def _named(batch: pa.RecordBatch, column: str, place: Location) -> pa.RecordBatch:
    name = place.path.rsplit("/", 1)[-1]
    return batch.append_column(column, pa.array([name] * batch.num_rows, pa.string()))
