"""The jackknife against the textbook variance of a mean."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.intervals import jackknife, no_inference


def test_of_a_mean_is_the_standard_error_with_t() -> None:
    # For a mean the jackknife is s / sqrt(n): values 1, 2, 3, 6 have s^2 = 14/3, so sqrt(14/12).
    values = np.array([1.0, 2.0, 3.0, 6.0])
    left_out = (values.sum() - values) / 3
    error, low, high = jackknife(left_out, 3.0, 0.95)
    assert error == pytest.approx(np.sqrt(14 / 12), rel=1e-12)
    reach = 3.182446305284263 * np.sqrt(14 / 12)  # t with 3 degrees of freedom, two-sided 5%
    assert (low, high) == pytest.approx((3 - reach, 3 + reach), rel=1e-9)


def test_one_block_has_no_error() -> None:
    assert np.isnan(jackknife(np.array([0.3]), 0.3, 0.95)).all()


def test_no_inference_is_all_nan() -> None:
    got = no_inference(2)
    assert got.blocks == 2
    assert np.isnan([got.std_error, got.ci_low, got.ci_high, got.p_value, got.floor, got.mde]).all()
