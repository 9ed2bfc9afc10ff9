"""Every statistic obeys the laws, on the awkward batches above all."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark.errors import StateFormatError
from dftspark.lenses.embeddings.fourier import Frequencies
from dftspark.lenses.ngrams.statistic_counts import NgramCounts, NgramRows
from dftspark.lenses.structure import measures
from dftspark.lenses.structure.document_vectors import DocumentVectors, columns
from dftspark.stats import copies_sketch
from dftspark.stats.copies_sketch import KeyBatch
from dftspark.stats.protocol import Batch, Statistic, VectorBatch
from dftspark.testing import laws
from dftspark.text import surface
from dftspark.text.surface import Surfaces

SMALL = Frequencies(dim=3, sigma=0.7, least=4)


@st.composite
def token_batches(draw: st.DrawFn) -> Batch:
    """Clusters of 0 to 3 documents, documents of 0 to 9 tokens of few kinds, repeats likely."""
    shape = draw(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), max_size=5))
    lengths = [length for cluster in shape for length in cluster]
    kinds = st.sampled_from([1, 2, 3, 2**63 + 5])
    hashes = draw(st.lists(kinds, min_size=sum(lengths), max_size=sum(lengths)))
    blocks = draw(st.lists(st.integers(0, 63), min_size=len(shape), max_size=len(shape)))
    return Batch(
        np.array(hashes, np.uint64),
        np.r_[0, np.cumsum(lengths)].astype(np.int64),
        np.r_[0, np.cumsum([len(cluster) for cluster in shape])].astype(np.int64),
        np.array(blocks, np.int64),
    )


@st.composite
def vector_batches(draw: st.DrawFn) -> VectorBatch:
    """0 to 9 documents of few clusters, some with equal vectors, the null vector among them."""
    n = draw(st.integers(0, 9))
    number = st.floats(-9, 9, width=32)
    rows = draw(st.lists(st.tuples(number, number, number), min_size=n, max_size=n))
    clusters = draw(st.lists(st.sampled_from([0, 7, 2**64 - 1]), min_size=n, max_size=n))
    blocks = draw(st.lists(st.integers(0, 63), min_size=n, max_size=n))
    return VectorBatch(
        np.array(rows, np.float32).reshape(n, 3),
        np.array(clusters, np.uint64),
        np.array(blocks, np.int64),
    )


@st.composite
def short_vector_batches(draw: st.DrawFn) -> VectorBatch:
    """The same in the unit ball."""
    batch = draw(vector_batches())
    return replace(batch, vectors=batch.vectors / np.float32(16))


@st.composite
def structure_batches(draw: st.DrawFn) -> DocumentVectors:
    """0 to 9 documents of few clusters, each in a block of its cluster, some without any count."""
    n = draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    counts = rng.integers(0, 3, (n, len(columns()))) * rng.integers(0, 2, (n, 1))
    means = rng.integers(-1, 9, (n, len(measures.MEANS)))
    clusters = rng.integers(0, draw(st.sampled_from([1, 4, 999])), n).astype(np.uint64)
    blocks = (clusters % np.uint64(64)).astype(np.int64)
    histograms = rng.integers(0, 4, (64, measures.STARTS[-1]))
    return DocumentVectors(counts, means, histograms, clusters, blocks)


@st.composite
def key_batches(draw: st.DrawFn) -> KeyBatch:
    """0 to 40 documents of few keys and clusters: more of both than a shrunken sketch keeps."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n = draw(st.integers(0, 40))
    keys = rng.integers(0, draw(st.sampled_from([1, 12])), n).astype(np.uint64)
    return KeyBatch(keys << np.uint64(60), rng.integers(0, 30, n).astype(np.uint64))


@st.composite
def surface_batches(draw: st.DrawFn) -> Surfaces:
    """0 to 9 documents of any length, none and far too many words among them."""
    n = draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    words = rng.choice([0, 1, 16, 300, 2**30], n).astype(np.int64)
    flags = rng.integers(0, 2, (n, len(surface.FLAGS))).astype(bool)
    return Surfaces(flags, words, rng.integers(0, 9, n), rng.integers(0, 64, n))


class Subject(NamedTuple):
    """What a statistic observes, parameters to try it with, and others, one changed at a time."""

    batches: Any
    examples: list[dict[str, Any]]
    others: list[dict[str, Any]]


STATISTICS = laws.statistics()
SUBJECTS = {
    "copies_sketch": Subject(key_batches, [{}], [{"text": "other"}, {"features": 0}]),
    "feature_sums": Subject(
        vector_batches,
        [{"frequencies": SMALL}],
        [
            {"frequencies": replace(SMALL, dim=4)},
            {"frequencies": replace(SMALL, sigma=0.71)},
            {"frequencies": replace(SMALL, least=7)},
            {"frequencies": replace(SMALL, seed=1)},
            {"frequencies": replace(SMALL, ladder=(1.0,))},
            {"vectors": "other"},
        ],
    ),
    "moments": Subject(short_vector_batches, [{"dim": 3}], [{"dim": 4}, {"vectors": "other"}]),
    "ngram_counts": Subject(token_batches, [{"n": 1}, {"n": 3}], [{"n": 2}, {"text": "other"}]),
    "ngram_sketch": Subject(
        token_batches,
        [{"n": 1, "width": 256}, {"n": 2, "width": 512, "seed": 4}],
        [{"n": 3}, {"width": 1024}, {"seed": 5}, {"text": "other"}],
    ),
    "structure": Subject(structure_batches, [{}], [{"text": "other"}]),
    "surface": Subject(surface_batches, [{}], [{"text": "other"}, {"features": 0}]),
}
EXAMPLES = [(name, params) for name, subject in SUBJECTS.items() for params in subject.examples]


