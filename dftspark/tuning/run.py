"""A run of `dftspark tune`: the table of its rounds, and the model folders beside it."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import __version__, schema
from dftspark.config.tune import Tuning
from dftspark.errors import EnvironmentProblem
from dftspark.location import below
from dftspark.progress import Events, Progress
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter
from dftspark.tuning import card
from dftspark.tuning.material import Material
from dftspark.tuning.rounds import CONTROL, TUNED, TunedModel, Workers
from dftspark.tuning.rounds import tune as in_rounds

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KIND = "tune"
_MODEL = "model"  # the folder of the tuned one


def tune(spark: SparkSession, config: Tuning, progress: Progress | None = None) -> Run:
    """Tunes in rounds, and makes a run of the kind tune with the table rounds. Its manifest names
    the folders of the tuned model and of its control.

    The same configuration on the same files goes on where an earlier call stopped. Raises
    ConfigError, InputError and EnvironmentProblem for what does not fit, before anything is
    written; LossNotFinite if the first round runs away.
    """
    from dftspark.tuning import spark_samples, spark_training

    shown = progress or Events()
    spark_training.check(spark, config.tune)
    with shown.stage("read target and texts", unit="texts"):
        material = Material.of(config)
    store = below(str(material.folder.parent), "texts")
    workers = Workers(
        partial(spark_samples.write, spark, config.tune, material.template, store, shown),
        partial(spark_training.train, spark, config.tune, shown),
    )
    return published(config, material, workers)


def published(config: Tuning, material: Material, workers: Workers) -> Run:
    """Goes through the rounds, puts the models in their places, and publishes the run."""
    writer = RunWriter.create(config.out, config.name)
    try:
        made = in_rounds(material, config.tune.rounds, workers)
        told = _told(config, material, made)
        common = {"run_id": writer.id, "date": ""}
        rows = [{**common, **row} for row in made.rows]
        writer.write("rounds", pa.Table.from_pylist(rows, schema=schema.ROUNDS))
        return writer.publish(
            {
                "kind": KIND,
                "status": "complete",
                "name": config.name,
                "date": "",
                "config": {**config.model_dump(mode="json"), "corpora": {}},
                "code_version": __version__,
                "tune": told,
            }
        )
    except BaseException:
        writer.give_up()
        raise


def _told(config: Tuning, material: Material, made: TunedModel) -> dict[str, Any]:
    """Puts both model folders in their places, and returns the manifest's entry."""
    places: dict[str, str | None] = {TUNED: None, CONTROL: None}
    for system, model in ((TUNED, made.model), (CONTROL, made.control)):
        place = material.folder / (_MODEL if system == TUNED else CONTROL)
        shutil.rmtree(place, ignore_errors=True)
        if model is not None:
            text = card.card(config, material.told, made.rows, system)
            places[system] = str(_placed(model, place, text))
    rounds = sum(row["taken"] for row in made.rows)
    return {
        **material.told,
        "tuned": places[TUNED],
        "control": places[CONTROL],
        "rounds": rounds,
        "stopped": made.stopped,
        "tokens": sum(row["tokens"] for row in made.rows if row["taken"] or not rounds),
    }


def _placed(model: Path, place: Path, text: str) -> Path:
    beside = place.with_name(f".{place.name}.partial")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(model, beside)
        (beside / card.FILE).write_text(text, encoding="utf-8")
        beside.rename(place)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write the model {place}: {error}") from error
    return place
