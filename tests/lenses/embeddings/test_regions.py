"""The region lens: what is found where it was planted, and the level of what is not (A12, A18)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.config import Inference as Settings
from dftspark.errors import ShapeError
from dftspark.lenses.embeddings import witness
from dftspark.lenses.embeddings.distance_frontier import frontier_area, smoothed_shares
from dftspark.lenses.embeddings.region_sums import RegionSums, no_regions, region_sums
from dftspark.lenses.embeddings.regions import RegionTable, region_metrics, region_table
from tests.clouds import BLOCKS, Floats, block_sums, features, frequencies, mixture

Integers = NDArray[np.int64]
DIM = 8


@dataclass(frozen=True, eq=False)
class Plan:
    """A mixture of Gaussians, its regions and the features all runs share."""

    centers: Floats
    centroids: Floats
    omega: Floats

    @classmethod
    def of(cls, regions: int, seed: int = 11) -> Plan:
        rng = np.random.default_rng(seed)
        centers = 0.9 * rng.standard_normal((6, DIM))
        centroids = mixture(rng, regions, centers)
        return cls(centers, centroids, frequencies(rng, DIM, 48, 2.0 * DIM))

    def sums(
        self, human: Floats, model: Floats, own: tuple[Integers, Integers]
    ) -> tuple[RegionSums, RegionSums]:
        phi = features(human, self.omega), features(model, self.omega)
        center = (phi[0].mean(0) + phi[1].mean(0)) / 2
        found = witness.without_block(
            block_sums(phi[0], own[0]),
            block_sums(phi[1], own[1]),
            np.bincount(own[0], minlength=BLOCKS).astype(float),
            np.bincount(own[1], minlength=BLOCKS).astype(float),
            center=center,
        )
        states = []
        for side, points in enumerate((human, model)):
            square = ((points[:, None] - self.centroids) ** 2).sum(axis=2)
            scores = found.score(phi[side], side, own[side])
            states.append(
                region_sums(own[side], square.argmin(axis=1), scores, len(self.centroids))
            )
        return states[0], states[1]


def hashed(rng: np.random.Generator, n: int) -> Integers:
    return rng.integers(0, BLOCKS, n)


def test_finds_what_was_planted() -> None:
    """One of six clouds at half its share, another moved: those two stand out, and how."""
    plan = Plan.of(6)
    plan = Plan(4 * plan.centers, 4 * plan.centers, plan.omega)
    rng = np.random.default_rng(1)
    human = mixture(rng, 1_500, plan.centers)
    weights = np.array([1, 1, 0.5, 1, 1, 1]) / 5.5
    model = mixture(rng, 2_200, plan.centers, weights)
    cloud = ((model[:, None] - plan.centers) ** 2).sum(axis=2).argmin(axis=1)
    model[cloud == 4] += 0.6
    found = region_table(*plan.sums(human, model, (hashed(rng, 1_500), hashed(rng, 2_200))), 64)
    assert found.share_z[2] < -5
    assert found.parts.mass.argmax() == 2
    assert found.parts.within.argmax() == 4
    assert set(np.flatnonzero(found.q_value < 0.01)) == {2, 4}
    assert found.count_human.sum() == 1_500
    assert found.count_model.sum() == 2_200


def levels(runs: int, regions: int, n: int = 300, m: int = 450) -> dict[str, float]:
    """Share of regions of equal sources beyond 5% points of z, one- and two-sided."""
    plan = Plan.of(regions)
    rng = np.random.default_rng(regions)
    tables: list[RegionTable] = []
    for _ in range(runs):
        points = mixture(rng, n, plan.centers), mixture(rng, m, plan.centers)
        own = hashed(rng, n), hashed(rng, m)
        tables.append(region_table(*plan.sums(*points, own), BLOCKS))
    z = np.array([t.z for t in tables])
    share_z = np.array([t.share_z for t in tables])
    return {
        "upper": float((z > 1.669).mean()),  # 5% point of t with 63 degrees of freedom
        "both": float((np.abs(z) > 1.998).mean()),
        "share": float((np.abs(share_z) > 1.998).mean()),
        "found": float(np.mean([(t.q_value < 0.05).any() for t in tables])),
    }


@pytest.mark.simulation
def test_level() -> None:
    """Two-sided it would be twice too high where regions are few; one-sided it holds."""
    runs = 120
    found = levels(runs, 2)
    assert found["upper"] <= 0.05 + 4 * np.sqrt(0.05 / runs)
    assert found["share"] <= 0.05 + 4 * np.sqrt(0.05 / runs)
    assert found["both"] > 0.08


@pytest.mark.slow
@pytest.mark.parametrize("regions", [2, 5, 20])
def test_level_in_1000_runs(regions: int) -> None:
    found = levels(1_000, regions, 600, 900)
    print(f"{regions} regions, 64 blocks, n = 600, m = 900:", found)
    assert 0.03 <= found["upper"] <= 0.08
    assert 0.03 <= found["share"] <= 0.07
    assert found["found"] <= 0.1


def test_frontier_beside_its_value_at_equality() -> None:
    """A18: one source, a region for ten documents: .97 is reported, and that equality gives it."""
    rng = np.random.default_rng(5)
    human, model = uniform(rng, 1_000, 100), uniform(rng, 1_500, 100)
    settings = Settings(splits=60, permutations=199)
    area, equal, square = region_metrics(
        human, model, (1_000, 1_500), paired=False, settings=settings
    )
    assert 0.955 < area.value < 0.99
    assert equal.inference.ci_low <= area.value <= equal.inference.ci_high
    assert abs(area.value - equal.value) < 4 * equal.inference.std_error
    assert area.inference.floor < equal.value
    assert abs(square.value) < 4 * square.inference.std_error
    assert area.inference.p_value > 0.01


def test_frontier_of_unlike_shares() -> None:
    rng = np.random.default_rng(6)
    human, model = uniform(rng, 3_000, 20), uniform(rng, 2_000, 20, tilt=0.5)
    settings = Settings(splits=60, permutations=199)
    area, equal, square = region_metrics(
        human, model, (3_000, 2_000), paired=False, settings=settings
    )
    assert area.value < area.inference.floor < equal.value
    assert area.inference.p_value < 0.01
    assert square.inference.ci_low > 0
    shares = [smoothed_shares(side.count.sum(axis=0)) for side in (human, model)]
    assert area.value == pytest.approx(float(frontier_area(*shares)))


def uniform(rng: np.random.Generator, n: int, regions: int, tilt: float = 0.0) -> RegionSums:
    weights = np.exp(tilt * np.linspace(-1, 1, regions))
    own = rng.choice(regions, n, p=weights / weights.sum())
    return region_sums(hashed(rng, n), own, np.zeros(n), regions)


def test_few_clusters_and_empty_sides() -> None:
    rng = np.random.default_rng(7)
    some = uniform(rng, 200, 3)
    table = region_table(some, some, 0)
    assert np.isnan(table.z).all()
    assert np.isnan(table.q_value).all()
    settings = Settings(splits=20, permutations=99)
    area, *_ = region_metrics(some, some, (9, 9), paired=False, settings=settings)
    assert area.value == pytest.approx(1.0)
    assert np.isnan(area.inference.ci_low)
    area, equal, square = region_metrics(
        some, no_regions(3), (300, 0), paired=False, settings=settings
    )
    assert np.isnan([area.value, equal.value, square.value]).all()
    with pytest.raises(ShapeError, match="assign both sides to the same regions"):
        region_metrics(some, no_regions(4), (300, 300), paired=False, settings=settings)
