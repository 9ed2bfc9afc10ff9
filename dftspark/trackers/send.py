"""Sends a run to a tracker through the tracker's own package, which knows address and credentials.

Nothing is sent unless the user names a tracker; where it goes is what its package is set up for,
by MLFLOW_TRACKING_URI, WANDB_MODE, TRACKIO_SPACE_ID and the like.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dftspark.errors import EnvironmentProblem
from dftspark.trackers.entry import TrackedRun

_LONGEST = 500  # characters of a parameter that MLflow takes
_MOST_ROWS = 10_000  # of a table that is shown in a tracker; files have all
_BATCH = 100  # parameters that MLflow takes at once


def to_mlflow(run: TrackedRun, project: str, into: str | None) -> str:
    """Logs to MLflow, as a new run of the experiment `project` or into an existing one; returns its
    id."""
    mlflow = _package("mlflow", "mlflow", "pip install 'dftspark[mlflow]'")
    with _explained("MLflow"):
        if into is None:
            mlflow.set_experiment(project)
        with mlflow.start_run(run_id=into, run_name=None if into else run.name) as active:
            own = [(key, value[:_LONGEST]) for key, value in run.settings.items()]
            if into is None:  # a training run has parameters of its own
                for start in range(0, len(own), _BATCH):
                    mlflow.log_params(dict(own[start : start + _BATCH]))
            for step, metrics in run.metrics.items():
                mlflow.log_metrics(metrics, step=step)
            with _files(run) as folder:
                mlflow.log_artifacts(str(folder), artifact_path=f"dftspark/{run.name}")
            return str(active.info.run_id)


def to_wandb(run: TrackedRun, project: str, into: str | None) -> str:
    """Logs to Weights & Biases; returns the id of its run."""
    wandb = _package("wandb", "wandb", "pip install 'dftspark[wandb]'")
    with _explained("Weights & Biases"):
        kept = {"id": into, "resume": "allow"} if into else {"name": run.name}
        settings = wandb.Settings(silent=True)
        own = None if into else run.settings
        with wandb.init(project=project, config=own, settings=settings, **kept) as active:
            for step, metrics in run.metrics.items():
                # Steps of its own, since those of a training run may have passed already.
                active.log({**metrics, **({} if step is None else {"dftspark/step": step})})
            shown = {
                f"dftspark/{name}": wandb.Table(
                    columns=table.column_names,
                    data=[list(row.values()) for row in table.slice(0, _MOST_ROWS).to_pylist()],
                )
                for name, table in run.tables.items()
            }
            if run.page is not None:
                shown["dftspark/page"] = wandb.Html(run.page.decode(), inject=False)
            active.log(shown)
            with _files(run) as folder:
                artifact = wandb.Artifact(f"dftspark-{run.name}"[:128], type="dftspark-run")
                artifact.add_dir(str(folder))
                active.log_artifact(artifact)
            return str(active.id)


def to_trackio(run: TrackedRun, project: str, into: str | None) -> str:
    """Logs to Trackio; returns the name of its run."""
    trackio = _package("trackio", "trackio", "pip install 'dftspark[trackio]'")
    with _explained("Trackio"):
        name = into or run.name
        active = trackio.init(
            project=project,
            name=name,
            config=None if into else run.settings,
            resume="allow" if into else "never",
            auto_log_cpu=False,
            auto_log_gpu=False,
        )
        for step, metrics in run.metrics.items():
            active.log(metrics, step=step)
        with _files(run) as folder:
            active.log_artifact(folder, name=f"dftspark-{run.name}"[:128], type="dftspark-run")
        active.finish()
        return name


SENDERS: dict[str, Callable[[TrackedRun, str, str | None], str]] = {
    "mlflow": to_mlflow,
    "wandb": to_wandb,
    "trackio": to_trackio,
}


def _package(module: str, name: str, remedy: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EnvironmentProblem(f"{name} is not installed: {remedy}") from error


@contextmanager
def _explained(tracker: str) -> Iterator[None]:
    """Turns whatever a tracker's package raises into one sentence, and keeps what it prints off
    standard output."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        said = " ".join(str(error).split())[:500]
        raise EnvironmentProblem(
            f"{tracker} did not take the run: {type(error).__name__}: {said}"
        ) from error


@contextmanager
def _files(run: TrackedRun) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dftspark-") as folder:
        for name, table in run.tables.items():
            pq.write_table(table, Path(folder) / f"{name}.parquet")
        if run.page is not None:
            (Path(folder) / "report.html").write_bytes(run.page)
        yield Path(folder)
