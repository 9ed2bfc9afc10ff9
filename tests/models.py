"""Small models with closed forms, made in a second: no test needs a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# "empty" and "broken" stand for texts that a real model cannot embed.
ROWS: dict[str, list[float]] = {
    "[UNK]": [0.0, 0.0, 0.0],
    "red": [3.0, 0.0, 4.0],
    "green": [0.0, 2.0, 0.0],
    "blue": [1.0, 1.0, 1.0],
    "empty": [0.0, 0.0, 0.0],
    "broken": [float("nan"), 1.0, 0.0],
}


def static(folder: Path, rows: dict[str, list[float]] | None = None) -> Path:
    """A sentence-transformers model whose vector is the mean of its words' rows."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    rows = rows or ROWS
    words = {word: i for i, word in enumerate(rows)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.array(list(rows.values()), np.float32)
    module = StaticEmbedding(tokenizer, embedding_weights=table)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)
    return folder


def transformer(folder: Path, seed: int = 0) -> Path:
    """A transformer of eight dimensions with the packaged model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    from dftspark.embedding import recipe

    tiny = BertConfig(
        vocab_size=30_522,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    torch.manual_seed(seed)
    BertModel(tiny).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((recipe.packaged() / name).read_bytes())
    return folder


def unit(text: str) -> NDArray[np.float64]:
    """What `static` makes of a text."""
    mean = np.mean([ROWS[word] for word in text.split()], axis=0)
    found: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return found


def texts(count: int) -> list[str]:
    """Distinct texts of the words that have rows."""
    words = ("red", "green", "blue")
    return [
        " ".join(words[(i // 3**place) % 3] for place in range(8)) + " red" * (i // 3**8)
        for i in range(count)
    ]


class Doubled:
    """A model of `dimension` counts of letters, on a device with memory for `most` tokens.

    A text has as many tokens as bytes; a batch has them all as long as its longest.
    """

    def __init__(self, error: type[Exception], most: int, message: str = "CUDA out of memory"):
        self.error, self.most, self.message = error, most, message
        self.max_seq_length: int | None = None
        self.batches: list[list[str]] = []

    def encode(self, texts: list[str], **_: Any) -> Any:
        import torch

        self.batches.append(list(texts))
        if len(texts) * max(map(len, texts)) > self.most:
            raise self.error(self.message)
        return torch.tensor([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> list[float]:
        return [float(text.count(letter)) for letter in "abc"]


def edit(folder: Path, **settings: Any) -> None:
    """Changes the model's config.json."""
    file = folder / "config.json"
    said = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**said, **settings}))
