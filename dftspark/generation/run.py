"""A run of `dftspark generate`: texts of models for briefs, and the audit that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import __version__, schema
from dftspark.config.generate import Generation, Writing
from dftspark.endpoints.store import AnswerStore, job
from dftspark.errors import EnvironmentProblem
from dftspark.generation import asking, sweep
from dftspark.generation.texts import KIND
from dftspark.location import Location
from dftspark.progress import Events, Progress
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RUN_KIND = "generate"


def generate(
    config: Generation,
    progress: Progress | None = None,
    *,
    spark: SparkSession | None = None,
    ask: bool = True,
    again: bool = False,
) -> Run:
    """Asks for what the store lacks, within the caps; makes a run with texts, textless and
    sweep.toml.

    `spark` is needed only if a model has a path. With `ask` False the tables are made from what is
    stored; `again` repeats what a killed run had sent without receiving the answer. A run that its
    caps or an endpoint end early is published with what it has.
    """
    shown = progress or Events()
    if ask:
        asking.check(config)
    store = AnswerStore.of(config.store, KIND)
    out = Location.parse(config.out)
    if out.local:
        Path(out.path).mkdir(parents=True, exist_ok=True)
    failed: dict[bytes, str] = {}
    stopped: list[str] = []
    with store.held():
        ready = asking.prepare(config, again)
        known = ready.plan.known
        if ask and ready.plan.missing:
            try:
                stopped = asking.ask(ready, store, config.generate, shown)
                _write(spark, ready, store, config, shown)
            finally:
                failed = store.take_in()
            known = store.load({request.key for request in ready.plan.requests})
        writer = RunWriter.create(config.out, config.name)
        try:
            rows = asking.rows(ready, known, failed, {"run_id": writer.id, "date": ""})
            for name, own in _tables(rows).items():
                writer.write(name, own)
            writer.write_file(sweep.FILE, sweep.toml(config, writer.path).encode())
            told = asking.told(ready, rows, stopped, config.generate)
            return writer.publish(manifest(RUN_KIND, config, told))
        except BaseException:
            writer.give_up()
            raise


def _write(
    spark: SparkSession | None,
    ready: asking.PreparedTexts,
    store: AnswerStore,
    config: Generation,
    progress: Progress,
) -> None:
    wanted = ready.plan.local(config.generate)
    if not wanted:
        return
    if spark is None:
        raise EnvironmentProblem(
            f"the models {sorted(wanted)} have a path, and those are loaded by Spark's tasks; give "
            f"generate() a session"
        )
    from dftspark.generation import spark_local

    total = sum(map(len, wanted.values()))
    with progress.stage("write texts", total, "texts") as stage, store.watched(stage):
        spark_local.write(spark, wanted, store, job())


def _tables(rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    with_text = [row for row in rows if row["text"] is not None]
    without = [row for row in rows if row["text"] is None]
    return {
        "texts": pa.Table.from_pylist(with_text, schema=schema.TEXTS),
        "textless": pa.Table.from_pylist(without, schema=schema.TEXTLESS),
    }


def manifest(kind: str, config: Writing, told: dict[str, Any]) -> dict[str, Any]:
    """Makes the manifest of a run that models wrote for; `told` is what it says of them."""
    return {
        "kind": kind,
        "status": "complete",
        "name": config.name,
        "date": "",
        "config": {**config.model_dump(mode="json"), "corpora": {}},
        "code_version": __version__,
        "generate": told,
    }
