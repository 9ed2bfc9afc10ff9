"""Parquet: rows under named columns.

Cost: the rows of one batch, which `parquet_pages` bounds by their decoded size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark.config import Cleaning, Corpus
from dftspark.corpus.arrow_rows import is_chat, is_nested, records
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

    A column of lists, maps or structs that is not to be opened has no single value, so it is not
    decoded: each row has an empty one in it. Raises OSError or ArrowException if the file cannot be
    opened, Damaged if a row group cannot be read.
    """
    mapping = Mapping.of(corpus)
    place = Location.locate(split.path)
    with place.filesystem.open_input_file(place.path) as file:
        parquet = _opened(file)
        fields = [field for field in parquet.schema_arrow if field.name in mapping.columns]
        if len({field.name for field in fields}) < len(fields):
            twice = sorted(field.name for field in fields)
            raise OSError(f"a column that is looked at comes twice: {twice}; rename one")
        last = split.end if split.end >= 0 else parquet.metadata.num_row_groups
        groups = range(split.start, last)
        before = _row_count(parquet.metadata, range(split.start))
        names = parquet.schema_arrow.names
        # If there is no text, the reject lists the columns that exist.
        blank = {} if mapping.text in names else dict.fromkeys(names)
        closed = {f.name for f in fields if is_nested(f.type) and not _is_opened(f, mapping)}
        blank |= {field.name: _nothing(field.type) for field in fields if field.name in closed}
        taken = [field.name for field in fields if field.name not in closed]
        number = before
        try:
            for batch in _batches(file, parquet, groups, taken, cleaning.max_document_bytes):
                for record in records(batch):
                    number += 1
                    values = dict(zip(taken, record, strict=True))
                    yield SourceRow(f"row {number}", {**blank, **values} if blank else values)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # of a column's name
            damage = Damaged("unreadable_file", excerpt(redact(str(error)), 300))
            damage.position = f"row {number + 1}"
            damage.total = _row_count(parquet.metadata, groups)
            raise damage from error


def _is_opened(field: pa.Field, mapping: Mapping) -> bool:
    on_path = any(path.column == field.name for _, path in mapping.paths)
    return on_path or (field.name in (mapping.text, mapping.prompt) and is_chat(field.type))


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


def _row_count(metadata: pq.FileMetaData, groups: range) -> int:
    return sum(metadata.row_group(i).num_rows for i in groups)


def _nothing(kind: Any) -> list[Any] | dict[str, Any]:
    return {} if pa.types.is_struct(kind) or pa.types.is_map(kind) else []
