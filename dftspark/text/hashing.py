"""64-bit mixing: the one hash behind token, n-gram, sampling and example choices.

Stored profiles hold these values, so the constants may never change without a new version.
Source: Appleby's MurmurHash3 finalizer (public domain), a bijection of 64-bit words.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled

BLOCK_BITS = np.uint64(6)  # the low bits of an n-gram key carry its block
BLOCKS = 1 << int(BLOCK_BITS)


@numba.njit
def mix64(h: Any) -> Any:
    """Maps a uint64 to a uint64; every input bit flips each output bit half of the time."""
    h = np.uint64(h)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h


@compiled
def mixed(keys: NDArray[np.uint64], seed: np.uint64) -> NDArray[np.uint64]:
    """Returns an independent hash of each key for each seed; `(K,)` uint64 in and out."""
    out = np.empty(len(keys), np.uint64)
    for i in range(len(keys)):
        out[i] = mix64(mix64(keys[i]) ^ seed)
    return out


def digest64(text: str, purpose: str) -> int:
    """Returns a stable 64-bit hash of a string; unlike purposes give independent hashes."""
    key = purpose.encode()
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest(), "little")
