"""The configuration of a tuning, and texts that the model has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dftspark.cli import main
from dftspark.config import Cleaning
from dftspark.config.tune import Tuning
from dftspark.errors import ConfigError, InputError
from dftspark.tuning.encoding import TrainingText
from dftspark.tuning.material import check_leak

NEEDED = 'model = "m"\nprofile = "p"\nbriefs = "b"\nhuman = "h"\n'


def loaded(folder: Path, text: str) -> Tuning:
    path = folder / "tune.toml"
    path.write_text(f"[tune]\n{NEEDED}{text}")
    return Tuning.load(path)


def test_init_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--tune", "tune.toml"]) == 0
    assert Tuning.load("tune.toml").tune.training == loaded(tmp_path, "").tune.training
    assert main(["init", "--tune", "tune.toml"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample = 3\n", r"tune\.sample: there is no such setting; did you mean 'samples'"),
        ("[tune.training]\nlayer = 3\n", r"training\.layer: .* did you mean 'layers'"),
        ("[tune.sampler]\ntemperature = 0\n", "at 0 all samples are the same text"),
        ("[tune.sampler]\ntypical_p = 0.9\n", r"top_k, min_p, and not \['typical_p'\]"),
        ('weights = "tilt"\nkl = 1.4\n', r"kl is below log\(samples\) = 1.386, got 1.4"),
        ("prompts = 20000\n", "50,000 at most"),
        ('weights = "choose"\n', "'choice' or 'tilt'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loaded(tmp_path, text)


def test_texts_of_the_target_are_found_in_what_the_model_has_seen(tmp_path: Path) -> None:
    human = [TrainingText("", "A fox  ran."), TrainingText("", "It rained.")]
    path = tmp_path / "sft.jsonl"
    rows = [{"text": "Other."}, {"completion": "A fox ran.\r\n"}, {"text": "More."}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ConfigError, match=r"tune.sft: 1 of 3 texts of .* are human texts of the"):
        check_leak([str(path)], human, Cleaning())
    check_leak([str(path)], human[1:], Cleaning())
    path.write_text('{"other": "x"}\n')
    with pytest.raises(InputError, match=r"row 1 of .* has no text in a column text or completion"):
        check_leak([str(path)], human, Cleaning())
