"""p-values, their tails, and the smallest detectable value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from dftspark.inference.permutation import (
    distinct_relabelings,
    p_value,
    pearson3_quantile,
    pearson3_tail,
)


def test_p_counts_the_observed_labeling_itself() -> None:
    null = np.arange(99.0)
    assert p_value(50.0, null) == pytest.approx((1 + 49) / 100)  # 50 .. 98 are as large
    assert p_value(-1.0, null) == 1
    assert p_value(3.0, np.full(99, 3.0)) == 1  # no evidence at all


def test_rounding_does_not_make_ties_evidence() -> None:
    null = np.full(200, 0.1 + 0.2)
    null[:100] = 0.0
    assert p_value(0.3 + 1e-16, null) == pytest.approx(101 / 201)


def test_tails_beyond_the_permutations() -> None:
    """The null is that of |noise|^2 in six directions, where Pearson III is exact (chi-squared)."""
    rng = np.random.default_rng(1)
    for tail, factor in ((1e-3, 1.6), (1e-5, 3.0)):
        observed = float(special.chdtri(6, tail))
        got = [p_value(observed, rng.chisquare(6, 999)) for _ in range(60)]
        # The skewness of 999 draws is off by .08 x 1.15 or so, which moves the tail by tens of %.
        assert tail / factor < np.median(got) < tail * factor
    assert p_value(1e6, rng.chisquare(6, 999), relabelings=128) == pytest.approx(1 / 128, rel=1e-6)


@pytest.mark.parametrize("k", [1, 6, 40, 10**6])
def test_the_tail_of_chi_squared_is_exact(k: int) -> None:
    """A chi-squared of k degrees of freedom has mean k, variance 2k and skewness sqrt(8 / k)."""
    skewness = np.sqrt(8 / k)
    for x in (-2.0, -0.5, 0.0, 1.0, 3.0, 8.0):
        expected = special.chdtrc(k, max(k + x * np.sqrt(2 * k), 0))
        assert pearson3_tail(x, skewness) == pytest.approx(expected, rel=1e-6)
        assert pearson3_tail(-x, -skewness) == pytest.approx(1 - expected, rel=1e-6)


def test_without_skewness_the_tail_is_normal() -> None:
    for x in (-2.0, 0.0, 3.0, 8.0):
        for skewness in (-1e-6, 0.0, 1e-6):
            assert pearson3_tail(x, skewness) == pytest.approx(special.ndtr(-x), rel=1e-12)
        assert pearson3_tail(x, 1.1e-4) == pytest.approx(special.ndtr(-x), rel=0.02)


def test_tail_joins_the_counted_part() -> None:
    null = np.random.default_rng(2).chisquare(6, 999)
    observed = np.sort(null)[::-1][[8, 9, 10]] - 1e-6
    p = [p_value(value, null) for value in observed]
    assert p[0] <= 10 / 1000
    np.testing.assert_allclose(p[1:], [11 / 1000, 12 / 1000])
    assert p[0] > 10 / 1000 / 1.5


def test_distinct_relabelings() -> None:
    assert distinct_relabelings(8, paired=True) == 128
    assert distinct_relabelings(4, paired=False) == 35  # 8 choose 4, and the groups have no names
    assert distinct_relabelings(64, paired=False) > 1e37


def test_nan_is_no_relabeling() -> None:
    assert p_value(5.0, np.array([1.0, np.nan, 9.0, 2.0] * 50)) == pytest.approx(51 / 151)
    assert np.isnan(p_value(np.nan, np.arange(9.0)))


def test_pearson3_quantile() -> None:
    """B1, and that it is the other way round of the tail."""
    got = [pearson3_quantile(skewness, 0.95) for skewness in (0, 0.5, 1, 2, 8**0.5)]
    np.testing.assert_allclose(got, [1.6449, 1.7743, 1.8768, 1.9957, 2.0092], atol=5e-5)
    for skewness in (0.0, 0.3, 1.0, 2.5):
        assert pearson3_tail(pearson3_quantile(skewness, 0.9), skewness) == pytest.approx(0.1)
