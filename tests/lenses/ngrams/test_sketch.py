"""Count-Sketch: exact linearity, the error of its L2 norm, and recovery of heavy differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ConfigError, ShapeError
from dftspark.lenses.ngrams.counting import Counted, expanded
from dftspark.lenses.ngrams.sketch import add_to_blocks, count_sketch, estimate, squared_norm
from dftspark.text.hashing import BLOCKS


def uniform_keys(rng: np.random.Generator, n: int) -> NDArray[np.uint64]:
    return rng.integers(0, 2**64, n, dtype=np.uint64)


def zipf_counts(rng: np.random.Generator, tokens: int, types: int) -> NDArray[np.int64]:
    weights = (np.arange(types) + 2.7) ** -1.05
    return rng.multinomial(tokens, weights / weights.sum())


def difference(rng: np.random.Generator, types: int) -> NDArray[np.float64]:
    """Model minus human frequencies: two Zipf samples of unlike sizes, ten words overused."""
    human, model = zipf_counts(rng, 200_000, types), zipf_counts(rng, 70_000, types)
    model[50:60] *= 3
    return np.asarray(model / model.sum() - human / human.sum(), np.float64)


def test_one_key_by_hand() -> None:
    # Top 3 bits 101: bucket 5 of 8 in row 0; every row holds the count once, with a sign.
    key = np.array([0b101 << 61 | 12_345 << 6], np.uint64)
    sketch = count_sketch(key, [7], width=8, rows=4, seed=3)
    assert sketch.dtype == np.int64
    assert abs(sketch[0, 5]) == 7
    np.testing.assert_array_equal(np.sort(np.abs(sketch), axis=1), [[0] * 7 + [7]] * 4)
    assert squared_norm(sketch) == 49
    np.testing.assert_array_equal(estimate(sketch, key, seed=3), [7.0])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint32])
def test_counts_add_exactly(dtype: type[np.integer]) -> None:
    rng = np.random.default_rng(1)
    shared = uniform_keys(rng, 500)
    keys_a = np.concatenate([shared, uniform_keys(rng, 1_500)])
    keys_b = np.concatenate([shared, uniform_keys(rng, 40)])
    a = rng.integers(0, 2**31 - 1, len(keys_a)).astype(dtype)
    b = rng.integers(0, 2**31 - 1, len(keys_b)).astype(dtype)
    both = count_sketch(
        np.concatenate([keys_a, keys_b]), np.concatenate([a, b]), width=64, rows=3, seed=9
    )
    apart = [count_sketch(k, v, width=64, rows=3, seed=9) for k, v in ((keys_a, a), (keys_b, b))]
    assert both.dtype == np.int64
    np.testing.assert_array_equal(both, apart[0] + apart[1])


def test_counts_beyond_the_precision_of_floats_stay_exact() -> None:
    key = np.array([1 << 40, 1 << 40, 1 << 40], np.uint64)
    counts = np.array([2**60, 1, -(2**59)])
    sketch = count_sketch(key, counts, width=16)
    assert abs(int(sketch.sum())) == 2**60 + 1 - 2**59


def test_floats_stay_floats_and_scale() -> None:
    rng = np.random.default_rng(2)
    keys, values = uniform_keys(rng, 300), rng.integers(-50, 50, 300)
    whole = count_sketch(keys, values, width=32, rows=2)
    halves = count_sketch(keys, (values / 2).astype(np.float32), width=32, rows=2)
    assert halves.dtype == np.float64
    np.testing.assert_array_equal(2 * halves, whole)


def test_the_block_bits_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    keys = uniform_keys(rng, 1_000)
    values = rng.integers(1, 100, 1_000)
    moved = keys ^ rng.integers(0, BLOCKS, 1_000, dtype=np.uint64)
    assert (moved != keys).mean() > 0.9
    for rows in (1, 4):
        np.testing.assert_array_equal(
            count_sketch(keys, values, width=256, rows=rows, seed=5),
            count_sketch(moved, values, width=256, rows=rows, seed=5),
        )


def test_a_range_of_keys_owns_a_slice_of_buckets() -> None:
    rng = np.random.default_rng(4)
    keys, values = np.sort(uniform_keys(rng, 5_000)), rng.integers(1, 9, 5_000)
    whole = count_sketch(keys, values, width=128, seed=6)[0]
    quarter = keys < np.uint64(2**62)
    part = count_sketch(keys[quarter], values[quarter], width=128, seed=6)[0]
    np.testing.assert_array_equal(part[:32], whole[:32])
    assert not part[32:].any()


def test_blocks_of_a_key_range_are_the_sketches_of_their_keys() -> None:
    rng = np.random.default_rng(12)
    keys = np.unique(uniform_keys(rng, 20_000))
    count = rng.integers(0, 4, len(keys)).astype(np.uint32)
    length = np.where(count, rng.integers(4, 900, len(keys)), 0).astype(np.uint32)
    several = rng.integers(1, 2**40, (6, int((count == 0).sum())))
    rows = Counted(keys, count, length, several)
    full = expanded(rows)
    width, parts = 128, 4
    whole = np.zeros((2, BLOCKS, width), np.int64)
    for part in range(parts):
        inside = (keys >> np.uint64(62)) == part
        counts, rates = np.zeros((2, BLOCKS, width // parts), np.int64)
        for half in np.array_split(np.flatnonzero(inside), 2):  # in place: two calls add up
            kept = several[:, np.isin(np.flatnonzero(count == 0), half)]
            own_rows = Counted(keys[half], count[half], length[half], kept)
            add_to_blocks(counts, rates, own_rows, width, part, 7)
        whole[:, :, part * width // parts : (part + 1) * width // parts] = counts, rates
    for block in range(BLOCKS):
        own = keys % BLOCKS == block
        for found, values in zip(whole, (full.count, full.rate), strict=True):
            expected = count_sketch(keys[own], values[own], width=width, seed=7)[0]
            np.testing.assert_array_equal(found[block], expected)


def test_keys_of_another_range_are_an_error() -> None:
    one = np.ones(1, np.uint32)
    rows = Counted(np.array([2**63], np.uint64), one, one, np.empty((6, 0), np.int64))
    with pytest.raises(ShapeError, match="key range 0 of width 128 has 32 buckets"):
        add_to_blocks(np.zeros((64, 32), np.int64), np.zeros((64, 32), np.int64), rows, 128, 0, 7)


@pytest.mark.simulation
@pytest.mark.parametrize("rows", [1, 3])
def test_a15_spread_of_the_squared_norm(rows: int) -> None:
    """Row 0's buckets are the keys' own top bits, which no seed moves: every one of the 60
    draws hashes the vocabulary anew, as another hash seed would, and takes its own sign seed."""
    width = 2**10
    ratios = np.empty(60)
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        values = difference(np.random.default_rng(7), 20_000)
        sketch = count_sketch(uniform_keys(rng, 20_000), values, width=width, rows=rows, seed=seed)
        ratios[seed] = squared_norm(sketch) / (values @ values)
    bound = np.sqrt(2 / (width * rows))
    assert np.std(ratios, ddof=1) <= 1.2 * bound
    assert abs(ratios.mean() - 1) <= 4 * bound / np.sqrt(60)  # unbiased, within 4 s.e.


def test_the_norm_spreads_as_theory_says_on_flat_counts() -> None:
    # All |c_v| equal: Var = 2 (|c|_2^4 - |c|_4^4) / w is at its largest, 2 (1 - 1/K) / w, so a
    # sign that repeats between keys, or a map with no signs, shows. 400 draws: s.e. of a
    # standard deviation is 1 / sqrt(2 * 399) = 3.5% of it, 4 s.e. are 14%.
    width, n = 64, 2_000
    draws = [
        squared_norm(
            count_sketch(
                uniform_keys(np.random.default_rng(seed), n), np.ones(n), width=width, seed=seed
            )
        )
        for seed in range(400)
    ]
    expected = np.sqrt(2 / width * (1 - 1 / n))
    assert np.std(draws) / n == pytest.approx(expected, rel=0.15)
    assert np.mean(draws) / n == pytest.approx(1, abs=4 * expected / np.sqrt(400))


def test_the_seed_draws_new_signs_for_the_same_keys() -> None:
    # Unbiased over signs alone: the keys, and with one row their buckets, stay as they are.
    keys = uniform_keys(np.random.default_rng(8), 3_000)
    counts = np.random.default_rng(8).integers(1, 1_000, 3_000)
    norms = np.array(
        [squared_norm(count_sketch(keys, counts, width=256, seed=s)) for s in range(200)]
    )
    assert len(set(norms)) == 200
    relative = norms.mean() / (counts @ counts)
    assert relative == pytest.approx(1, abs=4 * np.sqrt(2 / 256 / 200))


def test_rows_are_independent() -> None:
    # Row norms of one sketch, over 300 draws: correlation 0 +- 1/sqrt(300) each, 10 pairs.
    rng = np.random.default_rng(9)
    norms = []
    for seed in range(300):
        sketch = count_sketch(uniform_keys(rng, 1_000), np.ones(1_000), width=64, rows=5, seed=seed)
        norms.append((sketch**2).sum(axis=1))
    correlation = np.corrcoef(np.array(norms).T)[np.triu_indices(5, 1)]
    assert np.abs(correlation).max() < 4 / np.sqrt(300)


def test_a15_heavy_differences_are_all_found_and_no_other() -> None:
    rng = np.random.default_rng(10)
    types = 300_000
    keys = uniform_keys(rng, types)
    human, model = zipf_counts(rng, 2_000_000, types), zipf_counts(rng, 700_000, types)
    model[np.arange(20, 400, 13)] *= 2
    sketches = [count_sketch(keys, c, width=2**14, rows=5, seed=11) for c in (human, model)]
    truth = model / model.sum() - human / human.sum()
    norm = np.sqrt(truth @ truth)
    got = estimate(sketches[1] / model.sum() - sketches[0] / human.sum(), keys, seed=11)
    # One row errs by |D| / sqrt(w) = .0078 |D| in s.d.; past 2.5 s.d. it takes a key of that size
    # in the bucket. About 60 of 16,384 buckets have one, so a median of 5 errs that far for
    # 10 (60 / 16,384)^3 of the keys: less than one of the 300,000.
    tolerance = 2.5 / np.sqrt(2**14) * norm
    assert np.abs(got - truth).max() <= tolerance
    heavy = np.abs(truth) >= 0.05 * norm
    found = np.abs(got) >= 0.05 * norm - tolerance
    assert heavy.sum() >= 20
    assert found[heavy].all()
    assert np.abs(truth[found]).min() >= 0.05 * norm - 2 * tolerance


def test_no_keys() -> None:
    sketch = count_sketch(np.empty(0, np.uint64), np.empty(0, np.int64), width=4, rows=2)
    np.testing.assert_array_equal(sketch, np.zeros((2, 4), np.int64))
    assert estimate(sketch, np.empty(0, np.uint64)).shape == (0,)


def test_what_is_no_sketch_says_so() -> None:
    keys = np.arange(3, dtype=np.uint64)
    with pytest.raises(ConfigError, match="power of two"):
        count_sketch(keys, [1, 2, 3], width=48)
    with pytest.raises(ConfigError, match="at least 1 row"):
        count_sketch(keys, [1, 2, 3], width=64, rows=0)
    with pytest.raises(ShapeError, match="one value per key"):
        count_sketch(keys, [1, 2], width=64)
    with pytest.raises(ShapeError, match="uint64"):
        count_sketch(keys.astype(np.int64), [1, 2, 3], width=64)
    with pytest.raises(ShapeError, match="integers that fit int64"):
        count_sketch(keys, np.ones(3, np.uint64), width=64)
    with pytest.raises(ShapeError, match="rows, width"):
        estimate(np.zeros(8), keys)
