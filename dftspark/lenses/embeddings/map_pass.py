"""The map of the clouds: documents of each corpus and region in the cells of two axes.

Cost     in the second pass over the vectors; at most cells x regions rows come to the driver
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dftspark import schema
from dftspark.embedding.spark_vectors import matrix
from dftspark.lenses.embeddings.centroids import Regions
from dftspark.lenses.embeddings.projection import Projection
from dftspark.lenses.fold import GroupRows, Key, Left
from dftspark.spark.records import packed, unpacked

_KEYS = ["corpus", "region", "x", "y"]


def cloud_map(placed: pa.Table, human: str, run_id: str, date: str) -> pa.Table:
    """Makes schema.CLOUD_MAP from schema.PLACED, in order."""
    rows = [
        {
            **row,
            "run_id": run_id,
            "date": date,
            "role": "human" if row["corpus"] == human else "model",
        }
        for row in placed.sort_by([(key, "ascending") for key in _KEYS]).to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=schema.CLOUD_MAP)


@dataclass(frozen=True)
class MapFold:
    """Documents in each cell and region, schema.PLACED, for each of `corpora`."""

    axes: Projection
    regions: Regions
    corpora: Collection[str]
    table = "placed"
    columns = schema.PLACED

    def observer(self) -> _Placing:
        return _Placing(self)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        (row,) = _counted(map(unpacked, states)).combine_chunks().to_batches()
        return row, b""


class _Placing:
    def __init__(self, of: MapFold) -> None:
        self.of = of
        self.held: dict[str, pa.Table] = {}

    def add(self, rows: GroupRows) -> Left:
        corpus = rows.group[0]
        if corpus in self.of.corpora and rows.batch.num_rows:
            placed = _placed(rows.batch, self.of.axes, self.of.regions)
            own = self.held.get(corpus)
            self.held[corpus] = _counted([placed] if own is None else [own, placed])
        return iter(())

    def end(self) -> Left:
        for corpus, own in self.held.items():
            yield Key(corpus, ""), packed(own)


def _placed(batch: pa.RecordBatch, axes: Projection, regions: Regions) -> pa.Table:
    vectors = matrix(batch["vector"], len(axes.mean))
    cells = axes.cell(vectors)
    assigned, _ = regions.assign(vectors)
    columns = {
        "corpus": batch["corpus"],
        "region": assigned.astype(np.int32),
        "x": cells[:, 0].astype(np.int32),
        "y": cells[:, 1].astype(np.int32),
        "documents": np.ones(len(cells), np.int64),
    }
    return pa.table(columns, schema=schema.PLACED)


def _counted(tables: Iterable[pa.Table]) -> pa.Table:
    counted = pa.concat_tables(tables).group_by(_KEYS).aggregate([("documents", "sum")])
    return counted.rename_columns([*_KEYS, "documents"]).cast(schema.PLACED)
