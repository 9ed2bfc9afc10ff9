"""Keys of documents that are equal where the documents are near copies: three MinHashes in one.

If J is the share of 3-grams that two documents have in common, of those that either has, they have
one key with probability J cubed: 0.86 at 95%, 0.13 at half, 0.001 at a tenth, which boilerplate may
reach.

Cost     six mixes a token
Source   Broder (1997), On the resemblance and containment of documents
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.compiled import compiled
from dftspark.text.hashing import digest64, mix64

VERSION = 1
_TOKENS = 5  # in a document of three 3-grams; shorter ones are compared by their text
_SEEDS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64
)  # odd constants without a pattern in common
_NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)


def document_keys(
    hashes: NDArray[np.uint64], offsets: NDArray[np.int64], texts: Sequence[str]
) -> NDArray[np.uint64]:
    """Returns keys `(B,)` of documents with the tokens `hashes` `(T,)` and `offsets` `(B+1,)`.

    `texts` are read where a document has fewer than three 3-grams: its key then comes from the text
    without case and without the width of its white space.
    """
    keys: NDArray[np.uint64] = _keys(hashes, offsets, _SEEDS)
    for row in np.flatnonzero(np.diff(offsets) < _TOKENS):
        plain = " ".join(texts[int(row)].casefold().split())
        keys[row] = np.uint64(digest64(plain, "short document"))
    return keys


@compiled
def _keys(hashes: Any, offsets: Any, seeds: Any) -> Any:
    out = np.empty(len(offsets) - 1, np.uint64)
    for d in range(len(offsets) - 1):
        first, second, third = _NO_KEY, _NO_KEY, _NO_KEY
        for i in range(offsets[d], offsets[d + 1] - 2):
            gram = mix64(mix64(mix64(hashes[i]) ^ hashes[i + 1]) ^ hashes[i + 2])
            first = min(first, mix64(gram ^ seeds[0]))
            second = min(second, mix64(gram ^ seeds[1]))
            third = min(third, mix64(gram ^ seeds[2]))
        out[d] = mix64(mix64(mix64(first) ^ second) ^ third)
    return out
