"""The copy check: every document against the human documents, which every task holds.

Human documents are compared with human documents of other clusters, model documents with all. The
search is exhaustive, so it suits the sample that the audit embeds, or as many documents as there is
patience for.

Cost     2 d operations a pair of documents; 4 d bytes a human document in every task
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dftspark import schema
from dftspark.embedding.spark_vectors import matrix
from dftspark.errors import InputError
from dftspark.inference.proportions import ClusterSums
from dftspark.lenses.embeddings.cloud_files import Vectors
from dftspark.lenses.embeddings.distance_copies import NEAR, nearest, overlap
from dftspark.lenses.fold import GroupRows, Key, Left
from dftspark.spark.records import packed, record, unpacked
from dftspark.state import decode_arrays, encode_arrays
from dftspark.text.hashing import digest64
from dftspark.text.tokens import one_line

LISTED = 1_000  # near duplicates of a corpus
_EXCERPT = 240
_COMPARED = 100_000  # characters of a text whose phrases are compared
_TOGETHER = 64  # batches that a task merges at once


@dataclass(frozen=True, eq=False)
class HumanSide:
    """The human corpus: its name, and its documents' vectors `(N, d)`, ids and clusters, by id."""

    name: str
    vectors: NDArray[np.float32]
    doc_ids: NDArray[Any]
    clusters: NDArray[Any]


def human_side(vectors: Vectors, name: str) -> HumanSide:
    """Collects the human vectors on the driver. Raises InputError where there are none."""
    tables = vectors.stored.tables(("doc_id", "cluster", "vector"), name)
    table = pa.concat_tables([*tables]) if name in vectors.counts else None
    if table is None or not table.num_rows:
        raise InputError(f"corpus {name!r} has no document with a vector; look at the rejects")
    table = table.sort_by("doc_id")
    columns = [np.array(table[c].to_pylist(), str) for c in ("doc_id", "cluster")]
    return HumanSide(name, matrix(table["vector"]), *columns)


@dataclass(frozen=True)
class CopiesFold:
    """Cluster sums and nearest near duplicates of each of `corpora`, schema.COPIED.

    Rows have corpus, cluster, doc_id, vector and text, in any order.
    """

    human: HumanSide
    corpora: Collection[str]
    table = "copied"
    columns = schema.COPIED

    def observer(self) -> _Searching:
        return _Searching(self)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        seen = _Seen.merged([_Seen.unpacked(state) for state in states])
        sums = seen.sums
        row = (key.corpus, [int(getattr(sums, f.name)) for f in fields(sums)], packed(seen.near))
        return record(schema.COPIED, *row), b""


@dataclass(frozen=True, eq=False)
class _Seen:
    """Observations of a corpus: documents and near duplicates of each cluster, by its hash, and the
    nearest of these, schema.NEIGHBORS.
    """

    clusters: NDArray[np.uint64]
    documents: NDArray[np.int64]
    cases: NDArray[np.int64]
    near: pa.Table

    @classmethod
    def of(cls, found: pa.RecordBatch) -> _Seen:
        names = found["cluster"].dictionary_encode()
        hashes = [digest64(name, "dftspark cluster v1") for name in names.dictionary.to_pylist()]
        which = names.indices.to_numpy()
        near = found["near"].to_numpy(zero_copy_only=False)
        return cls(
            np.array(hashes, np.uint64),
            np.bincount(which, minlength=len(hashes)),
            np.bincount(which[near], minlength=len(hashes)),
            _nearest(pa.Table.from_batches([found.filter(found["near"])])),
        )

    @classmethod
    def merged(cls, parts: Sequence[_Seen]) -> _Seen:
        clusters, at = np.unique(np.concatenate([p.clusters for p in parts]), return_inverse=True)
        documents, cases = (np.zeros(len(clusters), np.int64) for _ in range(2))
        np.add.at(documents, at, np.concatenate([p.documents for p in parts]))
        np.add.at(cases, at, np.concatenate([p.cases for p in parts]))
        return cls(clusters, documents, cases, _nearest(pa.concat_tables([p.near for p in parts])))

    @property
    def sums(self) -> ClusterSums:
        d, c = self.documents, self.cases
        sums = d.sum(), c.sum(), (c * c).sum(), (d * d).sum(), (c * d).sum()
        return ClusterSums(len(d), *map(int, sums))

    def packed(self) -> bytes:
        near = np.frombuffer(packed(self.near), np.uint8)
        return encode_arrays(self.clusters, self.documents, self.cases, near)

    @classmethod
    def unpacked(cls, data: pa.Buffer) -> _Seen:
        clusters, documents, cases, near = decode_arrays(data, "copies")
        return cls(clusters, documents, cases, unpacked(near.tobytes()))


