"""Texts that may be in the sample to be embedded, left by the pass over all documents.

The sample takes clusters in the order of a hash, so it lies among the documents whose hash is low,
and texts need not be read again for it.

Cost     of each document a hash; of each corpus about MARGIN times its sample of texts in all tasks
         together, and in no task more than _MOST times, whatever the clusters' sizes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dftspark import schema
from dftspark.lenses.fold import GroupRows, Key, Left
from dftspark.text.xxhash64 import xxhash64

SAMPLING = "dftspark sample v1"  # not the hash of blocks: a sample must not favor some of them
BUCKET_BITS = 12
MARGIN = 2  # clusters are of different sizes, so a share of them is not that share of documents
_MOST = 2 * MARGIN  # samples of a corpus that a task keeps before it drops those that come last


@dataclass(frozen=True)
class Candidates:
    """A fold of documents with their text: those in the first buckets of a corpus, less what cannot
    be in the sample because a task has enough that come before it.

    buckets  by corpus, how many of its 2 ** BUCKET_BITS buckets
    ranges   parts into which a whole corpus would be cut
    sample   documents of a corpus that will be taken
    """

    buckets: dict[str, int]
    ranges: int
    sample: int
    table = "candidates"
    columns = schema.SAMPLABLE

    @classmethod
    def of(cls, sample: int, documents: Mapping[str, int], ranges: int) -> Candidates:
        """Takes buckets enough for `sample` documents of corpora of these sizes, most likely."""
        every = 1 << BUCKET_BITS
        wanted = {name: -(-MARGIN * sample * every // max(n, 1)) for name, n in documents.items()}
        return cls({name: min(every, n) for name, n in wanted.items()}, ranges, sample)

    def enough(self, found: Mapping[str, int]) -> bool:
        """Returns whether the sample lies in what was found, a number of documents by corpus."""
        every, least = 1 << BUCKET_BITS, self.sample
        return all(n == every or found.get(name, 0) >= least for name, n in self.buckets.items())

    def observer(self) -> _Keeping:
        return _Keeping(self)

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

    def __init__(self, of: Candidates) -> None:
        self.of = of
        self.kept: dict[str, pa.Table] = {}

    def add(self, rows: GroupRows) -> Left:
        corpus, _ = rows.group
        near = _buckets(_order(rows.batch)) < self.of.buckets[corpus]
        if near.any():
            batch = rows.batch.select(schema.SAMPLABLE.names).filter(pa.array(near))
            parts = [pa.Table.from_batches([batch.cast(schema.SAMPLABLE)])]
            own = pa.concat_tables([self.kept[corpus], *parts] if corpus in self.kept else parts)
            full = len(own) > _MOST * self.of.sample
            self.kept[corpus] = _first(own, self.of.sample) if full else own
        return iter(())

    def end(self) -> Left:
        for corpus, rows in sorted(self.kept.items()):
            part = _buckets(_order(rows)) * self.of.ranges >> BUCKET_BITS
            strata = np.array(rows["stratum"].to_pylist(), object)
            for stratum, i in sorted(set(zip(strata.tolist(), part.tolist(), strict=True))):
                own = rows.filter(pa.array((strata == stratum) & (part == i)))
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, schema.SAMPLABLE) as stream:
                    stream.write_table(own)
                yield Key(corpus, stratum, part=i), sink.getvalue().to_pybytes()


def _first(rows: pa.Table, count: int) -> pa.Table:
    """Returns the rows that the sampling takes first, and lets go of the others' memory."""
    within = xxhash64([SAMPLING], rows["doc_id"].to_pylist())
    keyed = rows.append_column("order", pa.array(_order(rows)))
    keyed = keyed.append_column("within", pa.array(within))
    names = ("order", "cluster", "within", "doc_id")
    order = pc.sort_indices(keyed, [(name, "ascending") for name in names])
    return rows.take(order[:count])


def _order(rows: pa.Table | pa.RecordBatch) -> NDArray[np.int64]:
    return xxhash64([SAMPLING], rows["cluster"].to_pylist())


def _buckets(order: NDArray[np.int64]) -> NDArray[np.int64]:
    return (order >> (64 - BUCKET_BITS)) + (1 << BUCKET_BITS - 1)
