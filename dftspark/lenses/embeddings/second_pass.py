"""Regions and witness: a second pass over vectors, once the sums of features are known.

Each document is assigned to its frozen region and scored by the witness of every pair it belongs
to. A task returns exact sums and the heads of lists, ordered by value and doc_id, so no result
depends on how Spark cuts the work. Regions and witness are of all strata of a pair together.

Cost     the features of a document once, then 2 F operations a pair; a task holds 512 features and
         the heads of its lists. Directions travel with the task: 64 F numbers a pair where prompts
         are shared, twice that where not
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.corpus.blocks import block_of
from dftspark.embedding.spark_vectors import matrix
from dftspark.lenses.embeddings.centroids import Regions
from dftspark.lenses.embeddings.region_labels import label_terms, token_counts
from dftspark.lenses.embeddings.region_sums import RegionSums, no_regions, region_sums
from dftspark.lenses.embeddings.regions import region_table
from dftspark.lenses.embeddings.witness import HUMAN, MODEL, Witness
from dftspark.lenses.fold import GroupRows, Key, Left
from dftspark.spark.records import packed, unpacked
from dftspark.text.hashing import digest64
from dftspark.text.tokens import one_line

Floats = NDArray[np.float64]

EXCERPT = 240
_SAMPLE = 2_000  # characters of a document that count for its region's label
_TERMS = 6
_CHUNK = 512
_BY_REGION = ("typical", "sample")


@dataclass(frozen=True, eq=False)
class SecondPass:
    """Data that every task has.

    human      name of the human corpus
    features   vectors `(B, d)` to phi `(B, F)`, the same in any batch
    regions    frozen
    witnesses  of each model corpus, by name
    listed     documents of each witness list, exemplars of each region and corpus, and sampled
               documents of each region and corpus behind its label
    """

    human: str
    features: Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]
    regions: Regions
    witnesses: Mapping[str, Witness]
    listed: int = 50
    exemplars: int = 3
    sampled: int = 40

    def models_of(self, corpus: str) -> list[str]:
        """Returns the pairs that a corpus belongs to."""
        if corpus == self.human:
            return sorted(self.witnesses)
        return [corpus] if corpus in self.witnesses else []

    def keeps(self, kind: str) -> int:
        return {"typical": self.exemplars, "sample": self.sampled}.get(kind, self.listed)


@dataclass(frozen=True, eq=False)
class RegionResults:
    """Sums by (corpus, model), and the listed documents by (corpus, model, kind), best first."""

    sums: dict[tuple[str, str], RegionSums]
    lists: dict[tuple[str, str, str], list[dict[str, Any]]]


@dataclass(frozen=True)
class RegionFold:
    """Sums and lists of documents, schema.REGION_PASS, by corpus and model in place of a stratum.

    Rows have corpus, cluster, doc_id, vector and text, in any order.
    """

    of: SecondPass
    table = "region_pass"
    columns = schema.REGION_PASS

    def observer(self) -> _Scoring:
        return _Scoring(self.of)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        merged = _Held(None, [])
        for state in states:
            for row in unpacked(state).to_pylist():
                if row["kind"] == "sums":
                    own = RegionSums.decode(row["state"])
                    merged.sums = own if merged.sums is None else merged.sums + own
                else:
                    merged.listed.append(row)
        merged.keep(self.of, [])
        return merged.rows(key.corpus, key.stratum), b""


def collect(rows: list[dict[str, Any]]) -> RegionResults:
    """Collects the rows of a RegionFold: a few kilobytes a pair and region."""
    sums: dict[tuple[str, str], RegionSums] = {}
    lists: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: (r["region"], r["value"] or 0.0, r["doc_id"] or "")):
        if row["kind"] == "sums":
            sums[row["corpus"], row["model"]] = RegionSums.decode(row["state"])
        else:
            lists.setdefault((row["corpus"], row["model"], row["kind"]), []).append(row)
    for key, own in lists.items():
        if key[2] not in _BY_REGION:
            own.sort(key=lambda r: (r["value"], r["doc_id"]))
    return RegionResults(sums, lists)


def regions(
    found: RegionResults, of: SecondPass, blocks: Mapping[str, int], run_id: str, date: str
) -> pa.Table:
    """Makes schema.REGIONS; `blocks` are those behind the inference of each model's pair."""
    count, rows = of.regions.count, []
    labels = _labels(found, count)
    typical = {corpus: _typical(found, corpus, count) for corpus in {of.human, *of.witnesses}}
    for model in sorted(of.witnesses):
        human_sums = found.sums.get((of.human, model), no_regions(count))
        model_sums = found.sums.get((model, model), no_regions(count))
        table = region_table(human_sums, model_sums, blocks[model])
        for region in range(count):
            row = {"region": region, "label": labels[region]}
            for name in ("share_human", "share_model", "mass", "within"):
                row[name] = float(getattr(table.parts, name)[region])
            for name in ("share_z", "z", "q_value"):
                row[name] = float(getattr(table, name)[region])
            for side, corpus in (("human", of.human), ("model", model)):
                row[f"documents_{side}"] = int(getattr(table, f"count_{side}")[region])
                row[f"exemplars_{side}"] = [r["text"] for r in typical[corpus][region]]
                row[f"exemplars_{side}_id"] = [r["doc_id"] for r in typical[corpus][region]]
            rows.append(
                {**_head(of, model, run_id, date), **row, "fingerprint": of.regions.fingerprint}
            )
    return pa.Table.from_pylist(rows, schema=schema.REGIONS)


