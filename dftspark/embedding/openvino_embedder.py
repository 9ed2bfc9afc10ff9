"""A transformer that OpenVINO computes on a CPU, from a folder of `openvino_convert`.

Texts are tokenized together and computed one by one, without padding, each on one thread, shortest
first so that neighbors have the same shape. So a vector depends only on its text, the model and the
processor. With several threads, each has its stream.

Cost    all-MiniLM-L6-v2 is ready in two CPU-seconds and takes 570 MiB: torch is not imported
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.embedding import torch_model
from dftspark.embedding.embedders import Embedder
from dftspark.errors import EnvironmentProblem

GRAPH, TOKENIZER, ABOUT = "model.xml", "tokenizer.json", "about.json"

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def runtime() -> Any:
    """Returns the module openvino. Raises EnvironmentProblem where it is not installed."""
    # OpenVINO reports imports and conversions to its makers; without this package it cannot.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise EnvironmentProblem(
            "embedding.engine = 'openvino': openvino is not installed: "
            "pip install 'dftspark[openvino]', or set embedding.engine = 'torch'"
        ) from error
    return openvino


def precisions() -> list[str]:
    """Returns the precisions that this processor supports, as embedding.precision names them."""
    said = runtime().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    names = {"FP32": "float32", "BF16": "bfloat16", "FP16": "float16"}
    return [name for code, name in names.items() if code in said]


@dataclass(frozen=True)
class Graph:
    """Contents of a folder of `openvino_convert`.

    file            the graph, from token ids `(1, n)` to a vector `(1, d)`
    tokenizer       with the truncation and the marks of the model
    whole           the same without truncation
    prompt          what the model puts before every text
    max_seq_length  the most tokens that are read, marks included
    """

    file: Path
    tokenizer: Any
    whole: Any
    prompt: str
    max_seq_length: int


def _read(folder: Path, max_tokens: int | None) -> Graph:
    from tokenizers import Tokenizer

    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    tokenizer, whole = (Tokenizer.from_file(str(folder / TOKENIZER)) for _ in range(2))
    tokenizer.no_padding()
    whole.no_padding()
    whole.no_truncation()
    if max_tokens is not None:
        torch_model.check_length(max_tokens, about["positions"])
        cut = dict(tokenizer.truncation or {}, max_length=max_tokens)
        tokenizer.enable_truncation(**cut)
    limit = max_tokens or about["max_seq_length"]
    return Graph(folder / GRAPH, tokenizer, whole, about["prompt"], limit)


@dataclass
class Converted(Embedder):
    """An embedder whose model is a Graph, computed in `precision`."""

    precision: str = "float32"
    _queue: tuple[int, Any] | None = field(default=None, init=False)

    def _tokens(self, text: str) -> tuple[list[tuple[int, int]], list[int | None]]:
        said = self.model.whole.encode(text, add_special_tokens=False)
        return said.offsets, said.word_ids

    def _taken(self) -> int:
        whole = self.model.whole
        own: int = whole.num_special_tokens_to_add(is_pair=False)
        return own + len(whole.encode(self.model.prompt, add_special_tokens=False).ids)

    def _forward(self, texts: Sequence[str]) -> NDArray[np.float32]:
        prompt, tokenizer = self.model.prompt, self.model.tokenizer
        read = tokenizer.encode_batch_fast([prompt + text for text in texts])
        rows = [np.array([one.ids], np.int64) for one in read]
        found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows)

        def keep(request: Any, at: int) -> None:
            found[at] = request.get_output_tensor(0).data[0].copy()

        queue = self._streams()
        queue.set_callback(keep)
        for at in sorted(range(len(rows)), key=lambda i: rows[i].size):
            queue.start_async([rows[at]], at)
        queue.wait_all()
        return np.stack(found)

    def _streams(self) -> Any:
        """Returns a queue of requests, one for each thread that reads texts."""
        if self._queue is None or self._queue[0] != self.threads:
            openvino = runtime()
            self._queue = (self.threads, openvino.AsyncInferQueue(self._compiled(openvino)))
        return self._queue[1]

    def _compiled(self, openvino: Any) -> Any:
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": self.threads,
            # If pinned, the workers of a machine would all be bound to its first processors.
            "ENABLE_CPU_PINNING": False,
        }
        file = self.model.file
        try:
            compiled = openvino.Core().compile_model(file, "CPU", options)
        except RuntimeError as error:
            raise EnvironmentProblem(
                f"OpenVINO {openvino.__version__} cannot read {file}: {str(error).strip()}\n  "
                f"delete the folder {file.parent}; the model is then converted again"
            ) from error
        # Where the processor lacks the precision, OpenVINO silently computes in float32.
        if compiled.get_property("INFERENCE_PRECISION_HINT").to_string() != _HINTS[self.precision]:
            raise EnvironmentProblem(
                f"embedding.precision is {self.precision}, which OpenVINO does not compute in on "
                f"this processor: it has {', '.join(precisions())}. Set embedding.precision = "
                f"'float32', or embedding.engine = 'torch'"
            )
        return compiled


def load(
    folder: Path,
    precision: str = "float32",
    max_tokens: int | None = None,
    long_documents: str = "truncate",
    threads: int = 1,
) -> Converted:
    """Returns the embedder of a folder of `openvino_convert`.

    Raises EnvironmentProblem for a precision that the processor does not have, and for a folder
    that is damaged.
    """
    graph = _read(folder, max_tokens)
    # A batch is one text, so its budget of tokens is the text's.
    found = Converted(
        graph, "cpu", graph.max_seq_length, long_documents, threads, precision=precision
    )
    found._streams()
    return found
