"""Training in processes that Spark starts: as one process does, and how one of them dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from dftspark.config.tune import Tune
from dftspark.errors import ConfigError, EnvironmentProblem, LossNotFinite
from dftspark.progress import Silent
from dftspark.tuning import spark_training
from dftspark.tuning.trainer import TrainedAdapter, train
from tests import extras
from tests.generation import tiny
from tests.tuning.test_trainer import HUMAN, SAMPLES, SETTINGS, alike

pytestmark = [pytest.mark.spark, pytest.mark.embedder, pytest.mark.program, extras.tune]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("tiny"))


def settings(model: Path, processes: int = 2, **training: Any) -> Tune:
    return Tune(
        model=str(model),
        profile="-",
        briefs="-",
        human="-",
        chat=False,
        processes=processes,
        training=SETTINGS.model_copy(update=training),
    )


def on_spark(spark: SparkSession, asked: Tune, folder: Path, **more: Any) -> TrainedAdapter:
    model = Path(asked.model)
    return spark_training.train(spark, asked, Silent(), model, SAMPLES, HUMAN, folder, **more)


def test_two_processes_train_what_one_does(
    spark: SparkSession, model: Path, tmp_path: Path
) -> None:
    asked = settings(model)
    spark_training.check(spark, asked)
    two = on_spark(spark, asked, tmp_path / "two")
    one = train(model, SAMPLES, HUMAN, SETTINGS, tmp_path / "one", chat=False)
    assert two.budgets == one.budgets
    assert np.array(two.history) == pytest.approx(np.array(one.history), rel=1e-4)
    # Adam divides a gradient by its size, so rounding moves small ones most: 5 steps of .01.
    assert alike(one, two, 1e-3)
    assert not list((tmp_path / "two").glob("*.error"))


@pytest.mark.slow
def test_the_first_to_die_says_why(spark: SparkSession, model: Path, tmp_path: Path) -> None:
    wild = settings(model, learning_rate=1.0, alpha=10**30)
    with pytest.raises(LossNotFinite, match="the training ran away at step"):
        on_spark(spark, wild, tmp_path / "wild")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").mkdir()  # where the first process writes its LoRA
    with pytest.raises(EnvironmentProblem) as caught:
        on_spark(spark, settings(model), broken)
    said = str(caught.value)
    assert said.startswith("process 0 of 2 that train died:\n")
    assert "IsADirectoryError" in said
    assert len(said.splitlines()) < 10
    assert "at org.apache" not in said


class Fatal(list[Any]):
    """Texts that end the process of rank 1 as the machine's memory killer would."""

    mark: str

    def __iter__(self) -> Any:
        if os.environ.get("RANK") == "1":
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__iter__()


@pytest.mark.slow
def test_a_process_that_is_killed_is_told(spark: SparkSession, model: Path, tmp_path: Path) -> None:
    killed = Fatal(SAMPLES)
    killed.mark = str(tmp_path / "mark")
    with pytest.raises(EnvironmentProblem, match=r"died without a word; it was killed, or"):
        spark_training.train(
            spark, settings(model), Silent(), model, killed, HUMAN, tmp_path / "killed"
        )
    assert Path(killed.mark).exists()


def test_fewer_slots_than_processes_are_told_at_once(spark: SparkSession, model: Path) -> None:
    there = spark_training.slots(spark)
    assert there is not None
    spark_training.check(spark, settings(model, there))
    with pytest.raises(ConfigError, match=rf"Spark with master local\S+ has {there} slots"):
        spark_training.check(spark, settings(model, there + 1))


def test_a_gpu_that_spark_does_not_assign_is_told(spark: SparkSession, model: Path) -> None:
    asked = settings(model).model_copy(update={"device": "cuda"})
    with pytest.raises(EnvironmentProblem, match="Spark assigns no GPU to a task"):
        spark_training.check(spark, asked)
