"""Score tests of rates with mid-p at effective counts: acceptance tests B2, B7, B8, B16."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dftspark.inference.effective_counts import (
    FEWEST_CLUSTERS,
    FEWEST_EXPECTED,
    Score,
    Squares,
    comparable_clustering,
    mid_p,
    score,
    share_p,
)
from dftspark.inference.multiple_testing import benjamini_hochberg
from tests.inference.corpora import block_sums, documents, zipf

Floats = NDArray[np.float64]
SIZES = ((100, 100), (50, 1000), (1000, 50), (300, 3000))


def test_mid_p_on_paper() -> None:
    """B2: golden values, symmetry, and the binomial's own mid-p for whole counts."""
    model, human = np.array([0.0, 3.0, 2.5, 10.0]), np.array([20.0, 0.0, 17.5, 10.0])
    share = np.array([0.5, 0.1, 0.5, 0.5])
    np.testing.assert_allclose(
        mid_p(model, human, share), [9.53674e-07, 0.001, 6.0169e-04, 1.0], rtol=1e-4
    )
    np.testing.assert_allclose(mid_p(human, model, 1 - share), mid_p(model, human, share))
    for k in range(13):
        below = stats.binom.cdf(k - 1, 12, 0.3) + stats.binom.pmf(k, 12, 0.3) / 2
        expected = min(1.0, 2 * min(below, 1 - below))
        got = float(mid_p(np.array([float(k)]), np.array([12.0 - k]), 0.3)[0])
        assert got == pytest.approx(expected, rel=1e-12)


def squares(clusters: Floats, rate: Floats) -> Squares:
    lengths = clusters.sum(axis=1)
    residual = ((clusters - rate * lengths[:, None]) ** 2).sum(axis=0)
    return Squares(clusters.sum(axis=0), residual, float(lengths.sum()), float(len(clusters)))


def scored(human: Floats, model: Floats) -> tuple[Score, NDArray[np.bool_]]:
    """Of counts by cluster and n-gram; and which n-grams have a test."""
    size = human.sum(), model.sum()
    rate = (human.sum(axis=0) + model.sum(axis=0)) / sum(size)
    present = (human > 0).sum(axis=0) + (model > 0).sum(axis=0)
    found = score(
        squares(human, rate), squares(model, rate), *(present * own / sum(size) for own in size)
    )
    return found, (present >= FEWEST_CLUSTERS) & (found.expected >= FEWEST_EXPECTED)


def test_a_rare_token_on_one_side() -> None:
    """B8: once in 20 of 3,000 model documents and in none of 300, and the other way round."""
    few, many = np.zeros((300, 2)), np.zeros((3000, 2))
    many[:20, 0] = 1
    for side in (few, many):
        side[:, 1] = 100 - side[:, 0]
    found, _ = scored(few, many)
    assert found.p[0] == pytest.approx(0.126977, abs=2e-6)
    assert found.z[0] > 0
    few[:20, 0], many[:, 0] = 1, 0
    for side in (few, many):
        side[:, 1] = 100 - side[:, 0]
    found, _ = scored(few, many)
    assert found.p[0] == pytest.approx(5.847e-13, rel=2e-3)
    assert found.z[0] < 0


def test_frequent_things_have_the_score_z() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.poisson(9.0, (200, 1)), rng.poisson(9.5, (300, 1))
    human, model = (np.hstack([side, 100 - side]).astype(np.float64) for side in drawn)
    found, _ = scored(human, model)
    share = 300 / 500
    expected = model.sum(axis=0) - share * human.sum(axis=0) - share * model.sum(axis=0)
    np.testing.assert_allclose(found.z, expected / np.sqrt(found.variance), rtol=0.01)


def test_nothing_varies_and_nothing_there() -> None:
    found, tested = scored(np.tile([2.0, 8.0, 0.0], (30, 1)), np.tile([2.0, 8.0, 0.0], (40, 1)))
    assert not tested.any()
    assert np.isnan(found.p).all()


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_level_of_rows_at_any_sizes(n: int, m: int) -> None:
    """B7: the mean share of p <= .05 in [.005, .06]; any q < .05 in few splits. A z with each
    side's own variance has a false row in nearly every split of unlike sizes."""
    rng, rates = np.random.default_rng([n, m]), zipf(1200)
    shares, false, wrong = [], 0, 0
    splits = 4 if m == 3000 else 8
    for _ in range(splits):
        sides = [documents(rng, size, rates, length=80.0) for size in (n, m)]
        found, tested = scored(*sides)
        p = found.p[tested]
        shares.append((p <= 0.05).mean())
        false += bool((benjamini_hochberg(p) < 0.05).any())
        wrong += bool((benjamini_hochberg(_own_variance_p(*sides)[tested]) < 0.05).any())
    assert 0.005 <= np.mean(shares) <= 0.06
    assert false <= 0.1 * splits + 4 * np.sqrt(0.1 * 0.9 * splits) - 1
    if n != m and (n, m) != (300, 3000):
        assert wrong >= 0.8 * splits


