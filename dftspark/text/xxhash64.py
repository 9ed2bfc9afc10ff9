"""The function `xxhash64` of Spark SQL, for rows that Spark does not have.

Samples are drawn by this hash, so what is drawn without Spark is what Spark would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

_SEED = 42  # Spark's


def xxhash64(first: Sequence[str | int], values: Iterable[str | bytes]) -> NDArray[np.int64]:
    """Returns what `xxhash64(*first, value)` is in Spark SQL for each of `values`, as int64.

    A hash of several values is a chain, in which each is the seed of the next.
    """
    seed = _SEED
    for value in first:
        seed = xxhash.xxh64_intdigest(_bytes(value), seed)
    found = (
        xxhash.xxh64_intdigest(value.encode() if isinstance(value, str) else value, seed)
        for value in values
    )
    return np.fromiter(found, np.uint64).view(np.int64)


def of_rows(columns: Sequence[Iterable[str | None]]) -> list[int]:
    """Returns what `xxhash64(*columns)` is in Spark SQL for each row of these columns of text. A
    null changes nothing."""
    found = []
    for row in zip(*columns, strict=True):
        seed = _SEED
        for value in row:
            if value is not None:
                seed = xxhash.xxh64_intdigest(value.encode(), seed)
        found.append(seed - (1 << 64) if seed >> 63 else seed)
    return found


def _bytes(value: str | int) -> bytes:
    if isinstance(value, str):
        return value.encode()
    width = 4 if -(1 << 31) <= value < 1 << 31 else 8  # as Spark takes literals
    return value.to_bytes(width, "little", signed=True)
