"""States: frozen records of arrays, with one lossless codec for all of them."""

from __future__ import annotations

import json
import math
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
        """Returns bytes that decode to equal arrays; equal states give equal bytes."""
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
    """Encodes arrays: sorted uint64 as differences, integers in as few bytes as they need, bytes by
    place, lz4.

    Places that a sample shows to be noise are kept as they are, since packing them costs time and
    saves nothing.
    """
    heads, parts = [], []
    for array in arrays:
        flat = np.ascontiguousarray(array).reshape(-1)
        sorted_keys = (
            array.dtype == np.uint64 and array.ndim == 1 and bool((flat[1:] >= flat[:-1]).all())
        )
        stored = _differences(flat) if sorted_keys else _narrowed(flat)
        packed = _packed(stored)
        heads.append(
            [
                array.dtype.str,
                array.shape,
                stored.dtype.str,
                sorted_keys,
                [(kind, len(part)) for kind, part in packed],
            ]
        )
        parts += [part for _, part in packed]
    head = json.dumps(heads).encode()
    return b"".join([_MAGIC, struct.pack("<I", len(head)), head, *parts])


def _differences(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = np.empty_like(keys)
    out[:1] = keys[:1]
    np.subtract(keys[1:], keys[:-1], out=out[1:])
    return out


_RAW, _PACKED = 0, 1  # how a part is kept
_SAMPLE = 4096  # bytes of a place that are tried
_WORTHWHILE = 0.6


def _packed(stored: NDArray[Any]) -> list[tuple[int, memoryview | bytes]]:
    """Returns the low half of 8-byte items if it is noise, then the bytes of each place."""
    if stored.itemsize == 8 and _is_noise(stored.view(np.uint8)[3::8]):
        bits = stored.view(np.uint64)
        low = bits.astype(np.uint32)
        return [(_RAW, low.view(np.uint8).data), *_packed((bits >> 32).astype(np.uint32))]
    planes = np.ascontiguousarray(stored.view(np.uint8).reshape(-1, stored.itemsize).T)
    return [
        (_RAW, plane.data)
        if _is_noise(plane)
        else (_PACKED, pa.compress(plane.data, _CODEC, asbytes=True))
        for plane in planes
    ]


def _is_noise(place: NDArray[np.uint8]) -> bool:
    sample = np.ascontiguousarray(place[:_SAMPLE])
    packed = pa.compress(sample.data, _CODEC, asbytes=True) if len(sample) else b""
    return len(packed) > _WORTHWHILE * len(sample) + 32


def decode_arrays(
    data: bytes | memoryview, name: str, first: int | None = None
) -> list[NDArray[Any]]:
    """Returns all arrays, or the `first` few, read-only if nothing had to be computed.

    Raises StateFormatError for bytes that `encode_arrays` has not written.
    """
    view = memoryview(data)
    if bytes(view[: len(_MAGIC)]) != _MAGIC:
        raise StateFormatError(
            f"{name}: expected a state starting {_MAGIC!r}, got {bytes(view[:6])!r}; "
            f"profile the corpus again, old states are not upgraded in place"
        )
    try:
        return _decode_body(view[len(_MAGIC) :], first)
    except (ValueError, TypeError, struct.error, OSError) as error:
        raise StateFormatError(
            f"{name}: a state of {len(view)} bytes is damaged or cut short ({error}); "
            f"profile the corpus again"
        ) from error


def _decode_body(view: memoryview, first: int | None) -> list[NDArray[Any]]:
    (length,) = struct.unpack("<I", view[:4])
    position = 4 + length
    heads = json.loads(bytes(view[4:position]))
    sizes = [sum(size for _, size in parts) for *_, parts in heads]
    if position + sum(sizes) != len(view):
        raise ValueError(f"{len(view) - position - sum(sizes)} bytes are left over")
    arrays = []
    for head, size in zip(heads[:first], sizes, strict=False):
        dtype, shape, stored_dtype, sorted_keys, parts = head
        stored = _unpacked(
            view[position : position + size], parts, math.prod(shape), np.dtype(stored_dtype)
        )
        position += size
        if sorted_keys:
            stored = np.cumsum(stored, dtype=np.uint64)
        arrays.append(stored.astype(dtype, copy=False).reshape(shape))
    return arrays


def _unpacked(
    view: memoryview, parts: list[tuple[int, int]], n: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Returns items `(n,)` of the given type from the output of `_packed`."""
    if not n:
        return np.empty(0, dtype)
    if len(parts) == 5 and dtype.itemsize == 8:
        low = np.frombuffer(view[: parts[0][1]], np.uint32)
        high = _unpacked(view[parts[0][1] :], parts[1:], n, np.dtype(np.uint32))
        bits = high.astype(np.uint64) << np.uint64(32)
        bits |= low
        return bits.view(dtype)
    position = 0
    planes = []
    for kind, size in parts:
        part = view[position : position + size]
        plane = pa.decompress(part, n, _CODEC) if kind == _PACKED else part
        planes.append(np.frombuffer(plane, np.uint8))
        position += size
    if len(planes) == 1:
        return planes[0].view(dtype)
    out = np.empty(n, dtype)
    for place, plane in enumerate(planes):
        out.view(np.uint8)[place :: dtype.itemsize] = plane
    return out


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
