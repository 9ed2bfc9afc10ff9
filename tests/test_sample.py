"""The bundled sample: three answers to every prompt, of like length, as its provenance says."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from dftspark import sample


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, str]]]:
    """Rows by prompt_id, by side."""
    files = sample.write(tmp_path_factory.mktemp("sample"))
    rows = {
        file.stem: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for file in files
    }
    return {side: {row["prompt_id"]: row for row in own} for side, own in rows.items()}


def test_every_side_answers_every_prompt(
    sides: dict[str, dict[str, dict[str, str]]],
) -> None:
    assert list(sides) == ["human", "plain", "polished"]
    prompts = list(sides["human"])
    assert prompts == sorted(prompts)
    assert {side: list(own) for side, own in sides.items()} == dict.fromkeys(sides, prompts)
    assert len(prompts) == 150
    assert all(row["prompt"].strip() for row in sides["human"].values())
    texts = [row["text"] for own in sides.values() for row in own.values()]
    assert len(set(texts)) == 450
    assert all(text == text.strip() and "  " not in text for text in texts)


def test_length_is_not_what_tells_them_apart(
    sides: dict[str, dict[str, dict[str, str]]],
) -> None:
    words = {
        side: round(fmean(len(row["text"].split()) for row in own.values()))
        for side, own in sides.items()
    }
    assert words == {"human": 84, "plain": 84, "polished": 86}


def test_its_license_comes_along() -> None:
    told = (Path(sample.__file__).parent / "PROVENANCE.md").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by-sa/3.0/legalcode" in told
    assert "CC BY-SA 3.0" in sample.NOTE
