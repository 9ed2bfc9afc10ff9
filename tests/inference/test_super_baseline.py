"""The super baseline: closed forms, and its claims by simulation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special

from dftspark.errors import ShapeError
from dftspark.inference.gram import between_blocks, between_documents, gram
from dftspark.inference.halves import Splits, halves, parts
from dftspark.inference.super_baseline import (
    Grid,
    challenge,
    expected_optimism,
    front,
    may_be_best,
    no_common_best,
    regret,
    super_baseline,
)

Floats = NDArray[np.float64]
BLOCKS = 64
REPEATS = 240
SPLITS = halves(Splits(20, seed=5))  # (20, 2, 64)


def grid_of(by_block: Floats, challengers: int = 0) -> Grid:
    """Of a measure that is a mean over blocks, `(K, 64)`."""
    total = by_block.sum(axis=1, keepdims=True)
    count = len(by_block)
    return Grid(
        values=by_block.mean(axis=1),
        left_out=(total - by_block) / (BLOCKS - 1),
        halves=np.einsum("kb,shb->ksh", by_block, SPLITS) / (BLOCKS / 2),
        blocks=np.full(count, BLOCKS),
        candidates=np.arange(count) < count - challengers,
    )


def draw(
    rng: np.random.Generator, means: Floats, shared: float = 1.0, challengers: int = 0
) -> Grid:
    """Errors of standard deviation 1 of each setting's own, and `shared` by the human side."""
    noise = rng.standard_normal((len(means), BLOCKS)) + shared * rng.standard_normal(BLOCKS)
    return grid_of(means[:, None] + np.sqrt(BLOCKS) * noise, challengers)


def mean_largest(count: int) -> float:
    """Of `count` standard normals."""
    value, _ = integrate.quad(
        lambda x: x * np.exp(-x * x / 2) * special.ndtr(x) ** (count - 1), -9, 9
    )
    return float(count * value / np.sqrt(2 * np.pi))


def mean_and_error(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


@pytest.mark.simulation
@pytest.mark.parametrize("count", [2, 17])
@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_with_no_difference_the_honest_value_is_unbiased_and_the_naive_one_as_optimistic_as_said(
    count: int, shared: float
) -> None:
    rng = np.random.default_rng(count)
    found = [super_baseline(draw(rng, np.full(count, 3.0), shared)) for _ in range(REPEATS)]
    honest, error = mean_and_error([f.honest.value for f in found])
    assert abs(honest - 3.0) <= 4 * error
    naive, error = mean_and_error([f.naive for f in found])
    predicted = mean_largest(count)  # what is shared moves all alike
    assert abs(3.0 - naive - predicted) <= 4 * error
    expected, error = mean_and_error([f.expected for f in found])
    assert abs(expected - predicted) <= 0.02 * predicted + 4 * error
    optimism, error = mean_and_error([f.optimism for f in found])
    assert abs(optimism - predicted) <= 4 * error
    assert optimism > predicted / 2


@pytest.mark.simulation
@pytest.mark.parametrize(("spread", "shared"), [(0.0, 0.0), (3.0, 1.0)])
def test_intervals_cover_what_was_chosen(spread: float, shared: float) -> None:
    rng = np.random.default_rng(7)
    means = np.linspace(0, spread, 5)
    covered = 0
    for _ in range(REPEATS):
        found = super_baseline(draw(rng, means, shared))
        covered += bool(found.honest.low <= found.chosen @ means <= found.honest.high)
    assert covered / REPEATS >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / REPEATS)


@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_a_challenger_like_the_settings_is_told_from_them_at_most_at_the_level(
    shared: float,
) -> None:
    rng = np.random.default_rng(3)
    found = [challenge(draw(rng, np.zeros(9), shared, 1), 8) for _ in range(REPEATS)]
    mean, error = mean_and_error([f.value for f in found])
    assert abs(mean) <= 4 * error
    assert np.mean([f.p_value <= 0.05 for f in found]) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / REPEATS)


def test_a_better_and_a_worse_challenger_are_told() -> None:
    rng = np.random.default_rng(4)
    better = challenge(draw(rng, np.r_[np.zeros(8), -9.0], 3.0, 1), 8)
    worse = challenge(draw(rng, np.r_[np.zeros(8), 9.0], 3.0, 1), 8)
    assert better.high < 0 < worse.low
    assert max(better.p_value, worse.p_value) < 0.001


def test_one_that_always_wins_has_its_own_value_whatever_the_bias_of_a_half() -> None:
    own = draw(np.random.default_rng(0), np.array([0.0, 50.0, 60.0]))
    biased = Grid(own.values, own.left_out, own.halves + 7.0, own.blocks, own.candidates)
    found = super_baseline(biased)
    assert found.chosen.tolist() == [1, 0, 0]
    assert found.honest.value == pytest.approx(own.values[0])
    assert found.optimism == pytest.approx(0, abs=1e-12)


def test_the_expected_optimism_of_independent_errors_is_the_mean_of_the_largest() -> None:
    for count in (1, 4, 17):
        effects = 0.3 * np.eye(count, 64)
        shared = np.r_["1", effects, np.full((count, 1), 2.0)]
        for given in (effects, shared):
            found = expected_optimism(given, draws=40_000)
            assert found == pytest.approx(0.3 * mean_largest(count), abs=0.006)


