"""Excerpts around a construction: whole words, an ellipsis where the text goes on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dftspark.lenses.structure import pattern_examples, patterns


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


def test_one_doc_id_with_two_texts_does_not_leave_the_choice_to_the_order() -> None:
    """Two days may bring one doc_id with two texts: their hashes are equal."""
    names = list(patterns.bundled().program.names)
    hits = np.zeros((2, len(names)), np.int64)
    hits[:, names.index("em_dash")] = 1
    both = [f"here \u2014 {word}" for word in ("there", "elsewhere")]

    def seen(*texts: str) -> pattern_examples.Examples:
        found = pattern_examples.none()
        pattern_examples.update(found, pa.array(texts), ["a"] * len(texts), hits[: len(texts)])
        return found

    alone = [seen(text) for text in both]
    assert pattern_examples.merged(*alone) == pattern_examples.merged(*alone[::-1])
    assert seen(*both) == seen(*both[::-1]) == pattern_examples.merged(*alone)
    after = seen(both[0])
    pattern_examples.update(after, pa.array(both[1:]), ["a"], hits[:1])
    assert after == seen(*both)
