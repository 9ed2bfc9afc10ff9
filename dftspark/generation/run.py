"""A run of `dftspark generate`: texts of models for briefs, and the audit that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from dftspark import __version__, schema
from dftspark.config.generate import Generation
from dftspark.endpoints.store import AnswerStore
from dftspark.generation import asking, sweep
from dftspark.generation.texts import KIND
from dftspark.progress import Progress, Silent
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

RUN_KIND = "generate"


def generate(
    config: Generation, progress: Progress | None = None, *, ask: bool = True, again: bool = False
) -> Run:
    """Asks for what the store lacks, within the caps: a run with texts, textless and sweep.toml.

    Needs no Spark. `ask` False makes the tables of what is stored; `again` sends once more what a
    killed run had sent without hearing of it. A run that its caps or an endpoint end early is
    published with what it has.
    """
    shown = progress or Silent()
    if ask:
        asking.check(config)
    store = AnswerStore.of(config.store, KIND)
    if not Path(config.out).exists():
        Path(config.out).mkdir(parents=True)
    failed: dict[bytes, str] = {}
    stopped: list[str] = []
    with store.held():
        ready = asking.prepare(config, again)
        known = ready.plan.known
        if ask and ready.plan.missing:
            try:
                stopped = asking.ask(ready, store, config.generate, shown)
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
            return writer.publish(_manifest(config, told))
        except BaseException:
            writer.give_up()
            raise


def _tables(rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    with_text = [row for row in rows if row["text"] is not None]
    without = [row for row in rows if row["text"] is None]
    return {
        "texts": pa.Table.from_pylist(with_text, schema=schema.TEXTS),
        "textless": pa.Table.from_pylist(without, schema=schema.TEXTLESS),
    }


def _manifest(config: Generation, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": RUN_KIND, "status": "complete", "name": config.name, "date": "",
        "config": {**config.model_dump(mode="json"), "corpora": {}},
        "code_version": __version__, "generate": told,
    }  # fmt: skip
