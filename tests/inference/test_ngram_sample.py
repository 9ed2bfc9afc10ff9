"""The sample of n-grams: how many, what they weigh, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.inference.ngram_sample import in_sample, rate_scale, sample_weights
from dftspark.lenses.ngrams.distance_total_variation import total_variation
from tests.inference.corpora import tilted, zipf

TARGET = 400


def test_frequent_ngrams_are_certain_and_the_expected_size_is_below_the_target() -> None:
    rates, rng = zipf(20_000), np.random.default_rng(1)
    chance = np.minimum(1, TARGET * rates)
    sizes = []
    for _ in range(50):
        chosen = in_sample(rates, rng.random(20_000), TARGET)
        assert chosen[rates >= 1 / TARGET].all()
        sizes.append(chosen.sum())
    spread = np.sqrt((chance * (1 - chance)).sum() / 50)
    assert np.mean(sizes) == pytest.approx(chance.sum(), abs=4 * spread)
    assert np.mean(sizes) < TARGET


def test_in_sample_sees_one_ngram_at_a_time() -> None:
    rates, uniform = zipf(3_000), np.random.default_rng(2).random(3_000)
    whole = in_sample(rates, uniform, TARGET)
    parts = [in_sample(r, u, TARGET) for r, u in zip(rates[:, None], uniform[:, None], strict=True)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_weighted_distance_is_that_of_all_ngrams() -> None:
    """Mean within 4 standard errors, and a divergence of 1 stays 1 in every sample."""
    p, q = zipf(20_000), tilted(zipf(20_000), 0.8)
    mean, rng = (p + q) / 2, np.random.default_rng(3)
    estimates = []
    for _ in range(100):
        chosen = in_sample(mean, rng.random(20_000), TARGET)
        weights = sample_weights(mean[chosen], TARGET)
        assert weights @ mean[chosen] == pytest.approx(1, rel=1e-12)
        estimates.append(float(total_variation(p[chosen], q[chosen], weights)))
    error = np.std(estimates) / np.sqrt(100)
    assert np.mean(estimates) == pytest.approx(float(total_variation(p, q)), abs=4 * error)
    # Horvitz-Thompson without the scaling would have 1/sqrt(400) of sample size on top.
    assert np.std(estimates) < 0.6 * float(total_variation(p, q)) / np.sqrt(TARGET)
    apart = np.where(np.arange(20_000) % 2, p, 0), np.where(np.arange(20_000) % 2, 0, p)
    apart = apart[0] / apart[0].sum(), apart[1] / apart[1].sum()
    mean = (apart[0] + apart[1]) / 2
    chosen = in_sample(mean, rng.random(20_000), TARGET)
    weights = sample_weights(mean[chosen], TARGET)
    assert total_variation(apart[0][chosen], apart[1][chosen], weights) == pytest.approx(1)


def test_everything_is_in_where_there_is_little() -> None:
    rates = zipf(20)
    assert in_sample(rates, np.full(20, 0.999), TARGET).all()
    np.testing.assert_array_equal(sample_weights(rates, TARGET), 1)


def test_rate_scale_pools_tokens_not_rates() -> None:
    human, model = np.array([[4.0, 0.0], [4.0, 0.0]]), np.array([[1.0, 0.0], [7.0, 0.0]])
    sizes, other = np.array([10.0, 10.0]), np.array([500.0, 480.0])
    got = rate_scale(human, model, sizes, other, np.array([9.0, 2.0]))
    np.testing.assert_allclose(got, [3 * (16 / 1000) ** -0.25, 0], rtol=1e-14)
