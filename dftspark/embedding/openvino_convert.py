"""Conversion of a sentence-transformers model into an OpenVINO graph, once a machine.

Transformer, pooling and what follows become one graph that takes only token ids: texts are computed
one by one, so there is nothing to mask. The graph is kept only if it gives torch's vectors for a
few texts.

State   a folder in the user's cache, named after the weights and the versions that traced them:
        the graph in float32, the tokenizer, the prompt
Cost    for all-MiniLM-L6-v2 about fifteen seconds of one core, 1.1 GB while it lasts, 90 MB kept
"""

from __future__ import annotations

import hashlib
import json
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dftspark.embedding import cache, openvino_embedder, torch_model
from dftspark.embedding.embedders import Embedder
from dftspark.embedding.openvino_embedder import ABOUT, GRAPH, TOKENIZER
from dftspark.errors import ConfigError

_VERSION = "openvino-v1"  # raise it when anything below changes a graph
_TRACED_BY = ("openvino", "torch", "transformers", "sentence-transformers")
_LEAST_COSINE = 0.99999
_PROBES = (
    "River.",
    "A second sentence, somewhat longer than the first one; it ends here.",
    "Ein Satz mit Umlauten: schöne Grüße! 東京は夜の七時。 🙂",
    "The quiet stranger walked along the river, and nobody asked him why. " * 60,
)


def folder(source: Path, digest: str) -> Path:
    """Returns the folder of the graph for the model in `source`, whose files have this digest;
    makes it where it is absent.

    Raises ConfigError for a model that cannot be converted, EnvironmentProblem where a package is
    absent or the cache cannot be written.
    """
    openvino_embedder.runtime()
    versions = [f"{name} {metadata.version(name)}" for name in _TRACED_BY]
    key = hashlib.sha256("\n".join([digest, *versions]).encode()).hexdigest()
    target = cache.place(f"{_VERSION}-{key[:32]}")
    return cache.made(target, lambda whole: _convert(source, whole), "the converted embedder")


def _convert(source: Path, target: Path) -> None:
    model = torch_model.read(source).float().eval()
    target.mkdir()
    limit = model.max_seq_length
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if limit is None or limit == float("inf") or tokenizer is None:
        raise _refused(source, "it is no transformer with a tokenizer of the library tokenizers")
    prompt = model.prompts.get(model.default_prompt_name) or ""
    ids = model.preprocess([_PROBES[0]])["input_ids"]  # this sets the tokenizer's truncation too
    about = {
        "prompt": prompt,
        "max_seq_length": int(limit),
        "positions": torch_model.positions(model),
    }
    tokenizer.save(str(target / TOKENIZER))
    (target / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
    openvino = openvino_embedder.runtime()
    try:
        graph = _traced(openvino, model, ids)
        openvino.save_model(graph, str(target / GRAPH), compress_to_fp16=False)
        _compare(source, model, target)
    except (RuntimeError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise _refused(source, str(error).strip().partition("\n")[0]) from error


def _traced(openvino: Any, model: Any, ids: Any) -> Any:
    import torch

    class Alone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any) -> Any:
            types = torch.zeros_like(input_ids)
            said = self.model({"input_ids": input_ids, "token_type_ids": types})
            return said["sentence_embedding"]

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # from the tracer; its graph is compared
        return openvino.convert_model(Alone().eval(), example_input=ids, input=[1, -1])


def _compare(source: Path, model: Any, target: Path) -> None:
    """Raises ConfigError where the graph does not give the model's vectors."""
    theirs = Embedder(model, "cpu", 1).encode(_PROBES).vectors
    ours = openvino_embedder.load(target).encode(_PROBES).vectors
    least = float(np.min(np.sum(theirs * ours, axis=1))) if ours.shape == theirs.shape else 0.0
    if not least >= _LEAST_COSINE:
        raise _refused(source, f"its vectors would be others, down to a cosine of {least:.6f}")


def _refused(source: Path, why: str) -> ConfigError:
    return ConfigError(
        f"embedding.engine = 'openvino': the model in {source} cannot be converted: {why}\n"
        f"  set embedding.engine = 'torch'"
    )
