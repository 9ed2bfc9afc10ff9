"""Copies: texts that other clusters have too, told from a sketch that merges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dftspark.errors import ShapeError
from dftspark.lenses.repeats import warning, withholds_tests
from dftspark.stats.copies_sketch import CLUSTERS, Copies, CopiesSketch, CopiesState, KeyBatch
from dftspark.stats.copies_sketch import copies as copies_of
from dftspark.text.hashing import digest64
from dftspark.text.minhash import document_keys
from dftspark.text.tokens import Words

SKETCH = CopiesSketch()


def keys(texts: Sequence[str]) -> Any:
    tokens = Words().tokenize(pa.array(texts, pa.string()))
    return document_keys(tokens.hashes, tokens.offsets, texts)


def sketch(texts: Sequence[str], clusters: Sequence[str]) -> CopiesState:
    hashes = np.array([digest64(name, "test") for name in clusters], np.uint64)
    return SKETCH.observe(KeyBatch(keys(texts), hashes))


def documents(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{w}" for w in rng.integers(0, 2_000, 60)) for _ in range(n)]


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_documents_that_are_stored_several_times(times: int) -> None:
    """Of m copies in clusters of their own the effect is m, and all but one in m are repeats."""
    texts = documents(400)
    state = SKETCH.empty()
    for copy in range(times):
        state = SKETCH.merge(state, sketch(texts, [f"{i}-{copy}" for i in range(400)]))
    found = copies_of(state)
    assert found.effect == pytest.approx(times, rel=1e-12)
    assert found.share == pytest.approx(1 - 1 / times, abs=1e-12)
    said = warning("web", "human", found, 400 * times)
    assert bool(said) == (times > 1)
    assert withholds_tests("human", found) == (times > 1)
    assert not withholds_tests("model", found)


def test_copies_in_one_cluster_are_none() -> None:
    texts = documents(100)
    once = [str(i) for i in range(100)]
    assert copies_of(sketch([*texts, *texts, *texts], once * 3)) == Copies(1.0, 0.0)


def test_a_tenth_that_is_stored_twice_is_told_from_a_sample() -> None:
    """More documents than the sketch has keys: 10,000, of which 1,000 have a copy: 1.1818."""
    texts = documents(10_000)
    found = copies_of(sketch([*texts, *texts[:1_000]], [str(i) for i in range(11_000)]))
    assert found.effect == pytest.approx(13_000 / 11_000, abs=0.03)
    assert found.share == pytest.approx(1_000 / 11_000, abs=0.02)


@pytest.mark.parametrize("m", [CLUSTERS - 1, CLUSTERS, 40, 1_000])
def test_many_copies_of_each_document(m: int) -> None:
    """Exact below CLUSTERS, from there on estimated from its least hashes."""
    each = documents(600)
    numbers = np.arange(600 * m, dtype=np.uint64)
    hashes = np.random.default_rng(1).permutation(numbers) * np.uint64(0x9E3779B97F4A7C15)
    found = copies_of(SKETCH.observe(KeyBatch(np.repeat(keys(each), m), hashes)))
    assert found.effect == pytest.approx(m, rel=1e-12 if m < CLUSTERS else 0.1)


def test_boilerplate_and_edits() -> None:
    """A tenth of the words in common is no copy, one edit in sixty words mostly is."""
    shared = " ".join(f"notice{i}" for i in range(6))
    texts = documents(300)
    boiler = [f"{shared} {text}" for text in texts]
    assert copies_of(sketch(boiler, [str(i) for i in range(300)])).effect < 1.01
    edited = [text.replace(text.split()[30], "other", 1) for text in texts]
    found = copies_of(sketch([*texts, *edited], [str(i) for i in range(600)]))
    assert 1.5 < found.effect < 2


def test_short_documents_go_by_their_text() -> None:
    """Titles in another case are copies; other titles, of fewer than three 3-grams, are not."""
    titles = ["Ask HN", "Show HN", "", "Ein Wort mehr"]
    own = keys(titles)
    assert len(set(own.tolist())) == 4
    assert keys(["ASK  hn", "show hn", " ", "ein wort MEHR"]).tolist() == own.tolist()


def test_nothing_is_said_of_nothing() -> None:
    found = copies_of(SKETCH.empty())
    assert np.isnan(found).all()
    assert warning("web", "human", found, 0) == ""
    assert not withholds_tests("human", found)


def test_each_document_has_a_cluster() -> None:
    with pytest.raises(ShapeError, match="give one of each per document"):
        SKETCH.observe(KeyBatch(np.zeros(2, np.uint64), np.zeros(3, np.uint64)))


def test_the_warning_has_the_numbers_and_the_remedy() -> None:
    said = warning("web/a", "model", Copies(1.25, 0.2), 500)
    assert "20% of web/a repeat another cluster's text" in said
    assert "as if there were 400 documents, not 500" in said
    assert "corpora.web.join_copies = true" in said
    assert said.endswith("if the model really wrote the same thing again, nothing is wrong")
    of_human = warning("web", "human", Copies(1.6, 0.4), 500)
    assert of_human.endswith("no q and no verdict is given, only distances")
    assert "no q and no verdict" not in warning("web", "human", Copies(1.4, 0.4), 500)


@pytest.mark.parametrize(("name", "effect"), [("biscope", 1.04), ("outfox", 1.02), ("fdg", 1.0)])
def test_human_texts_of_real_corpora(data: Path, name: str, effect: float) -> None:
    """Found by all documents and eight choices of the hashes: biscope has abstracts twice."""
    table = pq.read_table(data / f"{name}.parquet", columns=["model", "text", "prompt_id"])
    table = table.filter(pc.is_null(table["model"]))
    texts, prompts = (table[name].to_pylist() for name in ("text", "prompt_id"))
    once = sketch(texts, prompts)
    assert copies_of(once).effect == pytest.approx(effect, abs=0.01)
    assert warning(name, "human", copies_of(once), len(texts)) == ""
    twice = SKETCH.merge(once, sketch(texts, [f"{p}, again" for p in prompts]))
    assert copies_of(twice).effect == pytest.approx(2 * effect, abs=0.05)
