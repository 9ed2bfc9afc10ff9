"""Rows in the tasks that they name.

DataFrame.repartitionById does this from Spark 4.1 on. Here it is done by `repartition`, which every
Spark 4 has: it places a row by the hash of a value, so each task gets a value whose hash leads to
it.

Cost    about tasks * log(tasks) hashes on the driver
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_SEED = 42  # of HashPartitioning


def placed(rows: DataFrame, tasks: int, column: str) -> DataFrame:
    """Returns the rows in `tasks` partitions, each row in the one that its integer column numbers,
    from 0 up to, but not including, `tasks`."""
    keys = ", ".join(map(str, _keys(tasks)))  # as a text: one call of Java's instead of thousands
    return rows.repartition(tasks, F.expr(f"element_at(array({keys}), {column} + 1)"))


@cache
def _keys(tasks: int) -> tuple[int, ...]:
    """Returns for each task the smallest integer that Spark's hash partitioning gives to it."""
    found: dict[int, int] = {}
    start, step = 0, 16 * tasks
    while len(found) < tasks:
        numbers = np.arange(start, start + step, dtype=np.uint32)
        places, first = np.unique(_murmur3(numbers) % np.int32(tasks), return_index=True)
        for place, at in zip(places.tolist(), first.tolist(), strict=True):
            found.setdefault(place, start + at)
        start += step
    return tuple(found[task] for task in range(tasks))


def _murmur3(numbers: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Returns the 32-bit Murmur3 hash of each 32-bit integer, signed, as Spark computes it."""
    with np.errstate(over="ignore"):
        mixed = _turned(numbers * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        state = _turned(np.uint32(_SEED) ^ mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
        state ^= np.uint32(4)  # the length in bytes
        state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        state ^= state >> np.uint32(16)
    return state.view(np.int32)


def _turned(bits: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
    return (bits << np.uint32(by)) | (bits >> np.uint32(32 - by))
