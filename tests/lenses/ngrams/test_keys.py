"""The compiled rows against plain counters: every column, clusters of any size, any cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftspark.lenses.ngrams import counting
from dftspark.lenses.ngrams import keys as ngrams
from dftspark.lenses.ngrams.counting import Counted
from dftspark.lenses.ngrams.keys import GramRows
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.stats.protocol import Batch
from dftspark.testing import laws
from dftspark.text.tokens import Words
from tests import reference


def batch_of(documents: list[str], clusters: list[str], blocks: dict[str, int]) -> Batch:
    tokens = Words().tokenize(pa.array(documents, pa.string()))
    names = np.array(clusters, object)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if clusters else np.empty(0, int)
    return Batch(
        tokens.hashes,
        tokens.offsets,
        np.r_[starts, len(documents)].astype(np.int64),
        np.array([blocks[c] for c in names[starts]], np.int64),
    )


def columns(rows: GramRows) -> list[tuple[int, ...]]:
    """Rows without their hash, which the reference has not, as a sorted list."""
    return sorted(zip(*(column.tolist() for column in rows[1:]), strict=True))


_DOCUMENT = st.lists(st.sampled_from(["a", "b", "c", "d", "the", ".", ","]), max_size=12).map(
    " ".join
)
_CORPUS = st.lists(st.tuples(st.sampled_from("pqrs"), _DOCUMENT), max_size=14)


@given(_CORPUS, st.integers(1, 5))
@settings(max_examples=120, deadline=None)
def test_equals_counters(corpus: list[tuple[str, str]], n: int) -> None:
    corpus = sorted(corpus, key=lambda pair: pair[0])
    clusters, documents = [c for c, _ in corpus], [d for _, d in corpus]
    one_block = dict.fromkeys("pqrs", 5)
    state = NgramCounts(n=n).observe(batch_of(documents, clusters, one_block))
    expected = reference.rows([d.split() for d in documents], clusters, n)
    assert columns(state.rows) == sorted(tuple(row) for row in expected.values())
    lengths = [max(0, len(d.split()) - n + 1) for d in documents]
    assert state.tokens[5] == sum(lengths)
    assert state.documents[5] == sum(length > 0 for length in lengths)
    by_cluster = {
        c: sum(x for x, k in zip(lengths, clusters, strict=True) if k == c) for c in "pqrs"
    }
    assert state.squared_tokens[5] == sum(x**2 for x in by_cluster.values())
    assert state.groups[5] == sum(x > 0 for x in by_cluster.values())


def test_squared_norms_are_those_of_the_clusters() -> None:
    documents, clusters = ["a a b", "b c", "c c c d"], ["p", "p", "q"]
    state = NgramCounts(n=1).observe(batch_of(documents, clusters, {"p": 0, "q": 1}))
    p = np.array([2 / 3, 1 / 3 + 1 / 2, 1 / 2, 0])
    q = np.array([0, 0, 3 / 4, 1 / 4])
    assert state.rate_norm[0] / 2**40 == pytest.approx(p @ p, rel=1e-11)
    assert state.rate_norm[1] / 2**40 == pytest.approx(q @ q, rel=1e-11)
    assert state.squared_documents.tolist()[:3] == [4, 1, 0]


def test_blocks_are_kept_apart_in_one_sorted_array() -> None:
    documents = ["a b", "a", "a c"]
    state = NgramCounts(n=1).observe(batch_of(documents, list("pqr"), {"p": 3, "q": 3, "r": 60}))
    assert (np.diff(state.key) > 0).all()
    in_block = (state.key & np.uint64(63)).astype(int)
    assert sorted(zip(in_block.tolist(), state.rows.count.tolist(), strict=True)) == [
        (3, 1),
        (3, 2),
        (60, 1),
        (60, 1),
    ]


@pytest.mark.parametrize("ranges", [1, 2, 16, 256])
def test_ranges_cut_by_the_top_bits_and_together_are_the_whole(ranges: int) -> None:
    rng = np.random.default_rng(0)
    documents = [" ".join(f"w{w}" for w in rng.zipf(1.3, 200) % 500) for _ in range(60)]
    batch = batch_of(documents, [f"{i:02}" for i in range(60)], {f"{i:02}": i for i in range(60)})
    statistic = NgramCounts(n=2)
    parts = list(statistic.observe_ranges(batch, ranges))
    assert len(parts) == ranges
    whole, merged = statistic.observe(batch), statistic.merge_all(parts)
    laws.same(merged, whole)
    bits = ranges.bit_length() - 1
    for part, state in enumerate(parts):
        assert all(int(k) >> (64 - bits) == part for k in state.key) if bits else True
        twice = statistic.merge_all([state, state])
        assert np.array_equal(twice.key, state.key)
        assert np.array_equal(twice.rows.count, 2 * state.rows.count)


def test_keys_of_the_lookup_are_those_of_the_rows() -> None:
    texts = pa.array(["the cat sat", "on", "the mat the mat"])
    tokens = Words().tokenize(texts)
    batch = batch_of(texts.to_pylist(), list("abc"), {"a": 7, "b": 8, "c": 9})
    for n in (1, 2, 3):
        here = ngrams.ngram_keys(tokens.hashes, tokens.offsets, n)
        rows = NgramCounts(n=n).observe(batch).rows
        assert set(here[here > 0].tolist()) == set((rows.key & ~np.uint64(63)).tolist())


def test_a_large_skewed_sum_equals_numpy() -> None:
    rng = np.random.default_rng(1)
    keys = (rng.zipf(1.2, 60_000).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    runs = []
    for part in np.array_split(keys, [11, 11, 20_000, 45_000]):
        unique = np.unique(part)
        count = rng.integers(0, 9, len(unique)).astype(np.uint32)
        length = np.where(count, rng.integers(9, 99, len(unique)), 0).astype(np.uint32)
        several = rng.integers(1, 99, (6, int((count == 0).sum())))
        runs.append(Counted(unique, count, length, several))
    got = counting.expanded(counting.summed(runs))
    every = [counting.expanded(run) for run in runs]
    unique, inverse = np.unique(np.concatenate([r.key for r in every]), return_inverse=True)
    assert np.array_equal(got.key, unique)
    for name in GramRows._fields[1:]:
        values = np.concatenate([getattr(r, name) for r in every])
        total = np.zeros(len(unique), np.int64)
        np.add.at(total, inverse, values)
        assert np.array_equal(getattr(got, name), total), name


def test_a_row_of_one_document_is_its_count_and_length() -> None:
    one = Counted(
        np.array([9], np.uint64),
        np.array([3], np.uint32),
        np.array([7], np.uint32),
        np.empty((6, 0), np.int64),
    )
    assert [int(column[0]) for column in counting.expanded(one)] == [
        9,
        3,
        9,
        21,
        (3 << 40) // 7,
        1,
        1,
    ]


def test_keys_at_both_ends_of_the_range_add_up() -> None:
    ends = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 2], np.uint64)
    ones = np.ones(5, np.uint32)
    run = Counted(ends, ones, ones, np.empty((6, 0), np.int64))
    got = counting.summed([run] * 1500)
    assert np.array_equal(got.key, ends)
    assert counting.expanded(got).count.tolist() == [1500] * 5
