"""The laws of a choice: what it may not do, whatever the features are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dftspark.choose import exchange
from dftspark.errors import ShapeError

Pool = tuple[NDArray[np.float32], NDArray[np.int64]]


@st.composite
def pools(draw: st.DrawFn, most: int = 6) -> Pool:
    counts = draw(st.lists(st.integers(1, most), min_size=1, max_size=8))
    width = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    features = rng.standard_normal((sum(counts), width)) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    repeated = draw(st.booleans())  # samples of temperature 0
    if repeated:
        features = np.round(features)
    return features.astype(np.float32), np.r_[0, np.cumsum(counts)].astype(np.int64)


def gap(features: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
    mean = features[rows].astype(np.float64).mean(axis=0)
    return float(mean @ mean)


@given(pools())
@settings(max_examples=200, deadline=None)
def test_the_gap_never_rises_and_is_what_it_says(pool: Pool) -> None:
    features, starts = pool
    found = exchange.choose(features, starts)
    assert all(later <= earlier for earlier, later in zip(found.gaps, found.gaps[1:], strict=False))
    assert found.gaps[-1] == pytest.approx(gap(features, found.rows), rel=1e-9, abs=1e-12)


@given(pools())
@settings(max_examples=100, deadline=None)
def test_each_prompt_has_one_of_its_own_samples(pool: Pool) -> None:
    features, starts = pool
    rows = exchange.choose(features, starts).rows
    assert len(rows) == len(starts) - 1
    assert ((starts[:-1] <= rows) & (rows < starts[1:])).all()


@given(pools(most=1))
@settings(max_examples=50, deadline=None)
def test_a_pool_of_one_sample_a_prompt_is_chosen_whole(pool: Pool) -> None:
    features, starts = pool
    assert (exchange.choose(features, starts).rows == np.arange(len(features))).all()


@given(pools(most=3))
@settings(max_examples=60, deadline=None)
def test_no_single_exchange_is_left_that_would_gain(pool: Pool) -> None:
    features, starts = pool
    found = exchange.choose(features, starts, sweeps=100)
    if len(found.gaps) > 1 and found.gaps[-2] - found.gaps[-1] > 0:
        return  # it ended because little was gained, and not because nothing was left
    for prompt, row in enumerate(found.rows):
        for other in range(starts[prompt], starts[prompt + 1]):
            changed = found.rows.copy()
            changed[prompt] = other
            least = found.gaps[-1] * (1 - 1e-5) - 1e-9 * float((features**2).max())
            assert gap(features, changed) >= least, (prompt, row, other)


def test_it_comes_near_the_best_of_all_choices() -> None:
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(20):
        features = rng.standard_normal((18, 2)).astype(np.float32)
        starts = np.arange(0, 19, 3)
        found = exchange.choose(features, starts).gaps[-1]
        ways = product(*(range(first, first + 3) for first in starts[:-1]))
        every = sorted(gap(features, np.array(rows)) for rows in ways)
        ratios.append(np.searchsorted(every, found) / len(every))
    assert np.median(ratios) < 0.05  # of 729 choices among the best forty
    assert max(ratios) < 0.2


def test_exchanges_from_given_rows_never_make_them_worse() -> None:
    rng = np.random.default_rng(5)
    features = rng.standard_normal((400, 8)).astype(np.float32)
    starts = np.arange(0, 401, 4)
    begin = starts[:-1] + rng.integers(0, 4, 100)
    found = exchange.choose(features, starts, begin=begin)
    assert found.gaps[0] == pytest.approx(gap(features, begin))
    assert found.gaps[-1] < found.gaps[0] / 20


def test_the_gap_falls_with_more_samples() -> None:
    rng = np.random.default_rng(7)
    gaps = []
    for samples in (1, 2, 4, 8):
        features = rng.standard_normal((samples * 200, 64)) + 0.1
        starts = np.arange(0, samples * 200 + 1, samples)
        gaps.append(exchange.choose(features.astype(np.float32), starts).gaps[-1])
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[2] < gaps[0] / 5


@given(st.lists(pools(most=4), min_size=2, max_size=4))
@settings(max_examples=60, deadline=None)
def test_groups_together_are_no_farther_than_the_farthest(parts: list[Pool]) -> None:
    width = min(features.shape[1] for features, _ in parts)
    chosen, gaps = [], []
    for features, starts in parts:
        cut = np.ascontiguousarray(features[:, :width])
        found = exchange.choose(cut, starts)
        chosen.append(cut[found.rows])
        gaps.append(found.gaps[-1])
    both = np.concatenate(chosen)
    assert gap(both, np.arange(len(both))) <= max(gaps) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("starts", [[0, 2], [1, 3], [0, 2, 2, 3], [], [0, 3, 2]])
def test_starts_that_are_not_those_of_all_rows_are_refused(starts: list[int]) -> None:
    with pytest.raises(ShapeError, match="starts rise"):
        exchange.choose(np.zeros((3, 2), np.float32), np.array(starts, np.int64))


def test_features_of_another_type_are_refused() -> None:
    with pytest.raises(ShapeError, match="float32"):
        exchange.choose(np.zeros((3, 2)), np.array([0, 3]))  # type: ignore[arg-type]
