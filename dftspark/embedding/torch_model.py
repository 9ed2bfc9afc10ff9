"""A sentence-transformers model read from a folder: its weights and never its code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dftspark.errors import ConfigError, EnvironmentProblem


def read(folder: Path) -> Any:
    """Loads the SentenceTransformer of a folder, on the CPU and in the precision of its files.

    Raises ConfigError for a folder that it cannot load, EnvironmentProblem for absent packages.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all files are on this machine
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # they would mix with the run's
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EnvironmentProblem(
            f"{error.name} is not installed: pip install 'dftspark[embed]'"
        ) from error
    try:
        return SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"embedding.embedder: sentence-transformers cannot load {folder}: {said}\n  weights "
            f"are read from safetensors files only, and code that comes with a model is never run"
        ) from error


def check_length(max_tokens: int, positions: int | None) -> None:
    """Raises ConfigError for more tokens than a model has positions."""
    if positions is not None and max_tokens > positions:
        raise ConfigError(
            f"embedding.max_tokens = {max_tokens}, but the model has {positions} positions"
        )


def positions(model: Any) -> int | None:
    """Returns the most tokens that a SentenceTransformer can read; None where it does not say."""
    said = getattr(getattr(model, "transformers_model", None), "config", None)
    most: int | None = getattr(said, "max_position_embeddings", None)
    return most
