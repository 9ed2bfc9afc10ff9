"""Bradley-Terry: closed form for two, recovery for many, coverage, sides that never met."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.bradley_terry import bradley_terry


def test_two_sides_are_the_logit_of_the_win_rate() -> None:
    scores = np.repeat([1.0, 0.0, 0.5], [600, 300, 100])
    found = bradley_terry(np.tile([1, 0], (1000, 1)), scores, np.arange(1000), 2, draws=50)
    assert found.value == pytest.approx([0, np.log(0.65 / 0.35)], abs=0.002)


League = tuple[np.ndarray, np.ndarray, np.ndarray]


def league(rng: np.random.Generator, truth: np.ndarray, each: int) -> League:
    """Each side against the next, in a ring, on the same prompts."""
    count = len(truth)
    sides = np.array([(i, (i + 1) % count) for i in range(count) for _ in range(each)])
    p = 1 / (1 + np.exp(truth[sides[:, 1]] - truth[sides[:, 0]]))
    return sides, (rng.random(len(p)) < p).astype(float), np.tile(np.arange(each), count)


def test_many_sides_are_recovered_through_those_between_them() -> None:
    truth = np.array([0.0, 0.5, -1.0, 1.5, 0.2])
    found = bradley_terry(*league(np.random.default_rng(0), truth, 20_000), count=5, draws=20)
    assert found.value == pytest.approx(truth, abs=0.06)


@pytest.mark.simulation
def test_the_interval_covers() -> None:
    rng = np.random.default_rng(1)
    truth = np.array([0.0, 0.6, -0.4])
    covered = np.zeros(2)
    for seed in range(120):
        found = bradley_terry(*league(rng, truth, 150), count=3, draws=200, seed=seed)
        covered += (found.low[1:] <= truth[1:]) & (truth[1:] <= found.high[1:])
    assert (covered / 120 >= 0.91).all()
    assert (covered / 120 <= 0.985).all()


def test_a_side_that_lost_all_is_finite_and_one_that_never_met_is_nan() -> None:
    sides = np.array([[0, 1]] * 50 + [[2, 3]] * 50)
    found = bradley_terry(sides, np.ones(100), np.arange(100), 4)
    assert -12 < found.value[1] < -3
    assert np.isnan(found.value[2:]).all()
    assert found.value[0] == found.high[0] == 0
