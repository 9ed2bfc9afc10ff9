"""Texts that may be in the sample to be embedded, left by the pass over all documents.

The sample takes clusters in the order of a hash, so it lies among the documents whose hash is low,
and texts need not be read again for it.

Cost     of each document a hash; of each corpus about MARGIN times its sample of texts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dftspark import schema
from dftspark.lenses.fold import GroupRows, Key, Left
from dftspark.text.xxhash64 import xxhash64

SAMPLING = "dftspark sample v1"  # not the hash of blocks: a sample must not favor some of them
BUCKET_BITS = 12
MARGIN = 2  # clusters are of different sizes, so a share of them is not that share of documents


@dataclass(frozen=True)
class Candidates:
    """A fold of documents with their text: all that are in the first buckets of a corpus.

    buckets  by corpus, how many of its 2 ** BUCKET_BITS buckets
    ranges   parts into which a whole corpus would be cut
    """

    buckets: dict[str, int]
    ranges: int
    table = "candidates"
    columns = schema.SAMPLABLE

    @classmethod
    def of(cls, sample: int, documents: Mapping[str, int], ranges: int) -> Candidates:
        """Takes buckets enough for `sample` documents of corpora of these sizes, most likely."""
        every = 1 << BUCKET_BITS
        wanted = {name: -(-MARGIN * sample * every // max(n, 1)) for name, n in documents.items()}
        return cls({name: min(every, n) for name, n in wanted.items()}, ranges)

    def enough(self, sample: int, found: Mapping[str, int]) -> bool:
        """Returns whether the sample lies in what was found, a number of documents by corpus."""
        every = 1 << BUCKET_BITS
        return all(n == every or found.get(name, 0) >= sample for name, n in self.buckets.items())

    def observer(self) -> _Keeping:
        return _Keeping(self.buckets, self.ranges)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        """Returns the rows of a key, and a message of their number and the bytes of their texts."""
        rows = pa.concat_tables(pa.ipc.open_stream(state).read_all() for state in states)
        rows = rows.sort_by([("cluster", "ascending"), ("doc_id", "ascending")])
        (batch,) = rows.combine_chunks().to_batches()
        return batch, np.array([len(batch), batch["text"].nbytes], np.int64).tobytes()


def sizes(told: Sequence[tuple[Key, bytes]]) -> tuple[dict[str, int], int]:
    """Returns from the messages the number of documents of each corpus, and the bytes of all."""
    documents: dict[str, int] = {}
    size = 0
    for key, said in told:
        count, own = np.frombuffer(said, np.int64).tolist()
        documents[key.corpus] = documents.get(key.corpus, 0) + count
        size += own
    return documents, size


class _Keeping:
    """Keeps the candidates of a task, which are few, to its end."""

    def __init__(self, buckets: dict[str, int], ranges: int) -> None:
        self.buckets, self.ranges = buckets, ranges
        self.kept: dict[Key, list[pa.RecordBatch]] = {}

    def add(self, rows: GroupRows) -> Left:
        hashes = xxhash64([SAMPLING], rows.batch["cluster"].to_pylist())
        bucket = (hashes >> (64 - BUCKET_BITS)) + (1 << BUCKET_BITS - 1)
        part = np.where(
            bucket < self.buckets[rows.group[0]], bucket * self.ranges >> BUCKET_BITS, -1
        )
        for i in np.unique(part[part >= 0]).tolist():
            own = rows.batch.select(schema.SAMPLABLE.names).filter(pa.array(part == i))
            self.kept.setdefault(Key(*rows.group, part=i), []).append(own)
        return iter(())

    def end(self) -> Left:
        for key, batches in sorted(self.kept.items()):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, schema.SAMPLABLE) as stream:
                for batch in batches:
                    stream.write(batch.cast(schema.SAMPLABLE))
            yield key, sink.getvalue().to_pybytes()
