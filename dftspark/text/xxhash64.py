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


def _bytes(value: str | int) -> bytes:
    if isinstance(value, str):
        return value.encode()
    width = 4 if -(1 << 31) <= value < 1 << 31 else 8  # as Spark takes literals
    return value.to_bytes(width, "little", signed=True)
