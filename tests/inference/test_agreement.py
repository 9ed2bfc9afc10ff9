"""Agreement of judges: published examples, chance, and missing verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.agreement import alpha_interval, cohen_kappa, krippendorff_alpha


def test_cohen_by_hand() -> None:
    """20 and 15 agreed of 50, margins .5 and .6: (.7 - .5) / (1 - .5)."""
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_krippendorff_example() -> None:
    """The nominal example of Krippendorff's 2011 note: four observers, twelve units."""
    nan = -1
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    assert krippendorff_alpha(table) == pytest.approx(0.743, abs=0.0005)


def test_chance_gives_nothing_and_agreement_all() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 3, (3, 20_000))
    assert krippendorff_alpha(drawn) == pytest.approx(0, abs=0.01)
    assert cohen_kappa(drawn[0], drawn[1]) == pytest.approx(0, abs=0.02)
    assert krippendorff_alpha(drawn[[0, 0]]) == pytest.approx(1)
    assert cohen_kappa(drawn[0], drawn[0]) == pytest.approx(1)


def test_no_case_or_no_variety_is_nan() -> None:
    assert np.isnan(krippendorff_alpha(np.array([[0, -1], [-1, 1]])))
    assert np.isnan(krippendorff_alpha(np.zeros((2, 9), int)))
    assert np.isnan(cohen_kappa(np.full(3, -1), np.zeros(3, int)))
    assert np.isnan(cohen_kappa(np.zeros(3, int), np.zeros(3, int)))


@pytest.mark.simulation
def test_the_interval_covers() -> None:
    """Two judges who know the truth of three verdicts with chance .6 and else draw: alpha .36."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(150):
        truth = rng.integers(0, 3, 300)
        codes = np.where(rng.random((2, 300)) < 0.6, truth, rng.integers(0, 3, (2, 300)))
        _, _, low, high = alpha_interval(codes, np.arange(300))
        covered.append(low <= 0.36 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98
