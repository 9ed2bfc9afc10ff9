"""A short way to embed few documents: the driver samples them, looks into the store and reads their
vectors itself, for which Spark would need ten jobs.

The result is the same as from spark_files, which works at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dftspark import schema
from dftspark.embedding.store import VectorStore

MOST_BYTES = 32 << 20  # of text
MOST_HELD = 500_000  # texts in the store
_TURNS = ("order", "cluster", "within", "doc_id")


@dataclass(frozen=True, eq=False)
class Few:
    """A few documents to be embedded; `rows` has key, text and turn as in schema.TEXTED_CLOUDS."""

    rows: pa.Table
    store: VectorStore

    @classmethod
    def sampled(cls, named: pa.Table, sample: int | str, store: VectorStore) -> Few:
        """Takes up to `sample` documents of each corpus by the turn of their cluster."""
        if sample != "all":
            ordered = named.sort_by([(name, "ascending") for name in ("corpus", *_TURNS)])
            corpora = ordered["corpus"].to_numpy(zero_copy_only=False)
            starts = np.searchsorted(corpora, corpora, "left")
            named = ordered.filter(pa.array(np.arange(len(corpora)) - starts < int(sample)))
        return cls(named, store)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of documents, of distinct texts, and of texts that the store lacks."""
        keys = pc.unique(self.rows["key"])
        return {
            "documents": len(self.rows),
            "texts": len(keys),
            "missing": len(keys) - len(self._held().group_by("key").aggregate([])),
        }

    def missing(self) -> pa.Table:
        """Returns key and text of what the store lacks, each text as often as it occurs."""
        held = pc.is_in(self.rows["key"], value_set=self._held()["key"].combine_chunks())
        return self.rows.filter(pc.invert(held)).select(["key", "text"])

    def without_vector(self) -> dict[str, int]:
        """Counts the documents without a vector in each corpus that has such."""
        held = self._held()
        troubled = held.filter(pc.is_valid(held["problem"]))["key"].combine_chunks()
        own = self.rows.filter(pc.is_in(self.rows["key"], value_set=troubled))
        counted = own.group_by("corpus").aggregate([([], "count_all")]).to_pylist()
        return {row["corpus"]: row["count_all"] for row in counted}

    def vectors(self) -> pa.Table:
        """Returns schema.TEXTED_CLOUDS of the documents whose text has a vector."""
        from dftspark.embedding.spark_vectors import column

        held = self._held()
        held = held.filter(pc.is_null(held["problem"]))
        # Two jobs may have embedded a text at once; on a GPU their vectors differ.
        located = held.group_by("key").aggregate([("file", "min")])
        parts = []
        for name in sorted(pc.unique(located["file_min"]).to_pylist()):
            own = located.filter(pc.equal(located["file_min"], name))["key"].combine_chunks()
            rows = self.rows.filter(pc.is_in(self.rows["key"], value_set=own))
            keys, vectors = self.store.read(name)
            at = pc.index_in(rows["key"], value_set=keys).to_numpy()
            rows = rows.append_column("vector", column(vectors[at]))
            columns = rows.select(schema.TEXTED_CLOUDS.names).columns
            parts.append(pa.Table.from_arrays(columns, schema=schema.TEXTED_CLOUDS))
        return pa.concat_tables([schema.TEXTED_CLOUDS.empty_table(), *parts])

    def _held(self) -> pa.Table:
        """Returns key, problem and file of these texts in the store."""
        return self.store.index(pc.unique(self.rows["key"]))
