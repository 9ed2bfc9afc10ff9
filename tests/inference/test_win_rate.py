"""Win rates: golden values, what order cannot do, level and coverage under clusters (A16)."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import ShapeError
from dftspark.inference.proportions import wilson
from dftspark.inference.win_rate import from_odds, orders, win_rate


@pytest.mark.parametrize(
    ("won", "of", "ends"),
    [(45, 60, (0.62768, 0.84224)), (0, 20, (0.0, 0.16113)), (200, 400, (0.45123, 0.54877))],
)
def test_wilson_at_its_golden_values(won: int, of: int, ends: tuple[float, float]) -> None:
    assert wilson(won / of, of, 1.959964) == pytest.approx(ends, abs=1e-5)


def test_one_case_a_cluster_is_wilson_at_almost_as_many_cases() -> None:
    scores = np.repeat([1.0, 0.0], [250, 150])
    found = win_rate(scores, np.arange(400))
    assert found.value == 0.625
    assert found.std_error == pytest.approx(np.sqrt(0.625 * 0.375 / 399))
    assert (found.low, found.high) == pytest.approx(wilson(0.625, 399, 1.965927), abs=1e-6)
    assert found.p_value < 1e-6
    assert (found.pairs, found.clusters) == (400, 400)


def test_the_error_is_that_of_clusters_by_hand() -> None:
    found = win_rate(np.array([1.0, 1.0, 0.5, 0.0]), np.array(["a", "a", "b", "c"]))
    deviations = np.array([2 - 2 * 0.625, 0.5 - 0.625, 0 - 0.625])
    assert found.std_error == pytest.approx(np.sqrt(3 / 2 * (deviations**2).sum()) / 4)


def test_pairs_of_one_cluster_count_once() -> None:
    scores = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    once = win_rate(scores, np.arange(200))
    five = win_rate(np.repeat(scores, 5), np.repeat(np.arange(200), 5))
    assert five.low == pytest.approx(once.low)
    assert five.pairs == 1000


def test_all_alike_has_an_interval_still() -> None:
    lost = win_rate(np.zeros(20), np.arange(20))
    assert lost.low == 0
    assert 0.15 < lost.high < 0.2
    even = win_rate(np.full(50, 0.5), np.arange(50))
    assert even.low < 0.4
    assert even.p_value == pytest.approx(1)


def test_too_little_is_nan_and_unlike_shapes_are_refused() -> None:
    assert np.isnan(win_rate(np.ones(3), np.zeros(3)).low)
    assert np.isnan(win_rate(np.ones(0), np.ones(0)).value)
    with pytest.raises(ShapeError):
        win_rate(np.ones(3), np.ones(2))


def judge(
    rng: np.random.Generator, theta: np.ndarray, position: float
) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts for the model where it stood first and second, of pairs with log odds theta."""
    return tuple(  # type: ignore[return-value]
        (rng.random(len(theta)) < 1 / (1 + np.exp(-(theta + sign * position)))).astype(float)
        for sign in (1, -1)
    )


def test_a_judge_of_position_alone_gives_parity() -> None:
    rng = np.random.default_rng(1)
    first, second = judge(rng, np.zeros(200_000), 0.8)
    assert first.mean() == pytest.approx(0.69, abs=0.005)
    assert (first + second).mean() / 2 == pytest.approx(0.5, abs=0.01)
    found = orders(first, second)
    assert found.first == pytest.approx(0.69, abs=0.005)


def test_averaging_draws_a_preference_toward_parity() -> None:
    first, second = judge(np.random.default_rng(2), np.ones(200_000), 2.0)
    assert (first + second).mean() / 2 == pytest.approx(0.611, abs=0.15 * 0.02)


def test_orders_by_hand() -> None:
    nan = np.nan
    found = orders(np.array([1.0, 1, 0.5, nan]), np.array([0.0, 1, 0, 1]))
    assert found.first == pytest.approx(np.mean([1, 1, 0.5, 1, 0, 1, 0]))
    assert found.flips == pytest.approx(np.mean([1, 0, 0.5]))
    assert found.pairs == 3


def test_odds_leave_an_additive_position_effect_out() -> None:
    d = np.linspace(-3, 3, 7)
    assert from_odds(d + 1.7, d - 1.7) == pytest.approx(1 / (1 + np.exp(-d)))


@pytest.mark.simulation
@pytest.mark.parametrize("rate", [0.5, 0.25, 0.8])
def test_coverage_and_level_with_clusters_of_eight(rate: float) -> None:
    """Beta-distributed cluster rates, correlation .3; the plain interval would cover .8."""
    rng = np.random.default_rng(3)
    runs, groups, size, rho = 1000, 50, 8, 0.3
    a = rate * (1 - rho) / rho
    p = rng.beta(a, a * (1 - rate) / rate, (runs, groups))
    wins = rng.random((runs, groups, size)) < p[:, :, None]
    clusters = np.repeat(np.arange(groups), size)
    found = [win_rate(w.reshape(-1).astype(float), clusters) for w in wins]
    covered = np.mean([f.low <= rate <= f.high for f in found])
    assert 0.93 <= covered <= 0.975
    if rate == 0.5:
        rejected = np.mean([f.p_value < 0.05 for f in found])
        assert 0.025 <= rejected <= 0.065
        plain = [wilson(f.value, f.pairs, 1.96) for f in found]
        assert np.mean([low <= rate <= high for low, high in plain]) < 0.85


@pytest.mark.simulation
def test_power_at_the_smallest_detectable_rate() -> None:
    rng = np.random.default_rng(4)
    clusters = np.arange(400)
    mde = win_rate(rng.integers(0, 2, 400).astype(float), clusters).mde
    found = [
        win_rate((rng.random(400) < 0.5 + mde).astype(float), clusters).p_value < 0.05
        for _ in range(800)
    ]
    assert 0.76 <= np.mean(found) <= 0.85
