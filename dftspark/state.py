"""States: frozen records of arrays, with one lossless codec for all of them."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.errors import StateFormatError

_MAGIC = b"DFTS1\n"  # the digit changes whenever the layout below does
_CODEC = "lz4"


@dataclass(frozen=True, eq=False)
class State:
    """A sufficient statistic: nothing but named arrays, read-only from creation on."""

    def __post_init__(self) -> None:
        for field in fields(self):
            array = np.asarray(getattr(self, field.name)).view()
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)

    def encode(self) -> bytes:
        """Bytes that decode to equal arrays; equal states give equal bytes."""
        return encode_arrays(*(getattr(self, field.name) for field in fields(self)))

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        return cls(*decode_arrays(data, cls.__name__))


@dataclass(frozen=True, eq=False)
class SumState(State):
    """A state whose merge is field-wise addition."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def encode_arrays(*arrays: NDArray[Any]) -> bytes:
    """Sorted uint64 as differences, integers in as few bytes as they need, bytes by place, lz4."""
    heads, parts = [], []
    for array in arrays:
        flat = np.ascontiguousarray(array).reshape(-1)
        sorted_keys = (
            array.dtype == np.uint64 and array.ndim == 1 and bool((flat[1:] >= flat[:-1]).all())
        )
        stored = np.diff(flat, prepend=np.uint64(0)) if sorted_keys else _narrowed(flat)
        planes = np.ascontiguousarray(stored.view(np.uint8).reshape(-1, stored.itemsize).T)
        packed = [pa.compress(memoryview(plane), _CODEC, asbytes=True) for plane in planes]
        heads.append(
            [array.dtype.str, array.shape, stored.dtype.str, sorted_keys, [len(p) for p in packed]]
        )
        parts += packed
    head = json.dumps(heads).encode()
    return b"".join([_MAGIC, struct.pack("<I", len(head)), head, *parts])


def decode_arrays(data: bytes | memoryview, name: str) -> list[NDArray[Any]]:
    view = memoryview(data)
    if bytes(view[: len(_MAGIC)]) != _MAGIC:
        raise StateFormatError(
            f"{name}: expected a state starting {_MAGIC!r}, got {bytes(view[:6])!r}; "
            f"profile the corpus again, old states are not upgraded in place"
        )
    try:
        return _decode_body(view[len(_MAGIC) :])
    except (ValueError, TypeError, struct.error, OSError) as error:
        raise StateFormatError(
            f"{name}: a state of {len(view)} bytes is damaged or cut short ({error}); "
            f"profile the corpus again"
        ) from error


def _decode_body(view: memoryview) -> list[NDArray[Any]]:
    (length,) = struct.unpack("<I", view[:4])
    position = 4 + length
    arrays = []
    for dtype, shape, stored_dtype, sorted_keys, sizes in json.loads(bytes(view[4:position])):
        n = int(np.prod(shape, dtype=np.int64))
        planes = np.empty((len(sizes), n), np.uint8)
        for plane, size in zip(planes, sizes, strict=True):
            if n:
                raw = pa.decompress(view[position : position + size], n, _CODEC)
                plane[:] = np.frombuffer(raw, np.uint8)
            position += size
        stored = np.ascontiguousarray(planes.T).view(stored_dtype).reshape(-1)
        if sorted_keys:
            stored = np.cumsum(stored, dtype=np.uint64)
        arrays.append(stored.astype(dtype, copy=False).reshape(shape))
    if position != len(view):
        raise ValueError(f"{len(view) - position} bytes are left over")
    return arrays


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iu" or not len(array):
        return array
    low, high = int(array.min()), int(array.max())
    kinds = "u1 u2 u4 u8" if low >= 0 else "i1 i2 i4 i8"
    for kind in kinds.split():
        info = np.iinfo(kind)
        if info.min <= low and high <= info.max:
            return array.astype(f"<{kind}", copy=False)
    return array
