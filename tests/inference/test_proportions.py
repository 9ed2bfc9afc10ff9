"""Intervals of shares: golden values, and coverage under clusters."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.proportions import ClusterSums, clustered_share, wilson


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(45, 60, 0.62768, 0.84224), (0, 20, 0.0, 0.16113), (200, 400, 0.45123, 0.54877)],
)
def test_golden_values(right: int, of: int, low: float, high: float) -> None:
    """Wilson (1927)."""
    assert wilson(right / of, of) == pytest.approx((low, high), abs=1e-5)


def test_error_on_paper() -> None:
    # Clusters 1 1, 1 0, 0 0 0: share 3/7, residuals 8/7, 1/7, -9/7, squares sum to 146/49.
    sums = ClusterSums.of(
        np.array([1, 1, 1, 0, 0, 0, 0], bool), np.array(["a", "a", "b", "b", "c", "c", "c"])
    )
    assert sums == ClusterSums(3, 7, 3, 5, 17, 6)
    share, error, low, high = clustered_share(sums, 0.95)
    assert share == pytest.approx(3 / 7)
    assert error == pytest.approx(np.sqrt(1.5 * 146 / 49) / 7)
    assert 0 < low < share < high < 1


def test_clusters_that_are_all_alike_count_once() -> None:
    cases, clusters = np.zeros(500, bool), np.repeat(np.arange(20), 25)
    share, error, low, high = clustered_share(ClusterSums.of(cases, clusters), 0.95)
    assert (share, error, low) == (0, 0, 0)
    assert high > 0.15
    assert np.isnan(clustered_share(ClusterSums.of(cases, np.zeros(500)), 0.95)).all()
    assert np.isnan(wilson(0.5, 0, 2)).all()


def test_coverage_with_clusters_of_eight() -> None:
    """Within four binomial standard errors of .95; without clusters it would be some .8."""
    rng = np.random.default_rng(1)
    covered, plain, runs = 0, 0, 300
    for _ in range(runs):
        chance = rng.beta(3, 7, 60)
        cases = rng.random((60, 8)) < chance[:, None]
        sums = ClusterSums.of(cases.ravel(), np.repeat(np.arange(60), 8))
        *_, low, high = clustered_share(sums, 0.95)
        covered += low <= 0.3 <= high
        low, high = wilson(float(cases.mean()), 480, 1.96)
        plain += low <= 0.3 <= high
    margin = 4 * np.sqrt(0.05 * 0.95 / runs)
    assert 0.95 - margin <= covered / runs <= 1
    assert plain / runs < 0.95 - margin
