"""Compares pairs on Spark: one job, in which every piece of work on a model has a task.

Tasks read the states that they need from the files of the profile, so that no state crosses the
Java machine, and return the rows that they make from them.

Cost     a task for each model corpus and kind of work; only results come to the driver
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.spark.placement import placed
from dftspark.spark.records import batch_of, packed


class Work(Protocol):
    """The work on a model corpus and the human one. Tasks receive it, so it is small."""

    @property
    def columns(self) -> pa.Schema:
        """The columns of the rows that it makes."""
        ...

    def __call__(self, model: str) -> list[dict[str, Any]]: ...


def work(
    spark: SparkSession, models: Sequence[str], kinds: Mapping[str, Work]
) -> dict[str, list[dict[str, Any]]]:
    """Returns the rows of each kind of work, model by model in the order of `models`.

    The heaviest kind should be named first, because it is begun first.
    """
    todo = [(kind, model) for kind in kinds for model in models]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    if todo:
        rows = [(task, *item) for task, item in enumerate(todo)]
        table = pa.Table.from_batches([batch_of(schema.WORK, rows)])
        dealt = placed(spark.createDataFrame(table), len(todo), "task")
        done = dealt.mapInArrow(_working(kinds), from_arrow_schema(schema.WORKED)).toArrow()
        for row in done.to_pylist():
            found[row["kind"], row["model"]] = (
                pa.ipc.open_stream(row["rows"]).read_all().to_pylist()
            )
    return {kind: [row for model in models for row in found[kind, model]] for kind in kinds}


def _working(
    kinds: Mapping[str, Work],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for kind, model in zip(
                batch["kind"].to_pylist(), batch["model"].to_pylist(), strict=True
            ):
                made = pa.Table.from_pylist(kinds[kind](model), schema=kinds[kind].columns)
                yield batch_of(schema.WORKED, [(kind, model, packed(made))])

    return run
