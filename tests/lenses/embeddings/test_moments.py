"""Means and covariances that merge exactly."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import InputError, ShapeError
from dftspark.lenses.embeddings.statistic_moments import UNIT_ONE, moment_sums, moments, no_moments
from dftspark.testing import laws
from tests.clouds import Floats


def unit(rng: np.random.Generator, n: int, dim: int) -> Floats:
    points = rng.standard_normal((n, dim)) + 0.5
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_merging_is_exact_in_any_order() -> None:
    rng = np.random.default_rng(1)
    points, blocks = unit(rng, 500, 7).astype(np.float32), rng.integers(0, 64, 500)
    whole = moment_sums(points, blocks)
    parts = [moment_sums(points[p], blocks[p]) for p in np.split(rng.permutation(500), [0, 9, 400])]
    laws.same(parts[3] + (parts[1] + (parts[2] + parts[0])), whole)
    laws.same(whole + no_moments(7), whole)
    laws.files_never_matter(whole)


def test_equals_numpy_within_rounding() -> None:
    rng = np.random.default_rng(2)
    points, blocks = unit(rng, 300, 9), rng.integers(0, 64, 300)
    mean, covariance = moments(moment_sums(points, blocks))
    # A coordinate is off by at most 2^-19, a product of two by twice that.
    np.testing.assert_allclose(mean, points.mean(axis=0), atol=2.0**-19)
    np.testing.assert_allclose(covariance, np.cov(points.T), atol=2.0**-17)
    np.testing.assert_allclose(np.diag(covariance), points.var(axis=0, ddof=1), rtol=1e-4)
    rows = blocks % 16 < 5
    mean, _ = moments(moment_sums(points, blocks), (np.arange(16) < 5).astype(float))
    np.testing.assert_allclose(mean, points[rows].mean(axis=0), atol=2.0**-19)


def test_the_largest_sums_fit() -> None:
    state = moment_sums(np.array([[1.0, 0.0]]), np.zeros(1, int))
    assert int(state.products.max()) == UNIT_ONE**2
    assert UNIT_ONE**2 * (2**27 - 1) < 2**63 == UNIT_ONE**2 * 2**27


def test_bad_vectors_are_named() -> None:
    with pytest.raises(InputError, match="1 of 2 vectors are not finite or longer than 1"):
        moment_sums(np.array([[1.0, 0], [np.nan, 0]]), np.zeros(2, int))
    with pytest.raises(InputError, match="normalize the embeddings"):
        moment_sums(np.array([[2.0, 0]]), np.zeros(1, int))
    with pytest.raises(ShapeError, match="one for each of 3"):
        moment_sums(np.zeros((2, 4)), np.zeros(3, int))


def test_one_document_has_no_covariance() -> None:
    mean, covariance = moments(moment_sums(np.eye(3)[:1], np.zeros(1, int)))
    assert np.isnan(mean).all()
    assert np.isnan(covariance).all()
