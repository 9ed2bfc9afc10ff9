"""Rows of Arrow batches as Python values, the same whichever store they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa


def records(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Yields the values of each row."""
    lists = [_values(column) for column in batch.columns]
    yield from zip(*lists, strict=True) if lists else ((),) * batch.num_rows


def is_nested(kind: Any) -> bool:
    """Returns whether a type is of lists, maps or structs."""
    return bool(pa.types.is_nested(_storage(kind)))


def is_chat(kind: Any) -> bool:
    """Returns whether a type is of arrays of messages, which have a role and a content."""
    kind = _storage(kind)
    of = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    is_message = pa.types.is_struct(of) and of is not kind
    return is_message and {"role", "content"} <= {field.name for field in of}


def _storage(kind: Any) -> Any:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


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
    if pa.types.is_timestamp(kind) or is_nested(kind):
        column = column.cast(_readable(kind), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(_readable(kind, pa.large_binary()), safe=False).to_pylist()
    except (ValueError, OverflowError):  # a date that Python's calendar does not reach
        whole = pa.int64() if pa.types.is_duration(kind) else pa.string()
        values = column.cast(whole).to_pylist()
    return values


def _readable(kind: Any, strings: Any = None) -> Any:
    """Returns the type with times no finer than Python's and, if asked, with another type in place
    of strings, at any depth."""
    kind = _storage(kind)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_readable(field.type, strings)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_readable(kind.key_type, strings), _readable(kind.item_type, strings))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        of = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return of(kind.value_field.with_type(_readable(kind.value_type, strings)))
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return strings if strings is not None and (is_string or kind == pa.string_view()) else kind
