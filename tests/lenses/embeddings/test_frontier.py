"""The divergence frontier's area and its bias, and the square of shares that has none (A18)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.lenses.embeddings.distance_frontier import (
    frontier_area,
    smoothed_shares,
)
from dftspark.testing import oracles

Floats = NDArray[np.float64]


def test_ends_of_the_range() -> None:
    p = np.array([[0.5, 0.5, 0], [1.0, 0, 0]])
    np.testing.assert_allclose(frontier_area(p, p), 1.0, atol=1e-12)
    apart = frontier_area(np.array([1.0, 0]), np.array([0.0, 1]))
    assert 0 < apart < 0.005


def test_area_on_paper() -> None:
    # p = (1, 0), q = (0, 1), r = (w, 1 - w): KL(p|r) = -ln w, KL(q|r) = -ln(1 - w), so the points
    # are ((1 - w)^5, w^5); the curve x^(1/5) + y^(1/5) = 1 has area 1/252 = B(5, 6) x 5 = 5!5!/10!.
    # 25 points with straight lines between them, above a convex curve, add a little.
    got = float(frontier_area(np.array([1.0, 0]), np.array([0.0, 1])))
    assert 1 / 252 < got < 1.03 / 252


def test_symmetric_and_falling() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(8), 2)
    steps = [p + t * (q - p) for t in (0, 0.2, 0.5, 1)]
    areas = [float(frontier_area(p, r)) for r in steps]
    assert areas == sorted(areas, reverse=True)
    assert len(set(areas)) == 4
    assert float(frontier_area(q, p)) == pytest.approx(areas[-1], rel=1e-12)


def draws(n: int, m: int, k: int, runs: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    shares = np.full(k, 1 / k)
    return rng.multinomial(n, shares, runs).astype(float), rng.multinomial(m, shares, runs).astype(
        float
    )


@pytest.mark.parametrize(
    ("n", "k", "low", "high"),
    [
        (500, 50, 0.965, 0.975),  # a region for ten documents: about .97 at any size
        (5_000, 500, 0.965, 0.975),
        (5_000, 50, 0.999, 1.0),  # a region for a hundred
        (50_000, 500, 0.999, 1.0),
    ],
)
def test_area_at_equality(n: int, k: int, low: float, high: float) -> None:
    """A18: with k = n/10 it does not come near 1, however large n."""
    area = frontier_area(*map(smoothed_shares, draws(n, n, k, 40, 2)))
    assert low < area.mean() < high


def test_without_smoothing_it_is_lower() -> None:
    """A18: .962 unsmoothed, as others compute it, .970 with half a document added."""
    human, model = draws(500, 500, 50, 400, 3)
    plain = frontier_area(human / 500, model / 500).mean()
    assert plain == pytest.approx(0.962, abs=0.003)
    assert frontier_area(*map(smoothed_shares, (human, model))).mean() - plain > 0.004


@pytest.mark.parametrize(("n", "m", "k"), [(300, 500, 50), (2_000, 900, 20), (400, 4_000, 400)])
def test_square_is_unbiased(n: int, m: int, k: int) -> None:
    """A18: within 3 standard errors of 0 at equality, where the plug-in is far from it."""
    human, model = draws(n, m, k, 400, 4)
    values = oracles.histogram_l2_squared(human, model)
    error = values.std() / 20
    assert abs(values.mean()) < 3 * error
    plug_in = ((human / n - model / m) ** 2).sum(axis=1)
    assert plug_in.mean() > 20 * error


def test_square_on_paper() -> None:
    # Counts 3 1 | 1 4: 6/12 + 12/20 - 2 (3 + 4)/20 = .4.
    got = oracles.histogram_l2_squared(np.array([3, 1]), np.array([1, 4]))
    assert float(got) == pytest.approx(0.4)


def test_square_needs_two_documents() -> None:
    assert np.isnan(oracles.histogram_l2_squared(np.array([1, 0]), np.array([3, 3])))
