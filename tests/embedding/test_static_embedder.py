"""The distilled table: rows by the formula, built once; a text is the mean of its tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dftspark.config import Embedding
from dftspark.embedding import embedders, static_embedder
from dftspark.embedding import recipe as models
from tests import extras
from tests import models as small

pytestmark = [pytest.mark.embedder, extras.embed]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.transformer(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def built(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> embedders.Embedder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(models, "packaged", lambda: teacher)
    settings = Embedding(embedder="static")
    return embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads=1)


def test_rows_are_centered_and_weighted(built: embedders.Embedder, teacher: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(teacher), device="cpu")
    words = ["the", "##ing", "river"]
    tokens = model.tokenizer.convert_tokens_to_ids(words)
    table = built.model[0].embedding.weight.detach().numpy().astype(np.float64)
    assert table.shape == (30_522, 8)
    harmonic = (1 / np.arange(1, 30_523)).sum()
    weights = np.array([1e-4 / (1e-4 + 1 / ((token + 1) * harmonic)) for token in tokens])
    alone = model.encode(["the", "river"]).astype(np.float64)
    rows = table[tokens] / weights[:, None]
    # Both are the transformer's vector less the mean over the vocabulary, which is the same.
    np.testing.assert_allclose(rows[0] - rows[2], alone[0] - alone[1], atol=1e-4)
    assert (table / weights_of(table, harmonic)).mean(axis=0) == pytest.approx(0, abs=1e-5)


def weights_of(table: np.ndarray, harmonic: float) -> np.ndarray:
    rank = np.arange(1, len(table) + 1)
    found: np.ndarray = (1e-4 / (1e-4 + 1 / (rank * harmonic)))[:, None]
    return found


def test_a_text_is_the_mean_of_its_tokens(built: embedders.Embedder) -> None:
    table = built.model[0].embedding.weight.detach().numpy().astype(np.float64)
    tokens = built.model.tokenizer.encode("The quiet river", add_special_tokens=False).ids
    assert len(tokens) == 3
    mean = table[tokens].mean(axis=0)
    text = "The quiet river " * 200  # longer than the transformer reads
    found = built.encode(["river quiet THE", text]).vectors
    # A running sum of 600 terms in float32.
    np.testing.assert_allclose(found, [mean / np.linalg.norm(mean)] * 2, atol=600 * 2**-24)


def test_it_is_built_once(
    built: embedders.Embedder, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_embedder, "_rows", lambda _: pytest.fail("it was built again"))
    first = static_embedder.folder(teacher, models.digest_of(teacher))
    assert first.is_dir()
    assert not [path for path in first.parent.iterdir() if path != first]


def test_its_key_is_that_of_its_source(built: embedders.Embedder, tmp_path: Path) -> None:
    settings = Embedding(embedder="static")
    found = models.recipe(settings, "cpu")
    (table,) = (tmp_path / "dftspark" / "embedders").glob("*/model.safetensors")
    table.write_bytes(table.read_bytes() + b" ")  # another machine rounds another way
    assert models.recipe(settings, "cpu").key == found.key
    assert models.verified(settings, found) == table.parent
