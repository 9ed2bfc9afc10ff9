"""Frozen regions: fitted alike from any order, assigned alike in any batch."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from dftspark.errors import EnvironmentProblem, InputError, ShapeError
from dftspark.lenses.embeddings.centroids import Regions, fit_regions, region_count
from tests.clouds import Floats, mixture

needs_faiss = pytest.mark.skipif(
    find_spec("faiss") is None, reason="k-means needs faiss: pip install 'dftspark[embed]'"
)


def clouds(seed: int = 1) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    centers = 8 * rng.standard_normal((5, 6))
    return mixture(rng, 300, centers), mixture(rng, 500, centers)


@needs_faiss
def test_finds_the_clusters_that_are_there() -> None:
    """Five clouds far apart: regions are those clouds, largest first."""
    rng = np.random.default_rng(2)
    centers = 20 * rng.standard_normal((5, 6))
    weights = np.array([0.1, 0.3, 0.05, 0.35, 0.2])
    human, model = mixture(rng, 400, centers, weights), mixture(rng, 400, centers, weights)
    found = fit_regions(human, model, count=5, seed=0)
    _, margins = found.assign(np.concatenate([human, model]))
    assert margins.min() > 0
    sizes = np.bincount(found.assign(np.concatenate([human, model]))[0])
    assert (np.diff(sizes) <= 0).all()
    nearest = np.linalg.norm(found.centroids[:, None] - centers, axis=2).argmin(axis=1)
    assert list(nearest) == [3, 1, 4, 0, 2]


@needs_faiss
def test_the_order_of_the_pilot_does_not_matter() -> None:
    human, model = clouds()
    rng = np.random.default_rng(3)
    found = fit_regions(human, model, count=7, seed=4)
    again = fit_regions(rng.permutation(human), rng.permutation(model), count=7, seed=4)
    assert found.fingerprint == again.fingerprint
    assert found.centroids.tobytes() == again.centroids.tobytes()
    others = [
        fit_regions(human, model, count=7, seed=5),
        fit_regions(human, model, count=8, seed=4),
        fit_regions(human, model[:200], count=7, seed=4),
        fit_regions(human, model, count=7, seed=4, text="another embedder"),
    ]
    assert len({found.fingerprint, *(o.fingerprint for o in others)}) == 5


@needs_faiss
def test_the_pilot_is_balanced() -> None:
    """A hundred times as many model documents move no centroid: only 50 a side count."""
    rng = np.random.default_rng(5)
    human, model = rng.standard_normal((50, 3)), 30 + rng.standard_normal((5_000, 3))
    found = fit_regions(human, model, count=10, seed=0)
    assert 3 <= (found.centroids[:, 0] < 15).sum() <= 7


def test_assignment_is_to_the_nearest() -> None:
    rng = np.random.default_rng(6)
    regions = Regions(rng.standard_normal((9, 4)).astype(np.float32), 0, "")
    points = rng.standard_normal((200, 4))
    distances = np.linalg.norm(points[:, None] - regions.centroids, axis=2)
    got, margins = regions.assign(points)
    assert (got == distances.argmin(axis=1)).all()
    nearest = np.sort(distances**2, axis=1)
    np.testing.assert_allclose(margins, nearest[:, 1] - nearest[:, 0], atol=1e-4)


def test_ties_go_to_the_first() -> None:
    centroids = np.array([[1.0, 0], [0, 1], [1, 0]], np.float32)
    got, margins = Regions(centroids, 0, "").assign(np.array([[1.0, 1], [3, 0], [0, 0], [0, 2]]))
    assert list(got) == [0, 0, 0, 1]
    np.testing.assert_allclose(margins, [0, 0, 0, 4])


def test_the_batch_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    points = rng.standard_normal((700, 24)).astype(np.float32)
    regions = Regions(points[:30], 0, "")
    whole, far = regions.assign(points)
    for size in (1, 13, 256):
        parts = [regions.assign(points[i : i + size]) for i in range(0, 700, size)]
        assert np.concatenate([p[0] for p in parts]).tobytes() == whole.tobytes()
        assert np.concatenate([p[1] for p in parts]).tobytes() == far.tobytes()


@pytest.mark.parametrize(
    ("human", "model", "pilot", "count"),
    [
        (2_000, 3_000, 4_000, 20),  # a hundredth of the smaller side
        (10**9, 10**9, 100_000, 500),
        (10**6, 10**6, 4_000, 100),  # forty vectors a centroid
        (30, 30, 60, 2),
    ],
)
def test_number_of_regions(human: int, model: int, pilot: int, count: int) -> None:
    assert region_count(human, model, pilot) == count


def test_unfit_vectors_are_named() -> None:
    regions = Regions(np.eye(3, dtype=np.float32), 0, "")
    with pytest.raises(ShapeError, match=r"these regions are of \(B, 3\)"):
        regions.assign(np.zeros((2, 4)))
    for bad in (np.nan, np.inf, 1e9):
        with pytest.raises(InputError, match="1 of 2 vectors are not finite, or much longer"):
            regions.assign(np.array([[0.0, 0, 1], [bad, 0, 0]]))
    with pytest.raises(ShapeError, match="2 vectors a side has no 5 regions"):
        fit_regions(np.zeros((2, 3)), np.zeros((9, 3)), count=5, seed=0)


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'dftspark\[embed\]'"):
        fit_regions(*clouds(), count=2, seed=0)
