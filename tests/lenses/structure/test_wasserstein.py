"""Wasserstein-1 on histograms: paper values, another implementation, symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.lenses.structure.distance_wasserstein import steps, wasserstein


def distance(human: list[int], model: list[int], width: float = 1.0) -> float:
    sides = [steps(np.array(side), width) / sum(side) for side in (human, model)]
    return float(wasserstein(*sides))


def test_one_case_moves_as_far_as_its_bins_are_apart() -> None:
    assert distance([1, 0, 0, 0], [0, 0, 0, 5]) == 3
    assert distance([1, 0, 0, 0], [0, 0, 0, 5], width=0.25) == 0.75
    assert distance([2, 2, 0], [0, 2, 2]) == 1
    assert distance([3, 1, 4], [6, 2, 8]) == 0


def test_as_scipy_has_it() -> None:
    from scipy import stats  # slow to import, so not by every worker

    rng = np.random.default_rng(1)
    for _ in range(20):
        human, model = rng.integers(0, 9, 7), rng.integers(0, 30, 7)
        human[0] += 1
        model[6] += 1
        expected = stats.wasserstein_distance(np.arange(7), np.arange(7), human, model)
        assert distance(human.tolist(), model.tolist()) == pytest.approx(expected)
        assert distance(model.tolist(), human.tolist()) == pytest.approx(expected)


def test_steps_are_linear() -> None:
    a, b = np.array([[1, 2, 3]]), np.array([[4, 0, 1]])
    assert (steps(a + b, 0.5) == steps(a, 0.5) + steps(b, 0.5)).all()
