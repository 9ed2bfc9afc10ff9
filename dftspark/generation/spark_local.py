"""Models that Spark's tasks load: each task writes its part into a journal of the store.

Nothing is paid for here and nothing is sent, so a task that dies loses only what it had not yet
recorded. Requests of a task are those of whole settings, in the order of the plan.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from dftspark import schema
from dftspark.config import Embedding
from dftspark.config.generate import Writer
from dftspark.embedding.spark_devices import device_for, task_device
from dftspark.endpoints import journal
from dftspark.endpoints.client import Reply
from dftspark.endpoints.store import AnswerStore
from dftspark.errors import EnvironmentProblem
from dftspark.generation.local import Local, Wanted
from dftspark.generation.requests import TextRequest
from dftspark.generation.texts import KIND
from dftspark.generation.weights import digest
from dftspark.spark.placement import placed
from dftspark.spark.records import record

_ROUND = 4  # batches of one setting before the next setting has its turn


def write(
    spark: SparkSession, wanted: Mapping[str, Sequence[TextRequest]], store: AnswerStore, job: str
) -> int:
    """Writes the wanted texts of each model, by its name, into journals; returns the number of
    texts."""
    total = 0
    for name, requests in wanted.items():
        writer = requests[0].writer
        tasks = min(writer.tasks, len(requests))
        rows = [
            {
                "task": number % tasks,
                "turn": number,
                "key": request.key,
                "prompt": request.prompt,
                "seed": request.seed,
                "setting": json.dumps(request.setting),
            }
            for number, request in enumerate(requests)
        ]
        table = pa.Table.from_pylist(rows, schema=schema.WRITE_WORK)
        paths = {task: store.journal(f"{job}-{name}", task) for task in range(tasks)}
        device = device_for(spark, Embedding())
        assert writer.path is not None
        done = (
            placed(spark.createDataFrame(table), tasks, "task")
            .sortWithinPartitions("task", "turn")
            .mapInArrow(
                _writing(writer, digest(writer.path), device, paths),
                from_arrow_schema(schema.WRITTEN),
            )
        )
        total += sum(row["texts"] for row in done.toArrow().to_pylist())
    return total


# --- in the task --------------------------------------------------------------------------------


def _writing(
    writer: Writer, wanted: str, device: str, paths: Mapping[int, Path]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [row for batch in batches for row in batch.to_pylist()]
        if not rows:
            return
        own = task_device(device)
        assert writer.path is not None
        if digest(writer.path) != wanted:
            raise EnvironmentProblem(
                f"generate.models: the files of {writer.path} on an executor are others than the "
                f"driver's; give every machine the same"
            )
        model = Local(writer, own)
        count = 0
        with journal.opened(paths[rows[0]["task"]], KIND) as (written, heard):
            for setting, part in _turns(rows, writer.batch * _ROUND):
                left = [one for one in part if one.key not in heard.answered]
                started = time.monotonic()
                for key, text in model.write(left, setting):
                    took = (time.monotonic() - started) / max(len(left), 1)
                    written.answered(key, text, Reply(None, "", 1, took))
                    count += 1
        yield record(schema.WRITTEN, rows[0]["task"], count)

    return run


def _turns(
    rows: Sequence[dict[str, Any]], most: int
) -> Iterator[tuple[dict[str, float | int], list[Wanted]]]:
    """Yields settings in turn, some texts of each, so that a run that ends early has all of
    them."""
    held: dict[str, list[Wanted]] = {}
    for row in rows:
        own = held.setdefault(row["setting"], [])
        own.append(Wanted(row["key"], row["prompt"], row["seed"]))
        if len(own) == most:
            yield json.loads(row["setting"]), held.pop(row["setting"])
    for setting, own in held.items():
        yield json.loads(setting), own