def _nearest(found: pa.Table) -> pa.Table:
    """Returns at most LISTED rows, nearest first."""
    return found.sort_by([("cosine", "descending"), ("doc_id", "ascending")]).slice(0, LISTED)


class _Searching:
    def __init__(self, of: CopiesFold) -> None:
        self.of = of
        self.seen: dict[str, list[_Seen]] = {}

    def add(self, rows: GroupRows) -> Left:
        corpus = rows.group[0]
        if corpus in self.of.corpora and rows.batch.num_rows:
            own = self.seen.setdefault(corpus, [])
            own.append(_Seen.of(_found(rows.batch, self.of.human)))
            if len(own) == _TOGETHER:
                self.seen[corpus] = [_Seen.merged(own)]
        return iter(())

    def end(self) -> Left:
        for corpus, own in self.seen.items():
            yield Key(corpus, ""), _Seen.merged(own).packed()


def cluster_sums(found: pa.Table) -> dict[str, ClusterSums]:
    """Returns the input of `copies.copy_metrics` for every corpus, from schema.COPIED."""
    return {row["corpus"]: ClusterSums(*row["sums"]) for row in found.to_pylist()}


def pairs(found: pa.Table, vectors: Vectors, human: str, run_id: str, date: str) -> pa.Table:
    """Makes schema.COPIES from schema.COPIED: near duplicates of each corpus, nearest first.

    Near duplicates of the human side come once, with the model column empty.
    """
    kept = [
        row
        for corpus in found.sort_by("corpus").to_pylist()
        for row in unpacked(corpus["near"]).to_pylist()
    ]
    texts = _texts(vectors, human, {row["neighbor_id"] for row in kept})
    rows = []
    for row in kept:
        side = "human" if row["corpus"] == human else "model"
        other = texts[row["neighbor_id"]]
        rows.append(
            {
                "run_id": run_id,
                "date": date,
                "human": human,
                "stratum": "",
                "side": side,
                "model": row["corpus"] if side == "model" else "",
                "doc_id": row["doc_id"],
                "neighbor_id": row["neighbor_id"],
                "cosine": row["cosine"],
                "overlap": overlap(row["text"], other[:_COMPARED]),
                "same_cluster": row["same_cluster"],
                "excerpt": _excerpt(row["text"]),
                "neighbor_excerpt": _excerpt(other),
            }
        )
    return pa.Table.from_pylist(rows, schema=schema.COPIES)


def _texts(vectors: Vectors, human: str, wanted: set[str]) -> dict[str, str]:
    """Returns the human documents' texts for these ids."""
    found: dict[str, str] = {}
    ids = pa.array(sorted(wanted), pa.string())
    for table in vectors.stored.tables(("doc_id", "text"), human) if wanted else ():
        own = table.filter(pc.is_in(table["doc_id"], value_set=ids))
        found |= dict(zip(*(own[name].to_pylist() for name in own.column_names), strict=True))
    return found


def _excerpt(text: str) -> str:
    return one_line(text[: 2 * _EXCERPT])[:_EXCERPT]


def _found(batch: pa.RecordBatch, human: HumanSide) -> pa.RecordBatch:
    """Finds near duplicates; the documents of `batch` are all human, or none is."""
    vectors = matrix(batch["vector"], human.vectors.shape[1])
    clusters = np.array(batch["cluster"].to_pylist(), str)
    ours = batch["corpus"][0].as_py() == human.name
    rows, cosines = nearest(vectors, human.vectors, (clusters, human.clusters) if ours else None)
    near = np.nan_to_num(cosines, nan=-1.0) >= NEAR
    texts = batch["text"].to_pylist()
    columns = [
        batch["corpus"],
        batch["cluster"],
        batch["doc_id"],
        near,
        cosines,
        [str(human.doc_ids[i]) if i >= 0 else None for i in rows],
        [
            bool(human.clusters[i] == c) if i >= 0 else None
            for i, c in zip(rows, clusters, strict=True)
        ],
        [text[:_COMPARED] if close else None for text, close in zip(texts, near, strict=True)],
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema.NEIGHBORS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.NEIGHBORS)
