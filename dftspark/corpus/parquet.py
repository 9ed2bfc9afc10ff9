"""Parquet: rows under named columns.

Cost: the rows of one batch, which `parquet_pages` bounds by their decoded size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.files import Split
from dftspark.corpus.mapping import Mapping
from dftspark.corpus.parquet_pages import batch_rows
from dftspark.corpus.rows import Damaged, Issue, Notes, SourceRow, excerpt
from dftspark.location import Location, redact

_BUFFER = 1 << 20  # of a column chunk in its file, which would be held whole otherwise


def read_parquet(
    split: Split, corpus: Corpus, cleaning: Cleaning, notes: Notes
) -> Iterator[SourceRow | Issue]:
    """Yields the rows of the split's row groups, with the columns that are used.

    A column of lists, maps or structs has no single value, so it is not decoded: each row has an
    empty one in it. Raises OSError or ArrowException if the file cannot be opened, Damaged if a row
    group cannot be read.
    """
    mapping = Mapping.of(corpus)
    place = Location.locate(split.path)
    with place.filesystem.open_input_file(place.path) as file:
        parquet = _opened(file)
        fields = [field for field in parquet.schema_arrow if field.name in mapping.sources]
        if len({field.name for field in fields}) < len(fields):
            twice = sorted(field.name for field in fields)
            raise OSError(f"a column that is looked at comes twice: {twice}; rename one")
        last = split.end if split.end >= 0 else parquet.metadata.num_row_groups
        groups = range(split.start, last)
        before = _row_count(parquet.metadata, range(split.start))
        names = parquet.schema_arrow.names
        # If there is no text, the reject lists the columns that exist.
        blank = {} if mapping.text in names else dict.fromkeys(names)
        blank |= {field.name: _nothing(field.type) for field in fields if _is_nested(field.type)}
        flat = [field.name for field in fields if not _is_nested(field.type)]
        number = before
        try:
            for batch in _batches(file, parquet, groups, flat, cleaning.max_document_bytes):
                for record in _records(batch):
                    number += 1
                    values = dict(zip(flat, record, strict=True))
                    yield SourceRow(f"row {number}", {**blank, **values} if blank else values)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # of a column's name
            damage = Damaged("unreadable_file", excerpt(redact(str(error)), 300))
            damage.position = f"row {number + 1}"
            damage.total = _row_count(parquet.metadata, groups)
            raise damage from error


def _opened(file: Any) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file, buffer_size=_BUFFER)
        _ = parquet.schema_arrow.names, [column.path for column in parquet.schema]
        return parquet
    except UnicodeDecodeError as error:
        raise OSError(f"a column's name is not UTF-8: {excerpt(error.object)}") from error


def _batches(
    file: Any, parquet: pq.ParquetFile, groups: range, columns: list[str], limit: int
) -> Iterator[pa.RecordBatch]:
    for group in groups:
        rows = batch_rows(file, parquet.metadata.row_group(group), columns, limit)
        yield from parquet.iter_batches(
            batch_size=rows, row_groups=[group], columns=columns, use_threads=False
        )


def _records(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    lists = [_values(column) for column in batch.columns]
    yield from zip(*lists, strict=True) if lists else ((),) * batch.num_rows


def _row_count(metadata: pq.FileMetaData, groups: range) -> int:
    return sum(metadata.row_group(i).num_rows for i in groups)


def _is_nested(kind: Any) -> bool:
    return bool(
        pa.types.is_nested(kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)
    )


def _nothing(kind: Any) -> list[Any] | dict[str, Any]:
    return {} if pa.types.is_struct(kind) or pa.types.is_map(kind) else []


def _values(column: Any) -> list[Any]:
    """Returns Python values; strings that are not UTF-8 as bytes, narrow floats as people wrote
    them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        narrow = np.float32 if pa.types.is_float32(kind) else np.float16
        # 0.7 in 32 bits is 0.699999988 in 64; its shortest spelling in 32 bits is what was meant.
        return [v if v is None else float(str(narrow(v))) for v in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
    except (ValueError, OverflowError):  # a date that Python's calendar does not reach
        whole = pa.int64() if pa.types.is_duration(kind) else pa.string()
        values = column.cast(whole).to_pylist()
    return values
