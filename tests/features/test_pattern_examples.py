"""Excerpts around a construction: whole words, an ellipsis where the text goes on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dftspark.features import pattern_examples, patterns


def excerpt(text: str, name: str = "em_dash") -> str:
    names = list(patterns.bundled().program.names)
    hits = np.zeros((1, len(names)), np.int64)
    hits[0, names.index(name)] = 1
    found = pattern_examples.none()
    pattern_examples.update(found, pa.array([text]), ["a"], hits)
    return found[name].excerpt


def test_a_cut_is_between_words_and_shown() -> None:
    said = excerpt("alpha " * 60 + "here \u2014 there" + " omega" * 60)
    assert said.startswith("\u2026alpha ")
    assert said.endswith(" omega\u2026")
    assert set(said.strip("\u2026").split()) == {"alpha", "here", "\u2014", "there", "omega"}
    assert len(said) <= pattern_examples.WIDTH + 2


def test_a_short_text_is_whole() -> None:
    assert excerpt("here \u2014 there") == "here \u2014 there"


@pytest.mark.parametrize("filling", ["\u6f22", "x"])
def test_a_text_without_spaces_keeps_what_stands_around(filling: str) -> None:
    said = excerpt(f"{filling * 200}\u2014{filling * 200}")
    assert said.count(filling) > 20
    assert "\ufffd" not in said
