"""Columns of the n-gram table: z, log odds, contributions and document ratios (A14)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from dftspark.distances.ngram_table import (
    Counts,
    document_ratio,
    rate_z,
    shrunken_log_odds,
    signed_contributions,
)
from dftspark.inference.multiple_testing import benjamini_hochberg, two_sided_p
from tests.inference.corpora import documents, zipf

Floats = NDArray[np.float64]


def counts_of(clusters: Floats) -> Counts:
    lengths = clusters.sum(axis=1)
    return Counts(
        count=clusters.sum(axis=0),
        squares=(clusters**2).sum(axis=0),
        cross=lengths @ clusters,
        tokens=float(lengths.sum()),
        squared_tokens=float(lengths @ lengths),
        clusters=len(clusters),
    )


def g2(human: Counts, model: Counts) -> Floats:
    """Dunning's log-likelihood ratio, which takes tokens for independent: the foil."""
    pooled = (human.count + model.count + 1e-9) / (human.tokens + model.tokens)
    total = np.zeros(len(pooled))
    for side in (human, model):
        for observed, rate in ((side.count, pooled), (side.tokens - side.count, 1 - pooled)):
            expected = side.tokens * rate
            total += 2 * observed * np.log(np.where(observed > 0, observed / expected, 1))
    return total


def test_z_on_paper() -> None:
    # Human clusters hold the n-gram 1 and 3 times in 10 tokens each, model clusters 4, 4 and 7 of
    # 10: p = 4/20, q = 15/30, pooled 19/50 = .38, residuals c - 3.8: -2.8, -.8 | .2, .2, 3.2.
    # V_h = 2/1 x (7.84 + .64) / 400, V_m = 3/2 x (.04 + .04 + 10.24) / 900.
    human = counts_of(np.array([[1.0, 9.0], [3.0, 7.0]]))
    model = counts_of(np.array([[4.0, 6.0], [4.0, 6.0], [7.0, 3.0]]))
    expected = 0.3 / np.sqrt(2 * 8.48 / 400 + 1.5 * 10.32 / 900)
    np.testing.assert_allclose(rate_z(human, model), [expected, -expected], rtol=1e-12)


def test_z_by_blocks_of_one_cluster_is_z_by_clusters() -> None:
    rng = np.random.default_rng(4)
    sides = [rng.poisson(3.0, (clusters, 50)).astype(np.int64) for clusters in (20, 35)]
    by_cluster = [counts_of(side.astype(np.float64)) for side in sides]
    by_block = [
        replace(counts, squares=0 * counts.squares, by_block=(side.T, side.sum(axis=1)))
        for counts, side in zip(by_cluster, sides, strict=True)
    ]
    np.testing.assert_allclose(rate_z(*by_block), rate_z(*by_cluster), rtol=1e-12)


@pytest.mark.simulation
def test_level_of_z_where_clusters_return() -> None:
    """The same prompts on seven days, one cluster a day: blocks of prompts hold the level."""
    rng = np.random.default_rng(5)
    ngrams, prompts, days, tokens = 3_000, 400, 7, 300
    human = rng.poisson(0.6 * rng.gamma(1, 1, (4 * prompts, ngrams)))
    rates = 0.6 * rng.gamma(1, 1, (prompts, ngrams))
    answers = [rng.poisson(rates) for _ in range(days)]
    block = np.arange(prompts) % 64
    in_block = np.zeros((64, ngrams), np.int64)
    np.add.at(in_block, block, sum(answers[1:], answers[0]))

    def counts(clusters: NDArray[np.int64]) -> Counts:
        total = clusters.sum(axis=0)
        return Counts(
            count=total, squares=(clusters**2).sum(axis=0), cross=tokens * total,
            tokens=float(tokens * len(clusters)), squared_tokens=float(tokens**2 * len(clusters)),
            clusters=len(clusters),
        )  # fmt: skip

    by_day = counts(np.concatenate(answers))
    sizes = np.bincount(block, minlength=64) * days * tokens
    by_block = replace(by_day, by_block=(in_block.T, sizes))
    wrong, right = (
        np.mean(np.abs(rate_z(counts(human), model)) > 1.96) for model in (by_day, by_block)
    )
    assert wrong > 0.12
    # .05 and what 64 blocks add to it, within four standard errors of 3,000 n-grams.
    assert abs(right - 0.052) < 4 * np.sqrt(0.05 * 0.95 / ngrams)


