"""Arrow batches of grouped rows, cut where the group changes, and records of one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

_GROUP = ("corpus", "stratum")


def record(of: pa.Schema, *values: Any) -> pa.RecordBatch:
    """Returns one row of a schema."""
    columns = [pa.array([v], f.type) for v, f in zip(values, of, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=of)


def batch_of(of: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Returns rows of a schema, each with one value per column."""
    columns = zip(*rows, strict=True) if rows else [()] * len(of)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, of, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=of)


def runs(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[tuple[str, str], pa.RecordBatch]]:
    """Yields each batch cut where the corpus or stratum changes."""
    for batch in batches:
        corpus, stratum = (np.array(batch[name].to_pylist(), object) for name in _GROUP)
        changes = (corpus[1:] != corpus[:-1]) | (stratum[1:] != stratum[:-1])
        cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), batch.num_rows]
        for start, end in pairwise(cuts):
            if end > start:
                yield (corpus[start], stratum[start]), batch.slice(start, end - start)


def packed(table: pa.Table) -> bytes:
    """Returns a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def unpacked(data: bytes | memoryview | pa.Buffer) -> pa.Table:
    """Returns the table that `packed` packed."""
    return pa.ipc.open_stream(data).read_all()
