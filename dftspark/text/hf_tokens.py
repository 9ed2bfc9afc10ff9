"""Hugging Face tokenizers: any `tokenizer.json`, so that counts are in a model's own tokens.

Cost     of the `tokenizers` library, a few microseconds a token
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.text.hashing import mixed
from dftspark.text.tokens import TokenBatch, one_line

_SEED = np.uint64(0x6A09_E667_F3BC_C909)
_SLICE = 256  # documents encoded at once


@dataclass(frozen=True)
class HuggingFaceTokens:
    """Tokens without the special ones; spans are character offsets into each document."""

    path: str
    sha256: str
    encoder: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: str) -> HuggingFaceTokens:
        """Loads a tokenizer. Raises ConfigError for any other file; nothing is ever downloaded."""
        return _load(path)

    @property
    def fingerprint(self) -> str:
        return f"hf-v1(sha256={self.sha256[:16]})"

    def tokenize(self, texts: pa.Array, spans: bool = False) -> TokenBatch:
        ids: list[list[int]] = []
        offsets: list[list[tuple[int, int]]] = []
        encode = self.encoder.encode_batch if spans else self.encoder.encode_batch_fast
        for start in range(0, len(texts), _SLICE):
            strings = [text or "" for text in texts.slice(start, _SLICE).to_pylist()]
            for encoding in encode(strings, add_special_tokens=False):
                ids.append(encoding.ids)
                if spans:
                    offsets.append(encoding.offsets)
        flat = np.fromiter(chain.from_iterable(ids), np.uint64)
        bounds = np.array(list(chain.from_iterable(offsets)), np.int64).reshape(-1, 2)
        lengths = np.fromiter((len(i) for i in ids), np.int64, len(ids))
        return TokenBatch(
            mixed(flat, _SEED), bounds[:, 0], bounds[:, 1], np.r_[0, np.cumsum(lengths)]
        )

    def token_texts(self, texts: pa.Array, batch: TokenBatch, first: int, n: int) -> list[str]:
        text = self._text(texts, batch, first)
        spans = zip(batch.starts[first : first + n], batch.ends[first : first + n], strict=True)
        return [text[start:end] for start, end in spans]

    def examples(
        self, texts: pa.Array, batch: TokenBatch, firsts: NDArray[np.int64], n: int, width: int
    ) -> Iterator[tuple[int, str, list[str], str]]:
        documents = np.searchsorted(batch.offsets, firsts, side="right") - 1
        for document, first in zip(documents.tolist(), firsts.tolist(), strict=True):
            text = texts[document].as_py()
            start, end = int(batch.starts[first]), int(batch.ends[first + n - 1])
            reach = max(0, width - (end - start)) // 2
            own = self.token_texts(texts, batch, first, n)
            around = text[max(0, start - reach) : end + reach]
            yield document, one_line(text[start:end]), own, around

    def _text(self, texts: pa.Array, batch: TokenBatch, token: int) -> str:
        document = int(np.searchsorted(batch.offsets, token, side="right")) - 1
        return str(texts[document].as_py())


@cache
def _load(path: str) -> HuggingFaceTokens:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EnvironmentProblem(
            "tokens.tokenizer = 'hf:...' needs the tokenizers package: "
            "pip install 'dftspark[spark]'"
        ) from error
    try:
        data = Path(path).read_bytes()
        encoder = Tokenizer.from_str(data.decode())
    except Exception as error:  # the library raises bare Exception for a file it cannot read
        raise ConfigError(
            f"tokens.tokenizer: {path!r} is not a tokenizer.json that this machine can read "
            f"({error}); give the path of the file itself, on every executor"
        ) from error
    encoder.no_truncation()
    encoder.no_padding()
    return HuggingFaceTokens(path, hashlib.sha256(data).hexdigest(), encoder)
