"""OpenVINO gives torch's vectors, each by its text alone, from weights converted once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dftspark.config import Embedding
from dftspark.embedding import embedders, openvino_convert, openvino_embedder, torch_model
from dftspark.embedding import recipe as models
from dftspark.embedding.embedders import Embedder, Encoded
from dftspark.embedding.openvino_embedder import Converted, load
from dftspark.errors import ConfigError, EnvironmentProblem
from tests import extras
from tests import models as small
from tests.embedding.test_embedders import LONG, WRITTEN, assert_same_in_any_batch

# Slow, and so in a process of their own: with OpenVINO loaded an interrupt ends a process at once.
pytestmark = [pytest.mark.slow, pytest.mark.embedder, extras.embed, extras.openvino]

MIXED = [LONG[i : i + n] for i, n in enumerate([0, 3, 9, 20, 47, 90, 151, 390, 700, 1_200])]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        yield home / "dftspark" / "embedders"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.transformer(tmp_path_factory.mktemp("tiny"))


def loaded(engine: str = "openvino", threads: int = 1, **more: Any) -> Embedder:
    settings = Embedding.model_validate({"engine": engine, **more})
    return embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads)


@pytest.fixture(scope="module")
def torch_minilm() -> Embedder:
    return loaded("torch")


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The folder of the packaged model's graph."""
    return openvino_convert.folder(models.packaged(), models.digest_of(models.packaged()))


def assert_like_torch(ours: Encoded, theirs: Encoded) -> None:
    assert ours.problems == theirs.problems
    assert (ours.vectors * theirs.vectors).sum(axis=1).min() >= 0.99999
    np.testing.assert_allclose(ours.vectors, theirs.vectors, atol=2e-6)
    assert ours.vectors.dtype == np.float32


