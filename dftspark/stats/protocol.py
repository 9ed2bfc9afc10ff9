"""The one protocol every statistic obeys.

A statistic turns a batch of documents, as tokens or as vectors, into a *state*; states merge. Its
laws, which dftspark/testing/laws.py checks for every registered statistic:

    merge(a, merge(b, c))  ==  merge(merge(a, b), c)
    merge(a, b)            ==  merge(b, a)
    merge(empty(), a)      ==  a  ==  merge(a, empty())
    observe(x ++ y)        ==  merge(observe(x), observe(y))     batching never matters
    decode(encode(a))      ==  a                                 files never matter

All states are integers, for which == means equal bit for bit. Anything that cannot keep these laws,
such as an exact median, is not a statistic here; find a mergeable sketch or drop it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from dftspark.state import State

B_contra = TypeVar("B_contra", contravariant=True)
S = TypeVar("S", bound=State)


@dataclass(frozen=True, eq=False)
class Batch:
    """Tokens of some documents, grouped into whole clusters.

    hashes    (T,)    uint64  token hashes
    offsets   (B+1,)  int64   document d has the tokens offsets[d]:offsets[d+1]
    clusters  (G+1,)  int64   cluster g has the documents clusters[g]:clusters[g+1]
    blocks    (G,)    int64   each cluster's block, 0 .. 63
    """

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    clusters: NDArray[np.int64]
    blocks: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """Embeddings of some documents, in any order and cut anywhere.

    vectors   (B, dim)  float32
    clusters  (B,)      uint64  a hash of each document's cluster, independent of its block
    blocks    (B,)      int64   each document's block, 0 .. 63
    """

    vectors: NDArray[np.float32]
    clusters: NDArray[np.uint64]
    blocks: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC, Generic[B_contra, S]):
    """A statistic; its parameters, the dataclass fields, are all of its identity."""

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when observe() would give other numbers
    state: ClassVar[type[State]]

    @property
    def fingerprint(self) -> str:
        """`ngram_counts-v1(n=2, text='...')`: equal exactly when states may merge or compare.

        It is written out, not hashed: it is a table key that people read.
        """
        params = ", ".join(f"{key}={value!r}" for key, value in sorted(asdict(self).items()))
        return f"{self.name}-v{self.version}({params})"

    @abstractmethod
    def empty(self) -> S: ...

    @abstractmethod
    def observe(self, batch: B_contra) -> S: ...

    @abstractmethod
    def merge(self, left: S, right: S) -> S: ...
