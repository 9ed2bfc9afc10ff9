"""Vectors of texts to be scored, by the embedder that the target was profiled with.

A static table is read with NumPy alone, so a trainer needs no sentence-transformers for it; its
vectors are those of the profile to within rounding. A transformer needs the extra `embed`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.embedding import recipe as recipes
from dftspark.errors import ConfigError, EnvironmentProblem

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]

_STATIC_MODULE = ".StaticEmbedding"


def embedder(settings: Embedding, fingerprint: str, folder: str | Path | None = None) -> Embed:
    """Returns a function from texts to unit vectors `(B, d)`; a row is 0 where a text has none.

    `folder` is a copy of the embedder's folder, for a machine that has it elsewhere. Raises
    ConfigError, naming both, for another embedder than that of `fingerprint`.
    """
    place = Path(folder) if folder is not None else recipes.folder_of(settings)
    if _is_static(place):
        digests = (hashlib.sha256(place.name.encode()).hexdigest(), recipes.digest_of(place))
        if not any(f"files={digest[:16]}," in fingerprint for digest in digests):
            raise _unlike(fingerprint, f"files={digests[0][:16]} in {place}")
        return StaticTable(place)
    return _transformer(settings, fingerprint, folder)


class StaticTable:
    """A static table: a text's vector is the mean of its tokens' rows, made a unit vector."""

    def __init__(self, folder: Path) -> None:
        try:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EnvironmentProblem(
                f"{error.name} is not installed: pip install 'dftspark[compute]'"
            ) from error
        try:
            (rows,) = load_file(str(folder / "model.safetensors")).values()
            self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare exceptions
            raise ConfigError(f"{folder} cannot be read as a static table: {error}") from error
        self.rows = rows

    def __call__(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self.rows.shape[1]), np.float32)
        tokens = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for row, said in zip(out, tokens, strict=True):
            if said.ids:
                mean = self.rows[said.ids].mean(axis=0, dtype=np.float64)
                norm = np.linalg.norm(mean)
                if np.isfinite(norm) and norm > 0:
                    row[:] = mean / norm
        return out


def _is_static(folder: Path) -> bool:
    file = folder / "modules.json"
    modules = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return len(modules) == 1 and str(modules[0].get("type", "")).endswith(_STATIC_MODULE)


def _transformer(settings: Embedding, fingerprint: str, folder: str | Path | None) -> Embed:
    if folder is not None:
        settings = settings.model_copy(update={"embedder": str(folder)})
    recipe = recipes.recipe(settings, "cpu")
    if recipe.fingerprint != fingerprint:
        raise _unlike(fingerprint, recipe.fingerprint)

    def embed(texts: Sequence[str]) -> Vectors:
        from dftspark.embedding import embedders

        return embedders.load(settings, recipe, "cpu", 1).encode(list(texts)).vectors

    return embed


def _unlike(wanted: str, here: str) -> ConfigError:
    return ConfigError(
        f"the embedder is not the one of the target\n  target  {wanted}\n  here    {here}\n"
        f"Vectors of two embedders mean different things. Install the embedder that was profiled, "
        f"name a copy of its folder, or profile again with this one."
    )
