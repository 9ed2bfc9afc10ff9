"""A table of token vectors distilled from a transformer: embeddings at the cost of tokenizing.

Every token of the vocabulary goes through the transformer by itself; its vector, centered over the
vocabulary and weighted down where the token is frequent, becomes its row. A text's vector is the
mean of its tokens' rows. Word order is lost, and topic weighs less than in the transformer.

State   a folder in the user's cache: a StaticEmbedding of sentence-transformers, 45 MB
Cost    to build: one pass of the vocabulary through the transformer, about a minute on one core
Source  the method is model2vec's (Tulkens and van Dongen 2024), without its PCA, which changes no
        ranking here and whose basis would differ between machines; the weights are the smooth
        inverse frequency of Arora, Liang and Ma (2017), with Zipf's law over the vocabulary's
        order for the frequencies
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.embedding import cache, torch_model

_VERSION = "static-v1"  # raise it when anything below changes a row
_SMOOTHING = 1e-4
_TOKENS = 1_024  # through the transformer at once


def folder(source: Path, source_digest: str) -> Path:
    """Returns the folder of the static model of `source`, a transformer; builds it if absent."""
    target = cache.place(f"{_VERSION}-{source_digest[:32]}")
    return cache.made(target, lambda whole: _build(source, whole), "the static embedder")


def digest(folder: Path) -> str:
    """Returns a digest of the table's sources and method; machines round its rows differently."""
    return hashlib.sha256(folder.name.encode()).hexdigest()


def _build(source: Path, target: Path) -> None:
    teacher = torch_model.read(source).eval()
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    rows = _weighted(_rows(teacher))
    static = StaticEmbedding(_tokenizer(source), embedding_weights=rows)
    model = SentenceTransformer(modules=[static], device="cpu")
    model.save(str(target), create_model_card=False)


def _rows(teacher: Any) -> NDArray[np.float32]:
    """Returns the transformer's vector of each token between its begin and end marks, `(V, d)`."""
    import torch

    tokenizer = teacher.tokenizer
    rows = []
    with torch.inference_mode():
        for start in range(0, len(tokenizer), _TOKENS):
            tokens = torch.arange(start, min(start + _TOKENS, len(tokenizer)))
            begin = torch.full_like(tokens, tokenizer.cls_token_id)
            end = torch.full_like(tokens, tokenizer.sep_token_id)
            inputs = torch.stack([begin, tokens, end], dim=1)
            said = teacher(
                {
                    "input_ids": inputs,
                    "attention_mask": torch.ones_like(inputs),
                    "token_type_ids": torch.zeros_like(inputs),
                }
            )
            rows.append(said["sentence_embedding"].numpy())
    return np.concatenate(rows)


def _weighted(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    frequency = 1 / np.arange(1, len(rows) + 1)
    frequency /= frequency.sum()
    weights = _SMOOTHING / (_SMOOTHING + frequency)
    centered = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    weighted: NDArray[np.float32] = (centered * weights[:, None]).astype(np.float32)
    return weighted


def _tokenizer(source: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()  # the transformer's limit does not apply to the table
    return tokenizer