def test_vectors_are_those_of_torch(
    minilm: Path, torch_minilm: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_like_torch(load(minilm).encode(WRITTEN), torch_minilm.encode(WRITTEN))
    ours = load(minilm, long_documents="windows")
    theirs = Embedder(torch_minilm.model, "cpu", 8_192, "windows")
    assert_like_torch(ours.encode(WRITTEN), theirs.encode(WRITTEN))
    monkeypatch.setattr(torch_minilm.model, "max_seq_length", 32)
    shorter = Embedder(torch_minilm.model, "cpu", 8_192)
    assert_like_torch(load(minilm, max_tokens=32).encode(WRITTEN), shorter.encode(WRITTEN))


def test_windows_are_those_of_torch(minilm: Path, torch_minilm: Embedder) -> None:
    theirs = Embedder(torch_minilm.model, "cpu", 8_192, "windows")
    pieces = [list(theirs._windows(text)) for text in WRITTEN]
    ours = load(minilm, long_documents="windows")
    assert [list(ours._windows(text)) for text in WRITTEN] == pieces
    assert max(map(len, pieces)) > 3


@pytest.mark.parametrize("long_documents", ["truncate", "windows"])
def test_a_vector_depends_on_its_text_alone(minilm: Path, long_documents: str) -> None:
    """To the last bit: on no neighbor, no thread, and nothing that was read before."""
    texts = MIXED if long_documents == "truncate" else [MIXED[2], MIXED[-3], LONG[:1_500]]
    embedder = load(minilm, long_documents=long_documents)
    assert_same_in_any_batch(embedder, texts)
    whole = embedder.encode(texts).vectors
    embedder.threads = 3
    np.testing.assert_array_equal(embedder.encode(texts).vectors, whole)
    again = load(minilm, long_documents=long_documents)
    backwards = [again.encode([text]).vectors[0] for text in texts[::-1]]
    np.testing.assert_array_equal(backwards[::-1], whole)


def test_what_a_model_puts_before_a_text_is_read_too(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    source = small.transformer(tmp_path / "source")
    model = SentenceTransformer(str(source), device="cpu", prompts={"own": "query: "})
    model.default_prompt_name = "own"
    model.save(str(tmp_path / "model"), create_model_card=False)
    ours, theirs = (
        loaded(name, embedder=str(tmp_path / "model")).encode(WRITTEN).vectors
        for name in ("openvino", "torch")
    )
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    bare = loaded(embedder=str(source)).encode(WRITTEN).vectors
    assert np.abs(ours - bare).max() > 1e-3


WORKER = """
import hashlib, sys
from pathlib import Path
from dftspark.config import Embedding
from dftspark.embedding import embedders, openvino_convert, recipe

real = openvino_convert._convert
openvino_convert._convert = lambda *places: (real(*places), print("converted"))
settings = Embedding(embedder=sys.argv[1], engine="openvino")
embedder = embedders.load(settings, recipe.recipe(settings, "cpu"), "cpu", 1)
vectors = embedder.encode(["One sentence.", "Another, and a longer one."]).vectors
print(hashlib.sha256(vectors.tobytes()).hexdigest(), "torch" in sys.modules)
"""


@pytest.mark.program
def test_workers_that_convert_at_once(tiny: Path, tmp_path: Path) -> None:
    """One converts and the others wait; who comes later needs no torch. Nobody is told of it."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("CI", None)  # in which OpenVINO's own telemetry is silent
    command = [sys.executable, "-c", WORKER, str(tiny)]

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    said = [worker.communicate(timeout=300)[0].split() for worker in [started(), started()]]
    later = started().communicate(timeout=300)[0].split()
    assert sorted(len(words) for words in said) == [2, 3]
    assert {words[-2] for words in [*said, later]} == {later[0]}
    assert later[1] == "False"
    folder = tmp_path / "cache" / "dftspark" / "embedders"
    assert [file.name[:12] for file in folder.iterdir()] == ["openvino-v1-"]
    assert not (tmp_path / "intel").exists()


def test_other_weights_and_versions_are_converted_anew(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def converted(_: Path, target: Path) -> None:
        made.append(target)
        target.mkdir()

    monkeypatch.setattr(openvino_convert, "_convert", converted)
    first = openvino_convert.folder(tiny, "a" * 64)
    assert openvino_convert.folder(tiny, "a" * 64) == first
    assert openvino_convert.folder(tiny, "b" * 64) != first
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "2026.9" if n == "openvino" else real(n))
    assert openvino_convert.folder(tiny, "a" * 64) != first
    assert len(made) == 3


def test_a_precision_is_the_processors_or_an_error(tiny: Path) -> None:
    for precision in ("bfloat16", "float16"):
        if precision in openvino_embedder.precisions():
            half = loaded(embedder=str(tiny), precision=precision).encode(WRITTEN).vectors
            exact = loaded(embedder=str(tiny)).encode(WRITTEN).vectors
            assert (half * exact).sum(axis=1).min() > 0.999
            assert not np.array_equal(half, exact)
        else:
            with pytest.raises(EnvironmentProblem, match="it has float32") as caught:
                loaded(embedder=str(tiny), precision=precision)
            assert precision in str(caught.value)
            assert "embedding.engine = 'torch'" in str(caught.value)


def test_more_tokens_than_positions_are_refused(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_tokens = 600, but the model has 512"):
        loaded(embedder=str(tiny), max_tokens=600)


def test_what_is_no_transformer_is_refused(tmp_path: Path, cache: Path) -> None:
    before = set(cache.iterdir())
    with pytest.raises(ConfigError, match=r"cannot be converted.*\n.*engine = 'torch'"):
        loaded(embedder=str(small.static(tmp_path / "table")))
    assert set(cache.iterdir()) == before


def test_a_graph_that_gives_other_vectors_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = torch_model.read(small.transformer(tmp_path / "other", seed=3)).eval()
    real = openvino_convert._traced
    monkeypatch.setattr(
        openvino_convert, "_traced", lambda openvino, _, ids: real(openvino, other, ids)
    )
    before = set(cache.iterdir()) if cache.is_dir() else set()
    source = small.transformer(tmp_path / "model", seed=1)
    with pytest.raises(ConfigError, match=r"its vectors would be others, down to a cosine of"):
        loaded(embedder=str(source))
    assert (set(cache.iterdir()) if cache.is_dir() else set()) == before


def test_a_damaged_graph_says_what_to_delete(tmp_path: Path) -> None:
    settings = Embedding(embedder=str(small.transformer(tmp_path / "model", seed=2)))
    digest = models.recipe(settings, "cpu").digest
    folder = openvino_convert.folder(tmp_path / "model", digest)
    (folder / openvino_embedder.GRAPH).write_text("<net")
    with pytest.raises(EnvironmentProblem) as caught:
        openvino_embedder.load(folder)
    assert f"delete the folder {folder}" in str(caught.value)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Embedding(engine="openvino")
    found = models.recipe(settings, "cpu")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        embedders._loaded.clear()
        with pytest.raises(EnvironmentProblem, match=r"pip install 'dftspark\[openvino\]'"):
            embedders.load(settings, found, "cpu", 1)
    real = metadata.version

    def version(name: str) -> str:
        if name == "openvino":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'dftspark\[openvino\]'"):
        models.recipe(settings, "cpu")
    assert models.recipe(Embedding(), "cpu").engine == "torch"  # which does not look for it


def test_it_is_loaded_once(tiny: Path) -> None:
    first = loaded(embedder=str(tiny))
    assert isinstance(first, Converted)
    assert loaded(embedder=str(tiny)) is first
    assert loaded("torch", embedder=str(tiny)) is not first
