"""Count-Sketch: a linear random map of counts by 64-bit key that keeps L2 distances.

Keys are uniform 64-bit hashes, as `hashing` makes them. Row 0 takes its bucket from the top bits of
the key as they are, so a range of keys owns a contiguous slice of buckets, and the task that holds
the range fills only that slice. All signs, and the buckets of further rows, are independent hashes
of the key and the seed. The lowest BLOCK_BITS bits of a key carry its block and do not count: keys
that differ in nothing else share every bucket and sign.

State    (rows, width)  int64 or float64  two sketches of one width, rows and seed add and subtract
Cost     one hash and one addition per key and row
Source   Alon, Matias and Szegedy (1996); Charikar, Chen and Farach-Colton (2002);
         Minton and Price (2014)
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dftspark.compiled import compiled
from dftspark.errors import ConfigError, ShapeError
from dftspark.lenses.ngrams.counting import Counted, rate_of
from dftspark.lenses.ngrams.keys import ngram_key
from dftspark.text.hashing import BLOCK_BITS, mix64

_BLOCK_MASK = np.uint64((1 << int(BLOCK_BITS)) - 1)
_SALT = 0x9E3779B97F4A7C15  # steps of the golden ratio: unlike salts for every row and seed


def count_sketch(
    keys: NDArray[np.uint64], values: ArrayLike, *, width: int, rows: int = 1, seed: int = 0
) -> NDArray[Any]:
    """Sketches `values` `(K,)` at `keys` `(K,)`, which may repeat, as `(rows, width)`.

    Integer values are summed in int64, exactly while the sums of their sizes stay below 2**63;
    floating ones in float64, in the order given. Sketches of corpora are normalized after, not
    before, they are made: the error is then that of the difference, not of either side.

    Raises ShapeError for keys or values of another shape or type, ConfigError for a width that is
    not a power of two.
    """
    keys = _checked_keys(keys)
    values = np.asarray(values)
    if values.shape != keys.shape:
        raise ShapeError(
            f"keys have shape {keys.shape}, values {values.shape}; give one value per key"
        )
    if values.dtype != np.bool_ and np.can_cast(values.dtype, np.int64):
        dtype: type[np.int64] | type[np.float64] = np.int64
    elif np.issubdtype(values.dtype, np.floating):
        dtype = np.float64
    else:
        raise ShapeError(
            f"values are {values.dtype}; give integers that fit int64, or floating-point numbers"
        )
    if not 2 <= width <= 1 << 32 or width & (width - 1) or rows < 1:
        raise ConfigError(
            f"a sketch has a width that is a power of two from 2 to 2**32 and at least 1 row, "
            f"got width {width} and {rows} rows"
        )
    sketch = np.zeros((rows, width), dtype)
    _add(sketch, keys, values.astype(dtype, copy=False), _salts(rows, seed), _shift(width))
    return sketch


def add_to_blocks(
    counts: NDArray[np.int64],
    rates: NDArray[np.int64],
    rows: Counted,
    width: int,
    part: int,
    seed: int,
) -> None:
    """Adds n-grams to the row-0 sketches of their blocks' counts and of their rates, in place.

    `counts` and `rates` `(64, width / parts)` hold the buckets of key range `part`, in which all
    keys lie. Raises ShapeError where one does not.
    """
    first = part * counts.shape[1]
    shift = _shift(width)
    if len(rows.key):
        low, high = (int(key >> shift) - first for key in (rows.key[0], rows.key[-1]))
        if low < 0 or high >= counts.shape[1]:
            raise ShapeError(
                f"key range {part} of width {width} has {counts.shape[1]} buckets; the rows' keys "
                f"belong to buckets {low} to {high} of it"
            )
    salt = _salts(1, seed)[0]
    _add_to_blocks(
        counts, rates, rows.key, rows.count, rows.length, rows.several, salt, shift, first
    )


def rates_of_documents(
    hashes: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    n: int,
    *,
    width: int,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Sketches each document's n-gram rates, `(D, width)`: row 0 of `count_sketch`.

    `hashes` `(T,)` are tokens, of which document d has `offsets[d]:offsets[d + 1]`. Their sum over
    the documents of a block is its `BlockSketch.rates`, except for the fixed point. A document of
    fewer than n tokens has zeros.
    """
    out = np.zeros((len(offsets) - 1, width), np.float32)
    _add_rates(out, hashes, offsets, n, _salts(1, seed)[0], _shift(width))
    return out


