"""Model folders that a tuning writes: weights, the files beside them, and the card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from dftspark.errors import EnvironmentProblem

_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")  # tokenizer, template, settings
_WEIGHTS = ("model.safetensors.index.json",)


def saved(net: Any, start: Path, out: Path) -> Path:
    """Writes a model as safetensors, in the type that `start` keeps it in, with the files of
    `start` beside it; whole or not at all. Raises EnvironmentProblem if it cannot."""
    from transformers import AutoConfig

    kept: Any = AutoConfig.from_pretrained(
        str(start), local_files_only=True, trust_remote_code=False
    )
    if getattr(kept, "dtype", None) is not None:
        net = net.to(kept.dtype)
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        net.save_pretrained(str(partial))
        for file in sorted({file for pattern in _BESIDE for file in start.glob(pattern)}):
            if not (partial / file.name).exists() and file.name not in _WEIGHTS:
                shutil.copyfile(file, partial / file.name)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    except (OSError, RuntimeError) as error:  # safetensors wraps what the system says
        shutil.rmtree(partial, ignore_errors=True)
        raise EnvironmentProblem(f"cannot write the model {out}: {error}") from error
    return out
