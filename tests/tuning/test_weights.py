"""Weights of own samples, and what a scale is judged by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dftspark.errors import ConfigError, InputError
from dftspark.tuning import weights
from dftspark.tuning.validation import ScaleOutcome, best, distance, tripped

STARTS = np.array([0, 4, 6, 9])


def apart(weight: np.ndarray) -> float:
    """KL of each prompt's shares from equal ones, in a loop."""
    found = []
    for first, last in pairwise(STARTS.tolist()):
        shares = weight[first:last] / weight[first:last].sum()
        found.append(sum(p * np.log(p * (last - first)) for p in shares if p))
    return float(np.mean(found))


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e6])
@pytest.mark.parametrize("budget", [1e-3, 0.1, 0.5])
def test_a_tilt_spends_its_budget(size: float, budget: float) -> None:
    rewards = np.random.default_rng(1).normal(size=9) * size
    found = weights.tilted(rewards, STARTS, budget)
    assert apart(found) == pytest.approx(budget, rel=1e-6)
    assert np.add.reduceat(found, STARTS[:-1]) == pytest.approx([4, 2, 3])
    # Within a prompt, the logarithm is a line in the reward, of one slope for all.
    slopes = [
        np.polyfit(rewards[a:b] / size, np.log(found[a:b]), 1)[0] for a, b in ((0, 4), (6, 9))
    ]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-5)
    assert slopes[0] > 0


def test_a_budget_beyond_the_best_of_each_prompt_is_refused() -> None:
    rewards = np.arange(9.0)
    most = np.log([4, 2, 3]).mean()
    assert apart(weights.tilted(rewards, STARTS, 0.99 * most)) == pytest.approx(0.99 * most)
    with pytest.raises(ConfigError, match=f"which is {most:.3f} nats a text"):
        weights.tilted(rewards, STARTS, float(most))


def test_equal_rewards_and_equal_texts_are_refused() -> None:
    with pytest.raises(InputError, match="all weights would be equal"):
        weights.tilted(np.repeat([1.0, 2.0, 3.0], [4, 2, 3]), STARTS, 0.1)
    with pytest.raises(InputError, match="the same text"):
        weights.check_unlike([*"aaaabbccc"], STARTS)
    weights.check_unlike([*"aaaabbccd"], STARTS)


def test_a_choice_is_the_best_of_all() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(9, 3)).astype(np.float32)
    found = weights.chosen(features, STARTS)
    assert np.add.reduceat(found, STARTS[:-1]).tolist() == [1, 1, 1]
    sums = [
        np.square(features[[i, j, k]].sum(axis=0)).sum()
        for i in range(4)
        for j in range(4, 6)
        for k in range(6, 9)
    ]
    assert np.square(found @ features).sum() == pytest.approx(min(sums), rel=0.5)


def test_the_distance_has_no_bias() -> None:
    rng = np.random.default_rng(3)
    human, factor = np.array([1.0, 0.0]), np.array([1.0, 2.0])
    found = [distance(rng.normal(size=(8, 2)), human, factor) for _ in range(4_000)]
    # Its standard error, from the draws themselves; without the correction it would be 1.6.
    assert np.mean(found) == pytest.approx(1.0, abs=4 * np.std(found) / 4_000**0.5)


def outcome(scale: float, distance: float, words: float = 100.0, cut: float = 0.0) -> ScaleOutcome:
    return ScaleOutcome(scale, distance, words, cut, 50)


def test_of_equal_scales_the_smaller_wins() -> None:
    assert best([outcome(0, 0.5), outcome(0.25, 0.4), outcome(1, 0.4)]).scale == 0.25
    assert best([outcome(0, 0.4), outcome(0.25, 0.4)]).scale == 0


def test_lengths_and_cut_texts_trip_the_guard() -> None:
    before = outcome(0, 0.5)
    assert not tripped(outcome(1, 0.1, 140), before, 100, cut=False)
    assert "have 160 words" in tripped(outcome(1, 0.1, 160), before, 100, cut=False)
    assert "have 60 words" in tripped(outcome(1, 0.1, 60), before, 100, cut=False)
    # A model that was farther off before has come nearer.
    assert not tripped(outcome(1, 0.1, 160), outcome(0, 0.5, 300), 100, cut=False)
    assert "max_tokens cuts 20.0%" in tripped(outcome(1, 0.1, cut=0.2), before, 100, cut=False)
    assert not tripped(outcome(1, 0.1, cut=0.2), before, 100, cut=True)
    assert not tripped(outcome(1, 0.1, cut=0.2), outcome(0, 0.5, cut=0.1), 100, cut=False)
