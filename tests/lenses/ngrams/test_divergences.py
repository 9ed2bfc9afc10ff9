"""Total variation and Jensen-Shannon against numbers worked out on paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.lenses.ngrams import distance_jensen_shannon as jensen_shannon
from dftspark.lenses.ngrams import distance_total_variation as total_variation
from dftspark.lenses.ngrams.distance_jensen_shannon import jensen_shannon as js
from dftspark.lenses.ngrams.distance_total_variation import total_variation as tv

Floats = NDArray[np.float64]
Distance = Callable[..., Floats]


def rates(seed: int, *shape: int) -> Floats:
    drawn = np.random.default_rng(seed).gamma(0.3, size=shape)
    return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))


def test_values_on_paper() -> None:
    # p = (1/2, 1/2, 0), q = (1/4, 1/4, 1/2): half of q's mass lies where p has none, so TV = 1/2.
    # r = (3/8, 3/8, 1/4). JS = H(r) - H(p)/2 - H(q)/2, with H(p) = 1, H(q) = 3/2 and
    # H(r) = 3/4 log2(8/3) + 1/4 log2 4 = 3/4 (3 - log2 3) + 1/2.
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert tv(p, q) == pytest.approx(0.5, abs=1e-15)
    expected = 0.75 * (3 - np.log2(3)) + 0.5 - 0.5 - 0.75
    assert js(p, q) == pytest.approx(expected, abs=1e-15)


def test_terms_are_the_summands_and_one_sided_mass_counts_half() -> None:
    p, q = rates(1, 40), rates(2, 40)
    assert jensen_shannon.term(p, q).sum() == pytest.approx(float(js(p, q)), rel=1e-14)
    assert total_variation.term(p, q).sum() == pytest.approx(float(tv(p, q)), rel=1e-14)
    none = np.zeros(40)
    np.testing.assert_allclose(jensen_shannon.term(p, none), p / 2, rtol=1e-14)
    np.testing.assert_allclose(total_variation.term(none, q), q / 2, rtol=1e-14)
    np.testing.assert_array_equal(jensen_shannon.term(none, none), none)


def test_no_term_of_equal_rates_is_below_zero() -> None:
    p = np.random.default_rng(7).integers(1, 9_000, 20_000) / 70_001
    for q in (p, p * (1 + 2e-16)):
        assert jensen_shannon.term(p, q).min() >= 0
        assert jensen_shannon.term(p, q).sum() < 1e-12


def test_jensen_shannon_is_the_mean_kullback_leibler_divergence_to_the_mixture() -> None:
    p, q = rates(3, 7, 30), rates(4, 7, 30)
    r = (p + q) / 2
    expected = ((p * np.log2(p / r) + q * np.log2(q / r)) / 2).sum(axis=-1)
    np.testing.assert_allclose(js(p, q), expected, rtol=1e-11)


@pytest.mark.parametrize("distance", [js, tv])
def test_ends_of_the_range(distance: Distance) -> None:
    p = rates(5, 50)
    assert distance(p, p) == pytest.approx(0, abs=1e-15)
    apart = np.concatenate([p, np.zeros(30)]), np.concatenate([np.zeros(50), rates(6, 30)])
    assert distance(*apart) == pytest.approx(1, abs=1e-14)
    q = rates(7, 50)
    assert distance(p, q) == pytest.approx(float(distance(q, p)), rel=1e-13)


def test_small_differences_keep_their_digits() -> None:
    # JS = sum (p - q)^2 / (8 r ln 2) + O(d^4). With q = p (1 + e), e of mean 0 under p, the
    # next term is of relative size e^2 = 1e-8; rounding leaves 1e-16 / 1e-9 = 1e-7.
    p = rates(8, 20)
    e = np.random.default_rng(8).standard_normal(20)
    q = p * (1 + 1e-4 * (e - p @ e))
    second_order = ((p - q) ** 2 / (4 * (p + q))).sum() / np.log(2)
    assert js(p, q) == pytest.approx(float(second_order), rel=1e-6)


@pytest.mark.parametrize("distance", [js, tv])
def test_leading_axes_and_weights(distance: Distance) -> None:
    p, q, weights = rates(9, 3, 5, 12), rates(10, 3, 5, 12), np.arange(12) + 0.5
    got = distance(p, q, weights)
    assert got.shape == (3, 5)
    # A weight of k is the same as k copies of the coordinate.
    tripled = distance(np.repeat(p, 3, axis=-1), np.repeat(q, 3, axis=-1))
    np.testing.assert_allclose(distance(p, q, np.full(12, 3.0)), tripled, rtol=1e-13)
    assert got[2, 4] == pytest.approx(float(distance(p[2, 4], q[2, 4], weights)), rel=1e-14)


@pytest.mark.parametrize("distance", [js, tv])
def test_an_empty_side_has_no_distance(distance: Distance) -> None:
    p = rates(11, 6)
    assert np.isnan(distance(p, np.full(6, np.nan)))