@pytest.mark.simulation
def test_the_truly_best_is_kept_as_often_as_said_and_the_bad_are_not() -> None:
    rng = np.random.default_rng(1)
    means = np.r_[0.0, 0.0, 1.0, 30.0]
    kept = []
    for _ in range(REPEATS):
        p = may_be_best(draw(rng, means, 2.0), draws=499)
        kept.append(p > 0.05)
    shares = np.mean(kept, axis=0)
    assert shares[:2].min() >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / REPEATS)
    assert shares[3] == 0


def test_corpora_with_few_blocks_are_given_the_benefit_of_the_doubt() -> None:
    own = draw(np.random.default_rng(2), np.array([0.0, 4.5]))
    few = Grid(own.values, own.left_out, own.halves, np.array([64, 8]), own.candidates)
    assert may_be_best(few)[1] > may_be_best(own)[1]


@pytest.mark.simulation
def test_no_common_best_holds_its_level_and_finds_a_trade_off() -> None:
    rng = np.random.default_rng(6)
    means = np.array([0.0, 2.0, 4.0])
    pairs = [[draw(rng, m) for m in (means, means[[0, 2, 1]])] for _ in range(REPEATS // 2)]
    alike = [no_common_best([may_be_best(grid, draws=499) for grid in pair]) for pair in pairs]
    assert np.mean(np.array(alike) <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / (REPEATS // 2))
    means = np.array([0.0, 8.0, 16.0])
    apart = [may_be_best(draw(rng, m, 1.0)) for m in (means, means[::-1])]
    assert no_common_best(apart) < 0.001


def test_regret_is_what_the_other_choice_costs() -> None:
    rng = np.random.default_rng(8)
    first = draw(rng, np.array([0.0, 20.0]))
    second = draw(rng, np.array([20.0, 0.0]))
    found = regret(first, second)
    assert found.low <= 20 <= found.high
    assert regret(first, first).value == 0


def test_a_setting_that_cannot_be_measured_on_halves_is_not_chosen() -> None:
    own = draw(np.random.default_rng(9), np.array([0.0, -50.0]))
    halves = own.halves.copy()
    halves[1] = np.nan
    found = super_baseline(Grid(own.values, own.left_out, halves, own.blocks, own.candidates))
    assert found.best == 1
    assert found.chosen.tolist() == [1, 0]


def test_the_front() -> None:
    values = np.array([[1.0, 2, 3, 2, np.nan], [3.0, 2, 1, 4, 0]])
    assert front(values).tolist() == [True, True, True, False, False]
    assert front(np.array([[1.0, 1.0]])).tolist() == [True, True]


def test_arrays_that_do_not_go_together_are_refused() -> None:
    own = draw(np.random.default_rng(0), np.zeros(3))
    with pytest.raises(ShapeError, match="halves"):
        Grid(own.values, own.left_out, own.halves[:2], own.blocks, own.candidates)
    with pytest.raises(ShapeError, match="no candidate"):
        challenge(own, 1)


def squared_grid(rng: np.random.Generator, settings: int, shift: float) -> Grid:
    """Squared distances of `settings` model corpora of one source from one human corpus."""
    ones = np.ones(BLOCKS)
    human = rng.standard_normal((BLOCKS, 12))
    values, found = [], []
    for _ in range(settings):
        model = rng.standard_normal((BLOCKS, 12))
        model[:, 0] += shift
        values.append(between_documents(human, model, ones, ones, paired=False))
        products = gram(human, model, ones, ones)
        on_parts = parts(partial(between_blocks, products, paired=False), Splits(20, 5))
        assert on_parts is not None
        found.append(on_parts)
    return Grid(
        values=np.array(values),
        left_out=np.stack([p.left_out for p in found]),
        halves=np.stack([p.halves for p in found]),
        blocks=np.full(settings, BLOCKS),
        candidates=np.ones(settings, np.bool_),
    )


@pytest.mark.simulation
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_squared_distances_of_one_source_are_honest_too(shift: float) -> None:
    """Not means over blocks: at equality, where they are quadratic, and far from it."""
    rng = np.random.default_rng(11)
    found = [super_baseline(squared_grid(rng, 6, shift)) for _ in range(REPEATS // 3)]
    honest, error = mean_and_error([f.honest.value for f in found])
    assert abs(honest - shift**2) <= 4 * error
    naive, error = mean_and_error([f.naive for f in found])
    assert naive < shift**2 - 4 * error
    covered = np.mean([f.honest.low <= shift**2 <= f.honest.high for f in found])
    assert covered >= 0.95 - 4 * np.sqrt(0.95 * 0.05 * 3 / REPEATS)
    if shift:
        optimism, error = mean_and_error([f.optimism for f in found])
        expected, other = mean_and_error([f.expected for f in found])
        assert abs(optimism - expected) <= 4 * np.hypot(error, other)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5, 17, 100])
@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_coverage(count: int, spread: float, shared: float) -> None:
    rng = np.random.default_rng(count)
    means = np.linspace(0, spread, count)
    covered = 0
    for _ in range(1_000):
        found = super_baseline(draw(rng, means, shared))
        covered += bool(found.honest.low <= found.chosen @ means <= found.honest.high)
    print(f"{count} settings, spread {spread}, shared {shared}: {covered / 1_000:.3f}")
    assert covered / 1_000 >= 0.93
