"""Reference and variety measures on Spark, which draws the sample; each model is measured in one
task.

Cost     a shuffle of ids and hashes; then the text of at most PROMPTS x SAMPLES documents a corpus
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.window import Window

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.variety import compared as variety
from dftspark.lenses.variety.compared import PromptAnswer, PromptMean

_HASHED = pa.schema(
    [
        ("corpus", pa.string()),
        ("cluster", pa.string()),
        ("doc_id", pa.string()),
        ("by_cluster", pa.string()),
        ("by_id", pa.string()),
    ]
)


def measure(documents: DataFrame, config: Audit, run_id: str, date: str) -> DataFrame:
    """Returns schema.VARIETY: every measure of each model corpus, without strata."""
    drawn = sample(documents).cache()
    human = _documents(drawn.where(F.col("corpus") == config.human).toArrow())
    models = drawn.where(F.col("corpus") != config.human)
    told = (config.human, run_id, date, config.inference.confidence)
    return models.groupBy("corpus").applyInArrow(
        _measuring(human, *told), from_arrow_schema(schema.VARIETY)
    )


def sample(documents: DataFrame) -> DataFrame:
    """Returns corpus, cluster, doc_id and text of the documents that `variety.sampled` takes."""
    hashed = documents.select("corpus", "cluster", "doc_id").mapInArrow(
        _hashing, from_arrow_schema(_HASHED)
    )
    prompts = Window.partitionBy("corpus").orderBy("by_cluster", "cluster")
    own = Window.partitionBy("corpus", "cluster").orderBy("by_id", "doc_id")
    chosen = (
        hashed.withColumn("prompt", F.dense_rank().over(prompts))
        .where(F.col("prompt") <= variety.PROMPTS)
        .withColumn("sample", F.row_number().over(own))
        .where(F.col("sample") <= variety.SAMPLES)
        .select("corpus", "doc_id")
    )
    text = documents.select("corpus", "cluster", "doc_id", "text")
    return text.join(chosen, ["corpus", "doc_id"], "left_semi")


def _hashing(batches: Any) -> Any:
    for batch in batches:
        columns = [batch[name] for name in ("corpus", "cluster", "doc_id")]
        # As text of fixed length, which sorts like the unsigned numbers.
        hashes = [
            pa.array([f"{variety.order(value):016x}" for value in column.to_pylist()])
            for column in columns[1:]
        ]
        yield pa.RecordBatch.from_arrays([*columns, *hashes], schema=_HASHED)


def _documents(table: pa.Table) -> list[PromptAnswer]:
    columns = (table[name].to_pylist() for name in ("doc_id", "cluster", "text"))
    return [PromptAnswer(*row) for row in zip(*columns, strict=True)]


def _measuring(
    human: list[PromptAnswer], name: str, run_id: str, date: str, confidence: float
) -> Callable[[Any, pa.Table], pa.Table]:
    def run(key: tuple[pa.Scalar, ...], drawn: pa.Table) -> pa.Table:
        model = variety.sampled(_documents(drawn))
        rows = [
            {
                "run_id": run_id,
                "date": date,
                "human": name,
                "model": key[0].as_py(),
                "stratum": "",
                "metric": m.metric,
                "unit": m.unit,
                "better": m.better,
                **_ends(m.human, "human_value", "human_low", "human_high", "n_human"),
                **_ends(m.model, "value", "ci_low", "ci_high", "n_model"),
            }
            for m in variety.compared(variety.sampled(human), model, confidence)
        ]
        return pa.Table.from_pylist(rows, schema=schema.VARIETY)

    return run


def _ends(estimate: PromptMean, value: str, low: str, high: str, n: str) -> dict[str, Any]:
    return {value: estimate.value, low: estimate.ci_low, high: estimate.ci_high, n: estimate.n}