def test_every_statistic_has_an_example() -> None:
    assert SUBJECTS.keys() == STATISTICS.keys()
    for name, subject in SUBJECTS.items():
        changed = {field for other in subject.others for field in other}
        own = {field.name for field in fields(STATISTICS[name])}
        assert changed == own, f"{name}: others change each of its parameters"


def cut(
    batch: Batch | VectorBatch | DocumentVectors | KeyBatch | Surfaces, data: st.DataObject
) -> list[Any]:
    """The batch in two: tokens between clusters, documents anywhere."""
    if isinstance(batch, KeyBatch | Surfaces):
        columns = [getattr(batch, field.name) for field in fields(batch)]
        at = data.draw(st.integers(0, len(columns[0])))
        return [type(batch)(*(c[:at] for c in columns)), type(batch)(*(c[at:] for c in columns))]
    at = data.draw(st.integers(0, len(batch.blocks)))
    halves = (slice(None, at), slice(at, None))
    if isinstance(batch, VectorBatch):
        return [
            VectorBatch(batch.vectors[half], batch.clusters[half], batch.blocks[half])
            for half in halves
        ]
    if isinstance(batch, DocumentVectors):
        # Only the whole batch's histograms are known; the first part has them all.
        histograms = (batch.histograms, 0 * batch.histograms)
        return [
            DocumentVectors(
                batch.counts[half], batch.means[half], own, batch.clusters[half], batch.blocks[half]
            )
            for half, own in zip(halves, histograms, strict=True)
        ]
    parts = []
    for low, high in ((0, at), (at, len(batch.blocks))):
        docs = batch.clusters[low], batch.clusters[high]
        tokens = batch.offsets[docs[0]], batch.offsets[docs[1]]
        parts.append(
            Batch(
                batch.hashes[tokens[0] : tokens[1]],
                batch.offsets[docs[0] : docs[1] + 1] - tokens[0],
                batch.clusters[low : high + 1] - docs[0],
                batch.blocks[low:high],
            )
        )
    return parts


def build(name: str, params: dict[str, Any]) -> Statistic[Any, Any]:
    return STATISTICS[name](**params)


@pytest.mark.parametrize(("name", "params"), EXAMPLES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_laws(name: str, params: dict[str, Any], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies_sketch, "KEYS", 7)
        _laws(build(name, params), name, data)


def _laws(stat: Statistic[Any, Any], name: str, data: st.DataObject) -> None:
    drawn = [data.draw(SUBJECTS[name].batches()) for _ in range(3)]
    a, b, c = (stat.observe(batch) for batch in drawn)
    laws.associative(stat, a, b, c)
    laws.commutative(stat, a, b)
    laws.identity(stat, a)
    laws.files_never_matter(stat.merge(a, b))
    laws.files_never_matter(stat.empty())
    laws.merge_leaves_its_arguments_alone(stat, a, b)
    laws.batching_never_matters(stat, drawn[0], cut(drawn[0], data))


@pytest.mark.parametrize(("name", "params"), EXAMPLES)
def test_parameters_are_the_identity(name: str, params: dict[str, Any]) -> None:
    fingerprint = build(name, params).fingerprint
    assert fingerprint == build(name, dict(params)).fingerprint
    assert fingerprint.startswith(f"{name}-v")
    for other in SUBJECTS[name].others:
        assert fingerprint != build(name, {**params, **other}).fingerprint


@pytest.mark.parametrize("harm", ["magic", "short", "long", "middle"])
def test_damaged_bytes_are_an_error_with_a_remedy(harm: str) -> None:
    stat = build("ngram_counts", {"n": 1})
    batch = Batch(
        np.arange(1, 9, dtype=np.uint64), np.array([0, 8]), np.array([0, 1]), np.array([3])
    )
    data = stat.observe(batch).encode()
    broken = {
        "magic": b"OTHER1" + data[6:],
        "short": data[:-3],
        "long": data + b"x",
        "middle": data[:12] + b"\xff\xff" + data[14:],
    }[harm]
    with pytest.raises(StateFormatError, match="profile the corpus again"):
        stat.state.decode(broken)


def test_rows_come_out_of_a_state_without_its_totals() -> None:
    rng = np.random.default_rng(5)
    batch = Batch(
        rng.integers(0, 40, 300).astype(np.uint64) << np.uint64(50),
        np.arange(0, 301, 30),
        np.array([0, 1, 1, 4, 10]),
        np.arange(4),
    )
    state = NgramCounts(n=2).observe(batch)
    assert (state.count == 0).any()
    found = NgramRows.decode_counted(state.encode())
    for name in found._fields:
        np.testing.assert_array_equal(
            getattr(found, name), getattr(state.counted, name), err_msg=name, strict=True
        )
    with pytest.raises(StateFormatError, match="left over"):
        NgramRows.decode_counted(state.encode() + b"x")