def test_z_is_nan_without_variance() -> None:
    one, same = counts_of(np.array([[2.0, 2.0]])), counts_of(np.array([[1.0, 1.0], [3.0, 3.0]]))
    assert np.isnan(rate_z(one, same)).all()
    assert np.isnan(rate_z(same, same)).all()


def bursty_z(seed: int, n: int, m: int, types: int) -> tuple[Floats, Floats]:
    """z and G2 under equality, of n-grams in at least 20 documents of both sides together."""
    rng, rates = np.random.default_rng(seed), zipf(types)
    human, model = (
        documents(rng, size, rates, concentration=150.0, length=250.0) for size in (n, m)
    )
    common = (human > 0).sum(axis=0) + (model > 0).sum(axis=0) >= 20
    sides = counts_of(human), counts_of(model)
    return rate_z(*sides)[common], g2(*sides)[common]


@pytest.mark.simulation
def test_level_of_z_and_false_discoveries() -> None:
    """A14 on bursty documents of one source: z holds its level, G2 on the same counts does not."""
    runs = [bursty_z(seed, 90, 60, 600) for seed in range(20)]
    z, foil = (np.concatenate(column) for column in zip(*runs, strict=True))
    level = (two_sided_p(z) < 0.05).mean()
    assert len(z) > 3_000
    assert 0.03 <= level <= 0.065
    assert (special.chdtrc(1, foil) < 0.05).mean() > 0.15
    found = [(benjamini_hochberg(two_sided_p(own)) < 0.05).any() for own, _ in runs]
    assert sum(found) <= 1


def test_z_finds_what_is_there_with_the_right_sign() -> None:
    rng, rates = np.random.default_rng(9), zipf(300)
    more = rates.copy()
    more[20:25] *= 3
    human = documents(rng, 120, rates, concentration=150.0, length=250.0)
    model = documents(rng, 80, more / more.sum(), concentration=150.0, length=250.0)
    z = rate_z(counts_of(human), counts_of(model))
    assert (z[20:25] > 4).all()
    assert np.abs(np.delete(z, slice(20, 25))).max() < 5


def test_log_odds_on_paper() -> None:
    # Equal sides of 10,000 tokens; 50 occurrences against none: a = .5, a0 = 200, so the model
    # has log(50.5 / (10200 - 50.5)), the human log(.5 / (10200 - .5)).
    got = shrunken_log_odds(np.array([0.0]), np.array([50.0]), 1e4, 1e4)
    expected = np.log(50.5 / 10149.5) - np.log(0.5 / 10199.5)
    np.testing.assert_allclose(got, [expected], rtol=1e-12)
    assert got[0] == pytest.approx(np.log(101), abs=0.01)


def test_log_odds_of_unequal_sides() -> None:
    human, model = np.array([30.0, 6.0, 0.0]), np.array([10.0, 6.0, 0.0])
    got = shrunken_log_odds(human, model, 3e4, 1e4)
    assert got[0] == pytest.approx(0, abs=1e-12)  # the same rate, whatever the sizes
    assert 0 < got[1] < np.log(3)  # three times the rate, shrunk
    assert np.isnan(got[2])
    swapped = shrunken_log_odds(model, human, 1e4, 3e4)
    np.testing.assert_allclose(swapped[:2], -got[:2], atol=1e-12)


def test_log_odds_of_all_there_is_are_not_known() -> None:
    """Rounding of what is left of the tokens, nothing, is no odds."""
    for human, model in ((120.0, 80.0), (80.0, 40.0), (1e9, 3e8)):
        assert np.isnan(shrunken_log_odds(np.array([human]), np.array([model]), human, model))
    (only_model,) = shrunken_log_odds(np.array([80.0]), np.array([40.0]), 160.0, 40.0)
    assert 2 < only_model < 7


def test_contributions_sum_to_l2_squared_and_point_to_the_side_with_more() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(signed_contributions(p, q), [-0.09, 0, 0.09], atol=1e-15)


def test_document_ratio() -> None:
    # Half a document more everywhere: (10.5 / 20.5) / (.5 / 40.5).
    got = document_ratio(np.array([0.0, 40.0]), np.array([10.0, 20.0]), 40, 20)
    np.testing.assert_allclose(got, [10.5 / 20.5 * 81, 1.0], rtol=1e-14)
    assert np.isnan(document_ratio(np.array([0.0]), np.array([1.0]), 0, 5)).all()
