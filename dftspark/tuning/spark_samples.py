"""Texts of a model folder for a round, written by Spark's tasks and kept in the store of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from dftspark.config.generate import Generate, Writer
from dftspark.config.tune import Tune
from dftspark.endpoints.plan import lacking
from dftspark.endpoints.store import AnswerStore, job
from dftspark.generation import spark_local
from dftspark.generation.briefs import Brief
from dftspark.generation.requests import planned
from dftspark.generation.template import Template
from dftspark.generation.texts import KIND
from dftspark.progress import Progress
from dftspark.tuning.rounds import OwnSample

_NAME = "tuned"


def write(
    spark: SparkSession,
    settings: Tune,
    template: Template,
    store: str,
    progress: Progress,
    model: Path,
    briefs: Sequence[Brief],
    samples: range,
) -> list[OwnSample]:
    """Returns the texts of these samples of each brief, in the order of prompts; those that the
    store lacks are written."""
    asked = Generate(
        briefs="-",
        samples=samples.stop,
        sampler={name: (value,) for name, value in settings.sampler.items()},
        models=(
            Writer(
                name=_NAME,
                path=str(model),
                tasks=settings.tasks,
                batch=settings.write_batch,
                chat=settings.chat,
                max_tokens=settings.max_tokens,
            ),
        ),
    )
    wanted = [each for each in planned(briefs, template, asked) if each.sample in samples]
    texts = AnswerStore.of(store, KIND)
    keys = {each.key for each in wanted}
    with texts.held():
        missing = lacking(wanted, texts.load(keys), True)
        if missing:
            with (
                progress.stage("write texts", len(missing), "texts") as stage,
                texts.watched(stage),
            ):
                try:
                    spark_local.write(spark, {_NAME: missing}, texts, job())
                finally:
                    texts.take_in()
        known = texts.load(keys)
    found = [(each, known[each.key].said) for each in wanted if each.key in known]
    return [
        OwnSample(each.brief, each.prompt, said.text, said.finish_reason == "length")
        for each, said in found
        if said.text is not None
    ]
