"""The Frechet distance on paper, and free of what finite corpora add."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.lenses.embeddings.distance_frechet import frechet, root
from dftspark.lenses.embeddings.moments import MomentSide, RootSide, frechet_metrics
from dftspark.lenses.embeddings.statistic_moments import moment_sums, no_moments
from tests.clouds import Floats


def test_of_commuting_covariances() -> None:
    # diag(4, 9) and diag(1, 16), means 3 and 4 apart: 25 + (2 - 1)^2 + (3 - 4)^2, in any basis.
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((2, 2)))[0]
    own, other = (turn @ np.diag(v) @ turn.T for v in ([4.0, 9], [1.0, 16]))
    got = frechet(np.array([0.0, 0]), root(own), np.array([3.0, 4]), other)
    assert got == pytest.approx(27.0)


def test_of_covariances_that_do_not_commute() -> None:
    """tr (C D)^(1/2) of two by two matrices is sqrt(tr CD + 2 sqrt(det CD))."""
    c, d = np.array([[2.0, 1], [1, 3]]), np.array([[1.0, -0.5], [-0.5, 4]])
    common = np.sqrt(np.trace(c @ d) + 2 * np.sqrt(np.linalg.det(c @ d)))
    got = frechet(np.zeros(2), root(c), np.zeros(2), d)
    assert got == pytest.approx(np.trace(c) + np.trace(d) - 2 * common)
    assert frechet(np.zeros(2), root(d), np.zeros(2), c) == pytest.approx(got)


def test_singular_covariances_are_fine() -> None:
    flat = np.diag([1.0, 0, 0])
    assert frechet(np.zeros(3), root(flat), np.zeros(3), flat) == pytest.approx(0, abs=1e-12)
    assert np.isnan(frechet(np.zeros(2), root(np.eye(2)), np.zeros(2), np.full((2, 2), np.nan)))


def test_fewer_documents_than_dimensions_cost_little_precision() -> None:
    """The last term is the sum of the singular values of the product of the roots."""
    rng = np.random.default_rng(2)
    human, model = (np.cov(0.06 * rng.standard_normal((n, 160)).T) for n in (60, 90))
    common = np.linalg.svd(root(human).T @ root(model), compute_uv=False).sum()
    exact = np.trace(human) + np.trace(model) - 2 * common
    got = frechet(np.zeros(160), root(human), np.zeros(160), model)
    assert got == pytest.approx(exact, abs=1e-8)


DIM = 24
SPREAD = 0.3 / np.sqrt(np.arange(1, DIM + 1))
OTHER = SPREAD * np.exp(0.2 * np.random.default_rng(5).standard_normal(DIM))
SHIFT = 0.2 * SPREAD / np.linalg.norm(SPREAD)
TRUTH = float((SHIFT**2).sum() + ((SPREAD - OTHER) ** 2).sum())


def draw(rng: np.random.Generator, n: int, spread: Floats, shift: Floats | float = 0.0) -> Floats:
    points = spread * rng.standard_normal((n, DIM)) + shift
    return np.asarray(points / np.maximum(1, np.linalg.norm(points, axis=1, keepdims=True)))


def runs(count: int, spread: Floats, shift: Floats | float, truth: float) -> dict[str, float]:
    """Means over runs of 120 human and 200 model points, 5 copies of each human one."""
    rng = np.random.default_rng(3)
    rows = []
    for seed in range(count):
        own, other = rng.integers(0, 64, 120), rng.integers(0, 64, 200)
        human = np.repeat(draw(rng, 120, SPREAD), 5, axis=0)
        states = (
            moment_sums(human, np.repeat(own, 5)),
            moment_sums(draw(rng, 200, spread, shift), other),
        )
        sides = RootSide(states[0]), MomentSide(states[1])
        plain, corrected = frechet_metrics(*sides, 120, confidence=0.95, seed=seed)
        found = corrected.inference
        covered = found.ci_low <= truth <= found.ci_high
        rows.append([plain.value, corrected.value, found.std_error, covered])
    columns = np.array(rows).T
    names = ("plain", "corrected", "std_error", "covered")
    means = {name: float(column.mean()) for name, column in zip(names, columns, strict=True)}
    return {**means, "spread": float(columns[1].std())}


@pytest.mark.simulation
def test_correction_takes_the_bias_away() -> None:
    """One source: the plug-in lies far above 0, the corrected value does not."""
    count = 10
    found = runs(count, SPREAD, 0.0, 0.0)
    assert found["plain"] > 4 * found["spread"]
    assert abs(found["corrected"]) < 4 * found["spread"] / np.sqrt(count) + 0.05 * found["plain"]


@pytest.mark.slow
def test_interval_covers() -> None:
    count = 300
    found = runs(count, OTHER, SHIFT, TRUTH)
    print(f"true {TRUTH:.6f}:", found)
    assert abs(found["corrected"] - TRUTH) < 0.05 * TRUTH
    assert 0.9 <= found["covered"] <= 0.99


def test_without_documents_or_clusters() -> None:
    rng = np.random.default_rng(4)
    some = moment_sums(draw(rng, 50, SPREAD), rng.integers(0, 64, 50))
    plain, corrected = frechet_metrics(
        RootSide(some), MomentSide(some), 10, confidence=0.95, seed=0
    )
    assert plain.value == pytest.approx(0, abs=1e-9)
    assert np.isnan([corrected.value, plain.inference.ci_low]).all()
    plain, corrected = frechet_metrics(
        RootSide(some), MomentSide(no_moments(DIM)), 64, confidence=0.95, seed=0
    )
    assert np.isnan([plain.value, corrected.value]).all()