def witness(found: RegionResults, of: SecondPass, run_id: str, date: str) -> pa.Table:
    """Makes schema.WITNESS."""
    rows = []
    for model in sorted(of.witnesses):
        for side, corpus in (("human", of.human), ("model", model)):
            for end, sign in (("model_like", -1.0), ("human_like", 1.0)):
                for rank, row in enumerate(found.lists.get((corpus, model, end), []), start=1):
                    rows.append(
                        {
                            **_head(of, model, run_id, date),
                            "side": side,
                            "end": end,
                            "rank": rank,
                            "doc_id": row["doc_id"],
                            "region": row["region"],
                            "score": sign * row["value"],
                            "excerpt": row["text"],
                        }
                    )
    return pa.Table.from_pylist(rows, schema=schema.WITNESS)


def _head(of: SecondPass, model: str, run_id: str, date: str) -> dict[str, Any]:
    return {"run_id": run_id, "date": date, "human": of.human, "model": model, "stratum": ""}


def _labels(found: RegionResults, count: int) -> list[list[str]]:
    sample = [row for key in sorted(found.lists) if key[2] == "sample" for row in found.lists[key]]
    counted = token_counts(
        [row["text"] for row in sample],
        [row["cluster"] for row in sample],
        np.array([row["region"] for row in sample], np.int64),
        count,
    )
    return label_terms(*counted, _TERMS)


def _typical(found: RegionResults, corpus: str, count: int) -> list[list[dict[str, Any]]]:
    own = found.lists.get((corpus, "", "typical"), [])
    return [[row for row in own if row["region"] == region] for region in range(count)]


# --- in the tasks -------------------------------------------------------------------------------


class _Scoring:
    def __init__(self, of: SecondPass) -> None:
        self.of = of
        self.held: dict[tuple[str, str], _Held] = {}

    def add(self, rows: GroupRows) -> Left:
        corpus = rows.group[0]
        if models := self.of.models_of(corpus):
            _score(rows.batch, corpus, models, self.of, self.held)
        return iter(())

    def end(self) -> Left:
        for (corpus, model), own in self.held.items():
            rows = pa.Table.from_batches([own.rows(corpus, model)], schema=schema.REGION_PASS)
            yield Key(corpus, model), packed(rows)