def _own_variance_p(human: Floats, model: Floats) -> Floats:
    """Of z with each side's own variance about the common rate: what is replaced."""
    size = human.sum(), model.sum()
    rate = (human.sum(axis=0) + model.sum(axis=0)) / sum(size)
    variance = sum(
        squares(side, rate).squares / own**2 for side, own in zip((human, model), size, strict=True)
    )
    difference = model.sum(axis=0) / size[1] - human.sum(axis=0) / size[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * stats.norm.sf(np.abs(difference) / np.sqrt(variance)))


def test_power_is_kept_at_equal_sizes() -> None:
    rng, rates = np.random.default_rng(9), zipf(300)
    more = rates.copy()
    more[20:25] *= 3
    human = documents(rng, 120, rates, concentration=150.0, length=250.0)
    model = documents(rng, 80, more / more.sum(), concentration=150.0, length=250.0)
    found, tested = scored(human, model)
    assert tested[20:25].all()
    assert (found.z[20:25] > 4).all()


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_level_of_document_shares(n: int, m: int) -> None:
    """B16: as the rows, also for tokens that nearly every document has."""
    rng = np.random.default_rng([n, m, 1])
    rates = np.concatenate([np.geomspace(0.003, 0.5, 60), np.linspace(0.5, 0.97, 20)])
    shares, false = [], 0
    for _ in range(40):
        sides = [rng.random((size, 80)) < rates for size in (n, m)]
        blocks = [rng.integers(0, 64, size) for size in (n, m)]
        counts = [
            block_sums(side.astype(np.float64), at, 64).T
            for side, at in zip(sides, blocks, strict=True)
        ]
        sizes = [np.bincount(at, minlength=64).astype(np.float64) for at in blocks]
        p = share_p(counts[0], counts[1], sizes[0], sizes[1])
        p = p[np.isfinite(p)]
        shares.append((p <= 0.05).mean())
        false += bool((benjamini_hochberg(p) < 0.05).any())
    assert 0.005 <= np.mean(shares) <= 0.065
    assert false <= 8


def test_share_p_of_clusters_is_wider() -> None:
    """Ten documents of a block that go together are not ten pieces of evidence."""
    human, model = np.zeros((1, 64)), np.zeros((1, 64))
    model[0, :4] = 10
    sizes = np.full(64, 10.0)
    together = share_p(human, model, sizes, sizes)[0]
    model[0] = 40 / 64
    alone = share_p(human, model, sizes, sizes)[0]
    assert alone < 1e-6 < 1e-2 < together


def test_few_heavy_clusters_against_many_light_ones_have_no_test() -> None:
    heavy, light = (600.0, 30 * 20.0**2), (500.0, 500.0)
    assert not comparable_clustering(heavy, light)
    assert not comparable_clustering(light, heavy)
    assert comparable_clustering((1000.0, 100 * 10.0**2), (100.0, 100.0))  # 100 effective ones
    assert comparable_clustering(light, (3000.0, 3000.0))
    assert comparable_clustering(heavy, (60.0, 60.0))  # 30 effective clusters beside 60


@pytest.mark.simulation
def test_long_texts_beside_as_many_short_ones_keep_the_level() -> None:
    """And few long ones beside many short ones would not, which is why those have no test."""
    rng, rates = np.random.default_rng(17), zipf(800)

    def level(n: int, m: int) -> float:
        shares = []
        for _ in range(12):
            human = documents(rng, n, rates, length=1400.0)
            found, tested = scored(human, documents(rng, m, rates, length=280.0))
            shares.append((found.p[tested] <= 0.05).mean())
        return float(np.mean(shares))

    assert level(79, 79) <= 0.06
    assert level(40, 300) > 0.08
