"""The map of the clouds on Spark: documents of each corpus and region in the cells of two axes.

Cost     one more pass over the vectors; what comes to the driver is bounded by cells x regions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.embedding.spark_vectors import matrix
from dftspark.lenses.embeddings.centroids import Regions
from dftspark.lenses.embeddings.projection import Projection

_KEYS = ["corpus", "region", "x", "y"]


def cloud_map(
    documents: DataFrame, axes: Projection, regions: Regions, human: str, run_id: str, date: str
) -> pa.Table:
    """schema.CLOUD_MAP from (corpus, vector), in order."""
    columns = documents.select("corpus", "vector")
    placed = columns.mapInArrow(_placing(axes, regions), from_arrow_schema(schema.PLACED))
    counted = placed.groupBy(*_KEYS).agg(F.sum("documents").alias("documents")).toArrow()
    rows = [
        {**row, "run_id": run_id, "date": date,
         "role": "human" if row["corpus"] == human else "model"}
        for row in counted.sort_by([(key, "ascending") for key in _KEYS]).to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema.CLOUD_MAP)


def _placing(
    axes: Projection, regions: Regions
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            vectors = matrix(batch["vector"], len(axes.mean))
            cells = axes.cell(vectors)
            assigned, _ = regions.assign(vectors)
            table = pa.table(
                {
                    "corpus": batch["corpus"],
                    "region": assigned.astype(np.int32),
                    "x": cells[:, 0].astype(np.int32),
                    "y": cells[:, 1].astype(np.int32),
                    "documents": np.ones(len(cells), np.int64),
                }
            )
            counted = table.group_by(_KEYS).aggregate([("documents", "sum")])
            counted = counted.rename_columns([*_KEYS, "documents"]).cast(schema.PLACED)
            yield from counted.to_batches()

    return run
