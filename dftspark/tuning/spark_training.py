"""Trains in processes that Spark starts and ties together: a barrier stage, one process a slot.

Spark waits for slots for a long time without a word, so they are counted before. Each process
writes why it died into the training's folder, since Spark keeps only that one did.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from dftspark.config.tune import Tune
from dftspark.embedding.spark_devices import local_cores
from dftspark.errors import ConfigError, DftsparkError, EnvironmentProblem
from dftspark.polling import polling
from dftspark.progress import Progress, Stage
from dftspark.spark.failures import cause, remade, unlogged
from dftspark.tuning.encoding import TrainingText
from dftspark.tuning.trainer import TrainedAdapter
from dftspark.tuning.trainer import train as trained_here

_GPUS = "spark.task.resource.gpu.amount"
_WAIT = timedelta(minutes=30)  # for the slowest process of a step
_SHOWN = 6  # lines of a traceback
_STEPS = "steps.txt"
_SECONDS = 1.0


def check(spark: SparkSession, settings: Tune) -> None:
    """Raises ConfigError if Spark has fewer slots than there are processes, and EnvironmentProblem
    if it assigns no GPU where `device` is cuda."""
    if settings.device == "cuda" and float(spark.conf.get(_GPUS, None) or 0) < 1:
        raise EnvironmentProblem(
            f"tune.device is cuda, and Spark assigns no GPU to a task: set {_GPUS} = 1 and what "
            f"executors need for it (conf/spark-gpu.conf), or tune.device = 'cpu'"
        )
    there = slots(spark)
    if there is not None and there < settings.processes:
        raise ConfigError(
            f"tune.processes = {settings.processes}, and Spark with master "
            f"{spark.conf.get('spark.master', None)} has {there} slots, so it would wait for the "
            f"others for ever; lower it, or give Spark more cores (--master 'local[N]', "
            f"spark.cores.max, spark.executor.instances)"
        )


def slots(spark: SparkSession) -> int | None:
    """Returns how many tasks can run at once, by Spark's settings; None where they do not say."""

    def number(key: str, least: int = 0) -> int:
        return int(spark.conf.get(key, None) or least)

    master = spark.conf.get("spark.master", None) or ""
    cluster = re.fullmatch(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*\d+\s*\]", master)
    if cluster is not None:
        cores = int(cluster[1]) * int(cluster[2])
    elif master.startswith("local"):
        cores = 1 if master == "local" else local_cores(spark)
    else:
        cores = number("spark.cores.max") or (
            number("spark.executor.instances") * number("spark.executor.cores", 1)
        )
    return cores // number("spark.task.cpus", 1) if cores else None


def train(
    spark: SparkSession,
    settings: Tune,
    progress: Progress,
    model: Path,
    samples: Sequence[TrainingText],
    human: Sequence[TrainingText],
    folder: Path,
    control: Sequence[int] | None = None,
) -> TrainedAdapter:
    """Does what `trainer.train` does, in `settings.processes` processes on Spark's slots.

    Raises what the first process to die raised, if that is an error of dftspark, and
    EnvironmentProblem with the end of its traceback otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("rank-*.error"), folder / _STEPS):
        old.unlink(missing_ok=True)
    distributor = TorchDistributor(
        num_processes=settings.processes, local_mode=False, use_gpu=settings.device == "cuda"
    )
    distributor.logger.setLevel(logging.WARNING)
    name = "train" if control is None else "train the control"
    given = (str(model), samples, human, settings, str(folder), control)
    with progress.stage(name, None, "steps") as stage, _watched(folder, stage):
        try:
            # What the processes print comes out here, and standard output is the run's path.
            with contextlib.redirect_stdout(sys.stderr), unlogged():
                made = distributor.run(_rank, *given)
        except (PySparkException, Py4JError, RuntimeError) as error:
            raise dead(folder, settings.processes, str(error)) from error
    assert isinstance(made, TrainedAdapter)
    return made


def dead(folder: Path, processes: int, said: str) -> DftsparkError:
    """Returns the error of the process that died first; `said` is what Spark tells."""
    left = [json.loads(file.read_text()) for file in folder.glob("rank-*.error")]
    if not left:
        return EnvironmentProblem(
            f"one of the {processes} processes that train died without a word; it was killed, or "
            f"memory ran out (training.tokens_at_once bounds it). Spark says: {cause(said):.300}. "
            f"The same command goes on from the last checkpoint"
        )
    first = min(left, key=lambda one: float(one["at"]))
    meant = remade(str(first["kind"]), str(first["message"]))
    if meant is not None:
        return meant
    lines = str(first["traceback"]).strip().splitlines()[-_SHOWN:]
    shown = "\n".join(f"  {line.strip():.200}" for line in lines)
    return EnvironmentProblem(
        f"process {first['rank']} of {processes} that train died:\n{shown}\n"
        f"The whole traceback is in {folder}/rank-{first['rank']}.error; the same command goes on "
        f"from the last checkpoint"
    )


@contextlib.contextmanager
def _watched(folder: Path, stage: Stage) -> Any:
    """Tells the stage of the steps that the first process counts in a file."""
    seen = 0

    def look() -> None:
        nonlocal seen
        with contextlib.suppress(OSError, ValueError):
            done = int((folder / _STEPS).read_text())
            stage.advance(max(0, done - seen))
            seen = max(seen, done)

    with polling(look, _SECONDS):
        yield


# --- in a process -------------------------------------------------------------------------------


def _rank(
    model: str,
    samples: Sequence[TrainingText],
    human: Sequence[TrainingText],
    settings: Tune,
    folder: str,
    control: Sequence[int] | None,
) -> TrainedAdapter:
    rank = int(os.environ.get("RANK", "0"))
    try:
        return _train(rank, model, samples, human, settings, folder, control)
    except BaseException as error:
        told = {
            "rank": rank,
            "at": time.time(),
            "kind": type(error).__name__,
            "message": str(error),
            "traceback": traceback.format_exc(),
        }
        (Path(folder) / f"rank-{rank}.error").write_text(json.dumps(told))
        raise


def _train(
    rank: int,
    model: str,
    samples: Sequence[TrainingText],
    human: Sequence[TrainingText],
    settings: Tune,
    folder: str,
    control: Sequence[int] | None,
) -> TrainedAdapter:
    import torch

    gpu = settings.device == "cuda"
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu else "cpu"
    if gpu:
        torch.cuda.set_device(device)
    if settings.processes > 1:
        torch.distributed.init_process_group("nccl" if gpu else "gloo", timeout=_WAIT)

    def stepped(done: int, steps: int) -> None:
        if rank == 0:
            (Path(folder) / _STEPS).write_text(str(done))

    try:
        return trained_here(
            model,
            samples,
            human,
            settings.training,
            folder,
            chat=settings.chat,
            control=control,
            device=device,
            stepped=stepped,
        )
    finally:
        if settings.processes > 1:
            torch.distributed.destroy_process_group()