def folded(sketch: NDArray[Any], width: int) -> NDArray[Any]:
    """Folds sketches `(..., W)` to fewer buckets, `(..., width)`, as they would have been made.

    Holds only for row 0, whose buckets are the first bits of a key.
    """
    return np.asarray(sketch.reshape(*sketch.shape[:-1], width, -1).sum(axis=-1))


def squared_norm(sketch: NDArray[Any]) -> float:
    """Returns an unbiased estimate of the sum of squared counts, |c|^2, by the mean over rows.

    Relative standard deviation at most sqrt(2 / (width * rows)), whatever the number of keys. On a
    difference of two normalized sketches it estimates the squared L2 distance, plus the sampling
    bias that the exact plug-in value has.
    """
    cells = sketch.astype(np.float64)
    return float(np.einsum("rw,rw->", cells, cells) / len(cells))


def estimate(
    sketch: NDArray[Any], keys: NDArray[np.uint64], *, seed: int = 0
) -> NDArray[np.float64]:
    """Estimates the count of each key, `(K,)`: the median over rows of sketch `(rows, width)`.

    `seed` is the one the sketch was made with. The error of one row has standard deviation at most
    |c| / sqrt(width). Takes 8 * rows * K bytes.
    """
    keys = _checked_keys(keys)
    if sketch.ndim != 2:
        raise ShapeError(f"a sketch has shape (rows, width), got {sketch.shape}")
    rows, width = sketch.shape
    cells = sketch.astype(np.float64, copy=False)
    per_row = _look_up(cells, keys, _salts(rows, seed), _shift(width))
    return np.asarray(np.median(per_row, axis=0), np.float64)


def _checked_keys(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    if keys.ndim != 1 or keys.dtype != np.uint64:
        raise ShapeError(f"keys are (K,) uint64, got {keys.shape} {keys.dtype}")
    return keys


def _salts(rows: int, seed: int) -> NDArray[np.uint64]:
    first = int(mix64(np.uint64((seed + _SALT) % 2**64)))
    return np.array([(first + row * _SALT) % 2**64 for row in range(rows)], np.uint64)


def _shift(width: int) -> np.uint64:
    return np.uint64(64 - (width.bit_length() - 1))


@numba.njit(inline="always")
def _place(key: Any, row: Any, salt: Any, shift: Any) -> Any:
    """Returns bucket and sign of a key in a row: the top bits and the lowest bit of one hash."""
    h = mix64(mix64(key >> BLOCK_BITS) ^ salt)
    bucket = key >> shift if row == 0 else h >> shift
    return np.int64(bucket), np.int64(1) - np.int64(2) * np.int64(h & np.uint64(1))


@compiled
def _add(sketch: Any, keys: Any, values: Any, salts: Any, shift: Any) -> None:
    for row in range(len(salts)):
        for k in range(len(keys)):
            bucket, sign = _place(keys[k], row, salts[row], shift)
            sketch[row, bucket] += sign * values[k]


@compiled
def _add_to_blocks(
    counts: Any,
    rates: Any,
    keys: Any,
    count: Any,
    length: Any,
    several: Any,
    salt: Any,
    shift: Any,
    first: Any,
) -> None:
    kept = 0
    for k in range(len(keys)):
        bucket, sign = _place(keys[k], 0, salt, shift)
        block = np.int64(keys[k] & _BLOCK_MASK)
        if count[k]:
            counts[block, bucket - first] += sign * np.int64(count[k])
            rates[block, bucket - first] += sign * rate_of(count[k], length[k])
        else:
            counts[block, bucket - first] += sign * several[0, kept]
            rates[block, bucket - first] += sign * several[3, kept]
            kept += 1


@compiled
def _add_rates(out: Any, hashes: Any, offsets: Any, n: int, salt: Any, shift: Any) -> None:
    for d in range(len(out)):
        count = offsets[d + 1] - offsets[d] - n + 1
        if count < 1:
            continue
        share = np.float32(1.0 / count)
        for i in range(offsets[d], offsets[d] + count):
            bucket, sign = _place(ngram_key(hashes, i, n, np.uint64(0)), 0, salt, shift)
            out[d, bucket] += sign * share


@compiled
def _look_up(sketch: Any, keys: Any, salts: Any, shift: Any) -> Any:
    out = np.empty((len(salts), len(keys)), np.float64)
    for row in range(len(salts)):
        for k in range(len(keys)):
            bucket, sign = _place(keys[k], row, salts[row], shift)
            out[row, k] = sign * sketch[row, bucket]
    return out
