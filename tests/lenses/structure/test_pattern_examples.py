"""Excerpts around a construction: whole words, an ellipsis where the text goes on."""

from __future__ import annotations

import json
import random
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark.lenses.structure import pattern_examples, patterns
from dftspark.text.hashing import digest64


def excerpt(text: str, name: str = "em_dash") -> str:
    names = list(patterns.bundled().program.names)
    hits = np.zeros((1, len(names)), np.int64)
    hits[0, names.index(name)] = 1
    found = pattern_examples.none()
    pattern_examples.update(found, pa.array([text]), ["a"], hits)
    (example,) = found[name]
    return example.excerpt


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
    assert [len(examples) for examples in seen(*both).values()] == [1], "one document"
    after = seen(both[0])
    pattern_examples.update(after, pa.array(both[1:]), ["a"], hits[:1])
    assert after == seen(*both)


def of_documents(batches: list[list[int]]) -> pattern_examples.Examples:
    """The examples of some batches of documents, whose numbers are their ids: all have a dash, the
    even ones a semicolon too."""
    names = list(patterns.bundled().program.names)
    held = pattern_examples.none()
    for batch in batches:
        hits = np.zeros((len(batch), len(names)), np.int64)
        hits[:, names.index("em_dash")] = 1
        hits[:, names.index("semicolon")] = [number % 2 == 0 for number in batch]
        texts = pa.array([f"here \u2014 there; text {number}" for number in batch], pa.string())
        pattern_examples.update(held, texts, [f"d{number}" for number in batch], hits)
    return held


def nearest(numbers: range) -> list[str]:
    return sorted((f"d{n}" for n in numbers), key=lambda i: digest64(i, "example") >> 1)[:5]


def test_the_five_documents_of_the_smallest_hashes_are_kept() -> None:
    held = of_documents([list(range(40))])
    assert [one.doc_id for one in held["em_dash"]] == nearest(range(40))
    assert [one.doc_id for one in held["semicolon"]] == nearest(range(0, 40, 2))
    assert all(one.excerpt.endswith(one.doc_id[1:]) for one in held["semicolon"])


@settings(deadline=None, max_examples=10)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=6), st.randoms())
def test_the_choice_does_not_depend_on_batches_or_the_order_of_merging(
    batches: list[list[int]], random: random.Random
) -> None:
    """Documents may repeat, within a batch and between batches."""
    whole = of_documents([[number for batch in batches for number in batch]])
    parts = [of_documents([batch]) for batch in batches]
    random.shuffle(parts)
    assert of_documents(batches) == whole
    assert reduce(pattern_examples.merged, parts, pattern_examples.none()) == whole


def test_examples_are_read_as_they_were_stored() -> None:
    held = of_documents([list(range(9))])
    stored = json.loads(json.dumps(pattern_examples.rows(held)))
    assert pattern_examples.of_rows(stored) == held
    one_each = {row["pattern"]: row for row in reversed(stored)}
    before = pattern_examples.of_rows(one_each.values())
    assert {name: held[name][:1] for name in held} == before, "a profile that kept one"
    assert pattern_examples.merged(before, held) == held
