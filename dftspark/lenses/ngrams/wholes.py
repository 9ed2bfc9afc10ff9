"""States of documents as wholes, made in the pass that counts n-grams: copies, and properties other
than writing.

They are rows of the profile with the order schema.WHOLE, so that they are stored, merged over days
and read with the n-grams that were counted beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from dftspark import schema
from dftspark.config import Audit
from dftspark.corpus import clean
from dftspark.corpus.blocks import block_of
from dftspark.lenses.fold import Group, Key, Left
from dftspark.spark.records import record
from dftspark.state import decode_arrays, encode_arrays
from dftspark.stats.copies_sketch import CopiesSketch, CopiesState, KeyBatch
from dftspark.stats.surface import Surface, SurfaceSums
from dftspark.text import surface
from dftspark.text.hashing import digest64
from dftspark.text.minhash import document_keys
from dftspark.text.tokens import TokenBatch, tokenizer

States = tuple[SurfaceSums, CopiesState]


def statistics(config: Audit) -> tuple[Surface, CopiesSketch]:
    cleaned = clean.fingerprint(config.cleaning)
    tokens = tokenizer(config.tokens).fingerprint
    return Surface(text=cleaned), CopiesSketch(text=f"{tokens} {cleaned}")


class DocumentStates:
    """A task's states of each corpus and stratum."""

    def __init__(self, config: Audit) -> None:
        self.surface, self.copies = statistics(config)
        self.held: dict[Group, States] = {}

    def add(self, group: Group, rows: pa.RecordBatch, tokens: TokenBatch) -> None:
        """Adds documents of one corpus and stratum, whose `tokens` are those of their texts."""
        texts, clusters = rows["text"].to_pylist(), rows["cluster"].to_pylist()
        seen = surface.of(texts, block_of(clusters).astype(np.int64))
        keys = KeyBatch(document_keys(tokens.hashes, tokens.offsets, texts), _hashes(clusters))
        self._merge(group, (self.surface.observe(seen), self.copies.observe(keys)))

    def add_partial(self, group: Group, state: bytes | memoryview) -> None:
        """Adds one state of `partial`."""
        sums, sketch = (part.data for part in decode_arrays(state, "document states"))
        self._merge(group, (SurfaceSums.decode(sums), CopiesState.decode(sketch)))

    def _merge(self, group: Group, found: States) -> None:
        if group in self.held:
            sums, sketch = self.held[group]
            found = self.surface.merge(sums, found[0]), self.copies.merge(sketch, found[1])
        self.held[group] = found

    def partial(self) -> Left:
        """Yields states by key, as `add_partial` takes them."""
        for (corpus, stratum), (sums, sketch) in self.held.items():
            packed = encode_arrays(*(np.frombuffer(s.encode(), np.uint8) for s in (sums, sketch)))
            yield Key(corpus, stratum, schema.WHOLE), packed

    def profile(self) -> Iterator[pa.RecordBatch]:
        """Yields schema.PROFILE."""
        fingerprint = f"{self.surface.fingerprint} {self.copies.fingerprint}"
        none = encode_arrays(np.empty(0, np.int64))
        for (corpus, stratum), (sums, sketch) in sorted(self.held.items()):
            yield record(
                schema.PROFILE,
                corpus,
                stratum,
                schema.WHOLE,
                0,
                1,
                fingerprint,
                int(sums.documents.sum()),
                sums.encode(),
                sketch.encode(),
                none,
            )


def _hashes(clusters: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([_hash(name) for name in clusters], np.uint64)


@lru_cache(maxsize=1024)
def _hash(cluster: str) -> int:
    return digest64(cluster, "dftspark cluster v1")
