"""A target's file, what it refuses, and the counts of calls beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dftspark.config import Cleaning, Embedding
from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.tuning import calls, vectors
from dftspark.tuning.reward import WitnessReward
from dftspark.tuning.snippets import SNIPPETS, snippet
from dftspark.tuning.target import Target
from tests import extras, models
from tests.tuning import made

HUMAN, MODEL = ["red green", "green, slow red"], ["red red", "fast"]


def test_a_target_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    target = made.target(HUMAN, MODEL, orders=(1, 3))
    target.save(tmp_path / "target.arrow")
    back = Target.load(tmp_path / "target.arrow")
    for name in ("human", "model", "factor"):
        assert (getattr(back, name) == getattr(target, name)).all()
    for name in ("features", "cleaning", "embedding", "source", "fingerprints", "lengths"):
        assert getattr(back, name) == getattr(target, name)
    assert (WitnessReward(back).score(HUMAN) == WitnessReward(target).score(HUMAN)).all()
    assert [file.name for file in tmp_path.iterdir()] == ["target.arrow"]


def test_what_is_no_target_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dftspark reward"):
        Target.load(tmp_path / "none.arrow")
    (tmp_path / "text.arrow").write_text("text")
    with pytest.raises(InputError, match="is no target"):
        Target.load(tmp_path / "text.arrow")
    table = pa.table({"human": [1.0]})
    file = pa.OSFile(str(tmp_path / "other.arrow"), "wb")
    with file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)
    with pytest.raises(InputError, match="is no target"):
        Target.load(tmp_path / "other.arrow")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        made.target(HUMAN, MODEL).save(tmp_path / "absent" / "target.arrow")


@pytest.mark.parametrize(
    ("name", "text"),
    [("tokenizer", "words-v0"), ("cleaning", "clean-v2"), ("structure", "vectors-v9")],
)
def test_another_way_to_read_texts_is_refused_by_name(name: str, text: str) -> None:
    target = made.target(HUMAN, MODEL)
    other = replace(target, fingerprints={**target.fingerprints, name: text})
    with pytest.raises(ConfigError, match=f"the {name} is not the one of the target") as said:
        WitnessReward(other)
    assert text in str(said.value)
    assert str(said.value).count("\n") < 9


def test_texts_are_cleaned_as_the_profile_was() -> None:
    reward = WitnessReward(made.target(HUMAN, MODEL))
    plain, hidden = reward.score(["red green", "red\u200b green\u00ad"])
    assert plain == hidden
    kept = replace(reward.target, cleaning=Cleaning(strip_invisible=False))
    with pytest.raises(ConfigError, match="cleaning"):
        WitnessReward(kept)


@extras.embed
@pytest.mark.embedder
def test_a_static_table_is_read_without_torch_and_gives_the_same_vectors(tmp_path: Path) -> None:
    from dftspark.embedding import embedders
    from dftspark.embedding.recipe import recipe

    settings = Embedding(embedder=str(models.static(tmp_path / "table")))
    known = recipe(settings, "cpu")
    texts = [*models.texts(40), "", "empty", "broken red", "unknown words"]
    ours = vectors.embedder(settings, known.fingerprint)(texts)
    wanted = embedders.load(settings, known, "cpu", 1).encode(texts).vectors
    assert np.abs(ours - wanted).max() < 1e-6
    other = models.static(tmp_path / "other", {**models.ROWS, "red": [1.0, 0.0, 0.0]})
    with pytest.raises(ConfigError, match="the embedder is not the one of the target"):
        vectors.embedder(settings, known.fingerprint, other)


@extras.embed
@pytest.mark.embedder
def test_a_transformer_embeds_with_its_extra_and_another_is_refused(tmp_path: Path) -> None:
    from dftspark.embedding.recipe import recipe

    settings = Embedding(embedder=str(models.transformer(tmp_path / "tiny")))
    known = recipe(settings, "cpu").fingerprint
    embedded = vectors.embedder(settings, known)(["red", "green"])
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ConfigError, match="embedder is not the one of the target"):
        vectors.embedder(settings, known.replace("files=", "files=0"))


def test_the_reward_is_importable_without_a_trainer() -> None:
    """Neither torch nor a trainer: their pins exclude each other."""
    heavy = ("torch", "transformers", "sentence_transformers", "trl", "pyspark", "pandas")
    lines = (
        "import sys; import dftspark.tuning.reward; import dftspark.tuning.adapters.trl; "
        "import dftspark.tuning.adapters.verifiers; import dftspark.tuning.adapters.skyrl; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_calls_are_counted_over_processes_and_a_lost_reward_shows(tmp_path: Path) -> None:
    path = tmp_path / "target.arrow"
    made.target(HUMAN, MODEL).save(path)
    first, second = WitnessReward.open(path), WitnessReward.open(path)
    first.score(HUMAN)
    second.score(HUMAN[:1])
    assert calls.total(f"{path}.calls") == (3, 3)
    with pytest.raises(TypeError):
        second.score([None])  # type: ignore[list-item]
    assert calls.total(f"{path}.calls") == (4, 3)
    (tmp_path / "target.arrow.calls" / "broken.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="no count of calls"):
        calls.total(f"{path}.calls")
    with pytest.raises(InputError, match="has no counts"):
        calls.total(tmp_path / "absent")


@pytest.mark.parametrize("trainer", SNIPPETS)
def test_a_snippet_has_about_ten_lines_and_names_the_target(trainer: str) -> None:
    lines = snippet(trainer, "/data/target.arrow").splitlines()
    assert 8 <= len(lines) <= 11
    assert any("/data/target.arrow" in line for line in lines)
    with pytest.raises(ConfigError, match="--for is one of"):
        snippet("other", "target.arrow")
