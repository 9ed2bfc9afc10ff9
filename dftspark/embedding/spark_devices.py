"""Devices of a task: the threads that it may use, and the GPU that Spark assigned to it.

Spark assigns GPUs to tasks on a cluster, and none in local mode. The first task of a Python worker
ties the worker to its GPU, before torch is imported.
"""

from __future__ import annotations

import os
import re
import sys

from pyspark.taskcontext import TaskContext

from dftspark.config import Embedding
from dftspark.errors import EnvironmentProblem
from dftspark.spark.rows import InProcess, Session

_GPUS = "spark.task.resource.gpu.amount"


def device_for(spark: Session, settings: Embedding) -> str:
    """Returns 'cpu' or 'cuda', the same for all tasks."""
    if settings.device != "auto":
        return settings.device
    if isinstance(spark, InProcess):
        return "cpu"
    return "cuda" if float(spark.conf.get(_GPUS, None) or 0) > 0 else "cpu"


def local_cores(spark: Session) -> int:
    """Returns the cores of a local run, which has them all; 1 on a cluster."""
    if isinstance(spark, InProcess):
        return os.cpu_count() or 1
    found = re.fullmatch(r"local\[(\d+|\*)(,\d+)?\]", spark.conf.get("spark.master", None) or "")
    if found is None:
        return 1
    return (os.cpu_count() or 1) if found[1] == "*" else int(found[1])


def threads(settings: Embedding, least: int) -> int:
    """Returns the threads of the running task: `least`, or what Spark assigns if that is more."""
    if settings.threads != "auto":
        return settings.threads
    context = TaskContext.get()
    return max(least, context.cpus() if context is not None else 1)


_tied: list[str] = []  # the address of this process's GPU


def task_device(device: str) -> str:
    """Returns the running task's device, as torch names it: 'cpu', or the GPU that Spark assigned.

    The first task of a worker ties the worker to its GPU, before torch is imported, so that nothing
    in the process can touch another. Raises EnvironmentProblem for a GPU that is not assigned.
    """
    if device == "cpu":
        return "cpu"
    context = TaskContext.get()
    given = context.resources().get("gpu") if context is not None else None
    if context is None or given is None:
        return _unassigned(context)
    address = given.addresses[0]
    if not _tied:
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
            raise EnvironmentProblem(
                f"Spark gave this task GPU {address}, but its Python worker already uses GPUs for "
                f"something else. Embed in a Spark application of its own."
            )
        # Spark's addresses follow nvidia-smi; by default CUDA lists the fastest GPU first.
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = address
        _tied.append(address)
    elif _tied != [address]:
        raise EnvironmentProblem(
            f"Spark gave this task GPU {address}, but its Python worker is tied to GPU {_tied[0]}. "
            f"Give "
            f"each executor one GPU (spark.executor.resource.gpu.amount 1), or set "
            f"spark.python.worker.reuse false, which loads the model for every task."
        )
    return "cuda:0"


def _unassigned(context: TaskContext | None) -> str:
    """Returns a GPU for local mode, where Spark assigns none: tasks share the machine's evenly."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise EnvironmentProblem(
            f"embedding.device is cuda, but Spark gave this task no GPU and torch "
            f"{torch.__version__} sees none on {os.uname().nodename}. On a cluster set "
            f"spark.executor.resource.gpu.amount, its discoveryScript (conf/getGpus.sh) and "
            f"{_GPUS}; or set embedding.device = 'cpu'."
        )
    return f"cuda:{(context.partitionId() if context is not None else 0) % count}"
