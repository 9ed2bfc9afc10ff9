"""Embedders that turn texts into unit vectors with a sentence-transformers model, on any device.

On a CPU a transformer reads one text at a time, without padding, each on one thread: the order in
which numbers are summed depends on a batch's shape and on the number of threads, so in a batch the
last bits of a text's vector would depend on its neighbors. Read alone, it depends on the text, the
model and the processor.

On a GPU, where that would be slow, texts are sorted by length and cut into batches by a budget of
tokens, padding included. Where the device runs out of memory, the budget is halved for the rest of
the process and the batch is tried again. There the last bits depend on the batch.

Cost    with all-MiniLM-L6-v2 about 5 GFLOP a text of 256 tokens; the model is loaded once a process
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.embedding import torch_model
from dftspark.embedding.recipe import OPENVINO, Recipe, verified
from dftspark.errors import EnvironmentProblem

BATCH_TOKENS = {"cpu": 8_192, "cuda": 65_536}

_MOST_TEXTS = 1_024  # in a batch
_BYTES_A_TOKEN = 3  # low, so that an estimated length errs to the long side
_CHARACTERS_A_TOKEN = 64  # read of a text that will be truncated, to bound the tokenizer's work

ZERO = "vector_zero"
NOT_FINITE = "vector_not_finite"


@dataclass(frozen=True)
class Encoded:
    """vectors   `(B, d)` float32 of unit norm; zeros where there is a problem
    problems  `(B,)`: None, or the reason why a text has no vector
    """

    vectors: NDArray[np.float32]
    problems: list[str | None]


@dataclass
class Embedder:
    """A loaded model. `batch_tokens` is the current budget, lower after memory ran out; `threads`
    is how many texts are read at once where each is read alone.
    """

    model: Any
    device: str
    batch_tokens: int
    long_documents: str = "truncate"
    threads: int = 1
    max_tokens: int | None = field(init=False)

    def __post_init__(self) -> None:
        said = self.model.max_seq_length
        self.max_tokens = None if said is None or math.isinf(said) else int(said)

    @property
    def alone(self) -> bool:
        """True if texts are read one by one. A model without a limit, a table of token vectors, has
        no padding, and sums each text by itself in any batch.
        """
        return self.device == "cpu" and self.max_tokens is not None

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Returns a vector per text. Raises EnvironmentProblem where a single text is too large."""
        if self.long_documents == "windows" and self.max_tokens is not None:
            return _checked(self._means(texts))
        if self.max_tokens is not None:
            texts = [text[: self.max_tokens * _CHARACTERS_A_TOKEN] for text in texts]
        return _checked(self._forward(texts))

    def _means(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the mean of each text's windows, unit vectors weighted by their tokens."""
        pieces: list[str] = []
        weights: list[int] = []
        starts = [0]
        for text in texts:
            for piece, tokens in self._windows(text):
                pieces.append(piece)
                weights.append(tokens)
            starts.append(len(pieces))
        vectors = self._forward(pieces)
        with np.errstate(all="ignore"):  # values that are not finite are caught at the end
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            weighted = vectors * np.array(weights, np.float32)[:, None]
        return np.add.reduceat(weighted, starts[:-1], axis=0)

    def _windows(self, text: str) -> Iterator[tuple[str, int]]:
        """Yields pieces of the text, cut before words so that the model reads each whole, with
        their numbers of tokens.
        """
        assert self.max_tokens is not None
        places, words = self._tokens(text)
        usable = max(1, self.max_tokens - self._taken())
        start = 0
        while len(places) - start > usable:
            end = start + usable
            while end > start + 1 and words[end] is not None and words[end] == words[end - 1]:
                end -= 1
            end = end if end > start + 1 else start + usable  # a single word fills the window
            yield text[places[start][0] : places[end - 1][1]], end - start
            start = end
        yield text[places[start][0] :] if places else text, max(1, len(places) - start)

    def _tokens(self, text: str) -> tuple[list[tuple[int, int]], list[int | None]]:
        """Returns the place of each token of the whole text and the number of its word."""
        said = self.model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return said["offset_mapping"], said.word_ids()

    def _taken(self) -> int:
        """Returns how many tokens of every window are not the text's."""
        tokenizer = self.model.tokenizer
        prompt = self.model.prompts.get(self.model.default_prompt_name) or ""
        own: int = tokenizer.num_special_tokens_to_add()
        return own + len(tokenizer(prompt, add_special_tokens=False)["input_ids"])

    def _forward(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._one_by_one(texts) if self.alone else self._batched(texts)

    def _one_by_one(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # The first sets the tokenizer's truncation, which cannot change while another thread reads.
        found = [self._single(texts[0])]
        if self.threads > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                found += pool.map(self._single, texts[1:])
        else:
            found += map(self._single, texts[1:])
        return np.concatenate(found)

    def _single(self, text: str) -> NDArray[np.float32]:
        vector = self._tried([text])
        if vector is None:
            self._halve(1, int(self._guessed([text])[0]))
        assert vector is not None
        return vector

    def _batched(self, texts: Sequence[str]) -> NDArray[np.float32]:
        lengths = self._guessed(texts)
        order = np.lexsort((np.arange(len(texts)), -lengths))
        out: NDArray[np.float32] | None = None
        at = 0
        while at < len(order):
            # Lengths fall, so the first text of a batch decides its padding.
            width = int(lengths[order[at]])
            count = min(max(1, self.batch_tokens // width), _MOST_TEXTS)
            batch = order[at : at + count]
            vectors = self._tried([texts[i] for i in batch])
            if vectors is None:
                self._halve(len(batch), width)
                continue
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), np.float32)
            out[batch] = vectors
            at += len(batch)
        assert out is not None, "no texts"
        return out

    def _guessed(self, texts: Sequence[str]) -> NDArray[np.int64]:
        sizes = np.array([len(text.encode()) for text in texts], np.int64)
        return np.clip(sizes // _BYTES_A_TOKEN + 2, 8, self.max_tokens)

    def _tried(self, texts: list[str]) -> NDArray[np.float32] | None:
        """Encodes a batch; returns None where the device has too little memory for it."""
        import torch

        try:
            vectors = self.model.encode(
                texts, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True
            )
            found: NDArray[np.float32] = vectors.to(dtype=torch.float32, device="cpu").numpy()
            return found
        except torch.cuda.OutOfMemoryError:
            pass
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
        # Done here and not above: as long as the error is referenced, its frames hold the tensors.
        if self.device.startswith("cuda") and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _halve(self, texts: int, tokens: int) -> None:
        if texts == 1:
            raise EnvironmentProblem(
                f"one text of about {tokens} tokens does not fit into the memory of {self.device}. "
                f"Lower embedding.max_tokens, take a smaller embedder, or give the task a device "
                f"of its own."
            )
        # Halve the size that was tried and not the budget: the batch may have been far below it.
        self.batch_tokens = max(1, texts * tokens // 2)


def _checked(raw: NDArray[np.float32]) -> Encoded:
    norms = np.linalg.norm(raw.astype(np.float64), axis=1)
    bad = ~np.isfinite(norms)
    problems = [
        NOT_FINITE if not_finite else ZERO if norm == 0 else None
        for norm, not_finite in zip(norms, bad, strict=True)
    ]
    usable = ~bad & (norms > 0)
    vectors = np.zeros_like(raw)
    vectors[usable] = raw[usable] / norms[usable, None]
    return Encoded(vectors, problems)


# --- loading ------------------------------------------------------------------------------------

# One model per process: a worker that goes on to another has no room for two.
_loaded: list[tuple[tuple[Recipe, str], Embedder]] = []


def load(settings: Embedding, recipe: Recipe, device: str, threads: int) -> Embedder:
    """Returns the embedder of a recipe on a torch device ('cpu', 'cuda:0'), kept for the next call.

    Raises EnvironmentProblem for files unlike the recipe's, an absent device, absent packages.
    """
    if not _loaded or _loaded[0][0] != (recipe, device):
        _loaded.clear()
        _loaded.append(((recipe, device), _load(settings, recipe, device, threads)))
    found = _loaded[0][1]
    found.threads = threads
    return found


def _load(settings: Embedding, recipe: Recipe, device: str, threads: int) -> Embedder:
    folder = verified(settings, recipe)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if threads > 1 else "false")
    if recipe.engine == OPENVINO:
        from dftspark.embedding import openvino_convert, openvino_embedder

        return openvino_embedder.load(
            openvino_convert.folder(folder, recipe.digest),
            recipe.precision,
            recipe.max_tokens,
            recipe.long_documents,
            threads,
        )
    # Moved to the device only in its final precision: twice the size need not fit there.
    model = torch_model.read(folder)
    import torch

    # Threads of a single operation. On a CPU each thread reads a text, see `Embedder.alone`.
    torch.set_num_threads(1 if device == "cpu" else threads)
    require(device)
    model = model.to(getattr(torch, recipe.precision)).to(device).eval()
    if recipe.max_tokens is not None:
        torch_model.check_length(recipe.max_tokens, torch_model.positions(model))
        model.max_seq_length = recipe.max_tokens
    kind = device.partition(":")[0]
    budget = BATCH_TOKENS[kind] if settings.batch_tokens == "auto" else settings.batch_tokens
    return Embedder(model, device, budget, recipe.long_documents, threads)


def require(device: str) -> None:
    """Raises EnvironmentProblem where torch lacks the device, which is never replaced."""
    import torch

    kind, _, number = device.partition(":")
    if kind != "cuda":
        return
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= found:
        raise EnvironmentProblem(
            f"embedding.device is cuda and the task was to use {device}, but torch "
            f"{torch.__version__} sees {found} CUDA devices here (CUDA_VISIBLE_DEVICES="
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}). Check the driver with "
            f"nvidia-smi and that torch is a CUDA build, or set embedding.device = 'cpu'."
        )
