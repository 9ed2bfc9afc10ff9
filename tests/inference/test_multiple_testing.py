"""Benjamini-Hochberg against its published example."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.multiple_testing import benjamini_hochberg, two_sided_p

PUBLISHED = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])


def test_the_published_example_has_two_rejections() -> None:
    q = benjamini_hochberg(PUBLISHED)
    assert (q <= 0.05).sum() == 2
    # By hand: .001 x 10, .008 x 10/2, and .042 x 10/5 carried down to its two predecessors.
    np.testing.assert_allclose(q[:5], [0.01, 0.04, 0.084, 0.084, 0.084], rtol=1e-14)
    assert q[-1] == pytest.approx(0.216)


def test_order_does_not_matter_and_nan_is_no_test() -> None:
    order = np.random.default_rng(1).permutation(10)
    p = np.insert(PUBLISHED[order], [3, 7], np.nan)
    q = benjamini_hochberg(p)
    np.testing.assert_array_equal(np.isnan(q), np.isnan(p))
    np.testing.assert_array_equal(q[~np.isnan(q)], benjamini_hochberg(PUBLISHED)[order])
    assert len(benjamini_hochberg(np.array([]))) == 0


def test_q_is_at_most_one_and_at_least_p() -> None:
    p = np.random.default_rng(2).random(200)
    q = benjamini_hochberg(p)
    assert ((q >= p) & (q <= 1)).all()


def test_two_sided_p() -> None:
    got = two_sided_p(np.array([0.0, 1.959963984540054, -1.959963984540054, 30.0, np.nan]))
    np.testing.assert_allclose(got[:3], [1, 0.05, 0.05], rtol=1e-12)
    assert 0 < got[3] < 1e-190
    assert np.isnan(got[4])
