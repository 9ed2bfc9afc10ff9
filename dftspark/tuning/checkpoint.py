"""Keeps a training as it stands: weights and optimizer in safetensors, counts beside them.

State    CHECKPOINT.safetensors: three tensors for each trained one, and a JSON header with the
         step, the key of the training and what its steps have lost. Nothing in it can be run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dftspark.errors import EnvironmentProblem

FILE = "checkpoint.safetensors"
OUTCOME = "outcome.json"
_PARTS = ("exp_avg", "exp_avg_sq")


def save(
    folder: Path,
    key: str,
    step: int,
    history: list[list[float]],
    trained: Mapping[str, Any],
    of: Any,
) -> None:
    """Writes weights `trained` by name, and the state of the optimizer `of`, in one step."""
    from safetensors.torch import save_file

    tensors = {f"value {name}": tensor.detach() for name, tensor in trained.items()}
    for name, tensor in trained.items():
        state = of.state[tensor]
        tensors |= {f"{part} {name}": state[part] for part in _PARTS}
    head = {"key": key, "step": str(step), "history": json.dumps(history)}
    partial = folder / f".{FILE}.{os.getpid()}"
    plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, str(partial), metadata=head)
        partial.replace(folder / FILE)
    except (OSError, RuntimeError) as error:  # safetensors wraps what the system says
        partial.unlink(missing_ok=True)
        raise EnvironmentProblem(
            f"cannot write the checkpoint {folder / FILE}: {error}; the last one is whole, so "
            f"once there is room, the same command goes on from it"
        ) from error


def load(
    folder: Path, key: str, trained: Mapping[str, Any], of: Any
) -> tuple[int, list[list[float]]]:
    """Puts a checkpoint of this `key` into weights and optimizer; returns its step and history.

    Returns 0 and nothing if there is none of this key, or if it cannot be read.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    file = folder / FILE
    if not file.is_file():
        return 0, []
    try:
        with safe_open(str(file), framework="pt") as held:
            head = held.metadata() or {}
            if head.get("key") != key:
                return 0, []
            step, history = int(head["step"]), json.loads(head["history"])
            kept = {
                name: [held.get_tensor(f"{part} {name}") for part in ("value", *_PARTS)]
                for name in trained
            }
    except (SafetensorError, OSError):
        return 0, []
    with torch.no_grad():  # only now, when all of it could be read
        for name, (value, *state) in kept.items():
            tensor = trained[name]
            tensor.copy_(value)
            moments = {part: one.to(tensor.device) for part, one in zip(_PARTS, state, strict=True)}
            of.state[tensor] = {"step": torch.tensor(float(step)), **moments}
    return step, history


def finished(folder: Path, key: str) -> dict[str, Any] | None:
    """Returns what a finished training of this key has left; None if there is none."""
    try:
        told = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("key") == key else None


def finish(folder: Path, told: Mapping[str, Any]) -> None:
    """Writes the outcome, and removes the checkpoint, which nobody needs any more."""
    partial = folder / f".{OUTCOME}"
    partial.write_text(json.dumps(told))
    partial.replace(folder / OUTCOME)
    (folder / FILE).unlink(missing_ok=True)


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raises EnvironmentProblem if the disk of `folder` has fewer than `needed` bytes left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot use {folder}: {error.strerror or error}; choose another tune.store"
        ) from error
    if free < needed:
        raise EnvironmentProblem(
            f"{what} need {needed / 1e9:,.2f} GB, and the disk of {folder} has "
            f"{free / 1e9:,.2f} GB left; make room, or choose another tune.store"
        )
