"""MMD over all documents and by the kernel itself (A2), and the median distance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings.fourier import DEFAULT, Frequencies, features
from dftspark.testing import oracles
from tests.normal_clouds import normal

Floats = NDArray[np.float64]


def unit_features(seed: int, n: int) -> Floats:
    """phi with |phi| = 1 exactly, so that forms differ by rounding alone."""
    phi = features(Frequencies(dim=4, sigma=2.0, least=32), normal(_rng(seed), n, 4)) / 1.0
    return np.asarray(phi / np.linalg.norm(phi, axis=1, keepdims=True))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (50, 80), (200, 120)])
def test_stable_form_is_the_three_term_form_and_the_mean_over_pairs(n: int, m: int) -> None:
    """A2, to 1e-12."""
    x, y = unit_features(1, n), unit_features(2, m)
    got = oracles.squared_mmd(x.sum(axis=0), y.sum(axis=0), n, m)
    p, q = x.sum(axis=0), y.sum(axis=0)
    three = (p @ p - n) / (n * (n - 1)) + (q @ q - m) / (m * (m - 1)) - 2 * p @ q / (n * m)
    unlike = [~np.eye(k, dtype=bool) for k in (n, m)]
    pairs = (x @ x.T)[unlike[0]].mean() + (y @ y.T)[unlike[1]].mean() - 2 * (x @ y.T).mean()
    assert got == pytest.approx(three, abs=1e-12)
    assert got == pytest.approx(pairs, abs=1e-12)


def test_two_points_on_paper() -> None:
    """Human {0, 2}, model {0, 1, 2} on a line, s = 1: mean k is e^-2 and (2 e^-.5 + e^-2) / 3;
    across, 2 + 2 e^-2 + 2 e^-.5 over 6."""
    human, model = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0], [2.0]])
    a, b = np.exp(-0.5), np.exp(-2.0)
    expected = b + (2 * a + b) / 3 - 2 * (2 + 2 * b + 2 * a) / 6
    got = oracles.exact_squared_mmd(human, model, mmd.kernel(DEFAULT, 1.0))
    assert got == pytest.approx(expected, abs=1e-12)
    # Distances: 2; (1 + 2 + 1) / 3; (0 + 1 + 2 + 2 + 1 + 0) / 6.
    energy = oracles.exact_squared_mmd(human, model, mmd.kernel("energy", 1.0))
    assert energy == pytest.approx(2 * 1 - 2 - 4 / 3, abs=1e-12)


def test_pairs_of_one_block_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = _rng(3)
    x, y = normal(rng, 40, 3), normal(rng, 30, 3, 1.0)
    blocks = rng.integers(0, 5, 40), rng.integers(0, 5, 30)
    of = mmd.kernel("imq", 1.5)
    expected = -2 * np.mean([[of(((a - b) ** 2).sum()) for a in x] for b in y])
    for rows, own in ((x, blocks[0]), (y, blocks[1])):
        pairs = [
            of(((rows[i] - rows[j]) ** 2).sum())
            for i in range(len(rows))
            for j in range(len(rows))
            if own[i] != own[j]
        ]
        expected += np.mean(pairs)
    assert oracles.exact_squared_mmd(x, y, of, *blocks) == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr(mmd, "_CHUNK", 100)
    assert oracles.exact_squared_mmd(x, y, of, *blocks) == pytest.approx(expected, abs=1e-12)


def test_mean_is_zero_at_equality() -> None:
    rng, found = _rng(4), []
    for _ in range(300):
        x, y = normal(rng, 12, 3), normal(rng, 9, 3)
        found.append(oracles.exact_squared_mmd(x, y, mmd.kernel("laplace", 2.0)))
    assert abs(np.mean(found)) <= 4 * np.std(found) / np.sqrt(300)
    assert min(found) < 0


def test_too_few_documents_have_no_value() -> None:
    one, two = np.ones((1, 2)), np.eye(2)
    of = mmd.kernel(DEFAULT, 1.0)
    assert np.isnan(oracles.exact_squared_mmd(one, two, of))
    assert np.isnan(oracles.exact_squared_mmd(two, two, of, np.zeros(2, int), np.arange(2)))
    assert np.isnan(oracles.squared_mmd(one[0], two.sum(axis=0), 1, 2))


@pytest.mark.parametrize("name", ["gaussian", "gaussian_", "cosine"])
def test_unknown_kernels_are_errors(name: str) -> None:
    with pytest.raises(ShapeError, match="gaussian_C, laplace, imq, energy"):
        mmd.kernel(name, 1.0)


def test_median_distance() -> None:
    """Pairs of 0, 1, 3, 7 are 1, 2, 3, 4, 6, 7 apart: squares 9 and 16 are in the middle."""
    assert mmd.median_distance(np.array([[0.0], [1], [3], [7]])) == 3.536
    assert mmd.median_distance(np.zeros((1, 3))) == 1


def test_the_bandwidth_of_equal_vectors_is_a_length() -> None:
    """Of three equal texts of four, and of equal texts alone, equal up to rounding."""
    same = np.array([0.6, 0.8]) + np.array([[0.0], [1e-8], [-1e-8]])
    assert mmd.median_distance(np.concatenate([same, [[-0.6, -0.8]]])) == 2
    assert mmd.median_distance(same) == 1
    assert mmd.median_distance(np.zeros((3, 3))) == 1