@dataclass
class _Held:
    """State of one (corpus, model): sums so far, and the documents still in a list."""

    sums: RegionSums | None
    listed: list[dict[str, Any]]

    def keep(self, of: SecondPass, more: list[dict[str, Any]]) -> None:
        self.listed = _cut(self.listed + more, of)

    def rows(self, corpus: str, model: str) -> pa.RecordBatch:
        rows = list(self.listed)
        if self.sums is not None:
            rows.append({"kind": "sums", "region": -1, "state": self.sums.encode()})
        named = [{"corpus": corpus, "model": model, **row} for row in rows]
        return pa.RecordBatch.from_pylist(named, schema=schema.REGION_PASS)


def _score(
    batch: pa.RecordBatch,
    corpus: str,
    models: list[str],
    of: SecondPass,
    held: dict[tuple[str, str], _Held],
) -> None:
    vectors = matrix(batch["vector"], of.regions.centroids.shape[1])
    ids = np.array(batch["doc_id"].to_pylist(), str)
    blocks = block_of(batch["cluster"]).astype(np.int64)
    nearest, margins = of.regions.assign(vectors)
    digests = np.array([digest64(i, "dftspark region label v1") >> 11 for i in ids], np.float64)
    shared = held.setdefault((corpus, ""), _Held(None, []))
    for kind, values in (("typical", -margins), ("sample", digests)):
        chosen = _first(nearest, values, ids, of.keeps(kind))
        shared.keep(of, _documents(batch, kind, chosen, nearest, values))
    side = HUMAN if corpus == of.human else MODEL
    scores = {model: np.empty(len(ids)) for model in models}
    for start in range(0, len(ids), _CHUNK):
        rows = slice(start, start + _CHUNK)
        phi = of.features(vectors[rows])
        for model in models:
            scores[model][rows] = of.witnesses[model].score(phi, side, blocks[rows])
    for model, own in scores.items():
        pair = held.setdefault((corpus, model), _Held(no_regions(of.regions.count), []))
        sums = region_sums(blocks, nearest, own, of.regions.count)
        pair.sums = sums if pair.sums is None else pair.sums + sums
        for kind, values in (("model_like", -own), ("human_like", own)):
            chosen = _first(np.zeros_like(nearest), values, ids, of.keeps(kind))
            pair.keep(of, _documents(batch, kind, chosen, nearest, values))


def _first(
    groups: NDArray[np.int64], values: Floats, ids: NDArray[Any], count: int
) -> NDArray[np.int64]:
    """Returns the rows of the `count` smallest values of each group; ties by smaller id."""
    order = np.lexsort((ids, values, groups))
    starts = np.searchsorted(groups[order], groups[order], "left")
    return np.asarray(order[np.arange(len(order)) - starts < count], np.int64)


def _documents(
    batch: pa.RecordBatch,
    kind: str,
    chosen: NDArray[np.int64],
    regions: NDArray[np.int64],
    values: Floats,
) -> list[dict[str, Any]]:
    most = _SAMPLE if kind == "sample" else EXCERPT
    taken = batch.select(["doc_id", "cluster", "text"]).take(pa.array(chosen)).to_pylist()
    return [
        {
            **row,
            "kind": kind,
            "region": int(regions[i]),
            "value": float(values[i]),
            "text": one_line(row["text"][: 2 * most])[:most],
        }
        for i, row in zip(chosen, taken, strict=True)
    ]


def _cut(rows: list[dict[str, Any]], of: SecondPass) -> list[dict[str, Any]]:
    """Returns the head of every list: `typical` and `sample` have one a region."""
    lists: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        key = (row["kind"], row["region"] if row["kind"] in _BY_REGION else -1)
        lists.setdefault(key, []).append(row)
    kept = []
    for (kind, _), own in lists.items():
        kept += sorted(own, key=lambda r: (r["value"], r["doc_id"]))[: of.keeps(kind)]
    return kept
