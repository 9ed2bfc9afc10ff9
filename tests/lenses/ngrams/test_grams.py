"""N-grams of two corpora side by side, against dictionaries."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.lenses.ngrams import grams
from dftspark.lenses.ngrams.counting import Counted, expanded, gram_counts
from dftspark.lenses.ngrams.phrases import phrase_keys
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.stats.protocol import Batch


def counted(seed: int, documents: int, vocabulary: int = 40) -> Counted:
    """One- and two-document clusters of 0 to 29 tokens, Zipf."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 30, documents)
    weights = 1 / np.arange(1, vocabulary + 1)
    hashes = np.random.default_rng(0).integers(0, 2**63, vocabulary).astype(np.uint64)
    tokens = hashes[rng.choice(vocabulary, lengths.sum(), p=weights / weights.sum())]
    clusters = np.unique(np.r_[0, rng.integers(0, documents, documents), documents])
    blocks = rng.integers(0, 5, len(clusters) - 1)
    batch = Batch(tokens, np.r_[0, lengths.cumsum()].astype(np.int64), clusters, blocks)
    return NgramCounts(n=2).observe(batch).counted


Plain = dict[int, dict[int, int]]  # occurrences by n-gram and block


def plain(rows: Counted) -> Plain:
    found: Plain = defaultdict(dict)
    every = expanded(rows)
    for key, count in zip(every.key.tolist(), every.count.tolist(), strict=True):
        found[key >> 6 << 6][key & 63] = count
    return found


SIDES = [(1, 60, 2, 25), (3, 25, 4, 60), (5, 30, 5, 30), (6, 0, 7, 20), (8, 20, 9, 0)]


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_of_an_ngram_are_those_of_its_rows(seed: int) -> None:
    rows = counted(seed, 80)
    found = grams.grams(rows)
    every = expanded(rows)
    assert np.array_equal(found.rows, every.count)
    names = (every.key >> np.uint64(6) << np.uint64(6)).tolist()
    assert found.sums.key.tolist() == sorted(set(names))
    for column, got in zip(every[1:], found.sums[1:], strict=True):
        expected: Counter[int] = Counter()
        for name, value in zip(names, column.tolist(), strict=True):
            expected[name] += value
        assert got.tolist() == [expected[name] for name in found.sums.key.tolist()]
    starts = [names.index(name) for name in found.sums.key.tolist()]
    assert found.first.tolist() == [*starts, len(names)]


@pytest.mark.parametrize(("seed", "documents", "other_seed", "others"), SIDES)
def test_what_both_have_is_what_dictionaries_say(
    seed: int, documents: int, other_seed: int, others: int
) -> None:
    sides = counted(seed, documents), counted(other_seed, others)
    of_sides = [grams.grams(rows) for rows in sides]
    keys = [own.sums.key for own in of_sides]
    at = grams.matched(*keys)
    shared = np.intersect1d(keys[0], keys[1])
    assert np.array_equal(keys[0][at[0]], shared)
    assert np.array_equal(keys[1][at[1]], shared)
    both = grams.in_both(of_sides[0], sides[0].key, at[0], of_sides[1], sides[1].key, at[1])
    human, model = (plain(rows) for rows in sides)
    expected = [
        (i, block, human[key].get(block, 0), model[key].get(block, 0))
        for i, key in enumerate(shared.tolist())
        for block in sorted(human[key].keys() | model[key].keys())
    ]
    assert list(zip(*(column.tolist() for column in both), strict=True)) == expected


def test_kinds_are_the_pairs_of_counts() -> None:
    rng = np.random.default_rng(1)
    human, model = (rng.geometric(0.02, 3000).astype(np.int64) for _ in range(2))
    of_human, of_model, repeats = grams.kinds(human, model)
    expected = Counter(zip(human.tolist(), model.tolist(), strict=True))
    found: Counter[tuple[int, int]] = Counter()
    for h, m, often in zip(*(c.tolist() for c in (of_human, of_model, repeats)), strict=True):
        found[h, m] += often
    assert found == expected
    assert len(repeats) < len(human)
    none: NDArray[np.int64] = human[:0]
    assert [len(column) for column in grams.kinds(none, none)] == [0, 0, 0]


@pytest.mark.parametrize("scale", [1, 400])
@pytest.mark.parametrize("quota", [1, 7, 100, 10_000])
def test_the_most_frequent_ngrams_are_those_of_a_sort(quota: int, scale: int) -> None:
    """Counts of a few and of thousands."""
    rows = counted(3, 200, 25)
    several = rows.several.copy()
    several[0] *= scale
    rows = rows._replace(count=rows.count * np.uint32(scale), several=several)
    keys, counts = gram_counts(rows)
    order = np.lexsort((keys, -counts))[:quota]
    assert np.array_equal(phrase_keys(rows, quota), np.sort(keys[order]))
