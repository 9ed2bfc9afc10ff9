"""The witness is the exact gradient of the squared distance; frozen, it is a fixed function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from dftspark.choose.features import Features
from dftspark.config import Tokens
from dftspark.errors import ShapeError
from dftspark.text.tokens import Words
from dftspark.tuning.reward import BankedReward, WitnessReward, leave_one_out
from tests.tuning import made
from tests.tuning.language_model import EnumerableModel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
N = 4  # samples of a step
FEATURES = Features(
    tokens=Tokens(), orders=(1, 2, 3), matched=(1, 2, 3), buckets=256, structure=False
)


def near_the_optimum(seed: int) -> tuple[EnumerableModel, Floats, Floats]:
    """A model, the features of its strings, and the mean of another at a squared MMD of .0107."""
    rng = np.random.default_rng(seed)
    logits, step = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    model = EnumerableModel(logits)
    texts = [" ".join("abc"[token] for token in string) for string in model.strings]
    phi = FEATURES.of(pa.array(texts), None).astype(np.float64)
    phi = phi @ np.linalg.svd(phi, full_matrices=False)[2].T  # the same kernel, in fewer columns
    mean = model.probabilities @ phi
    low, high = 0.0, 3.0
    for _ in range(60):
        size = (low + high) / 2
        other = EnumerableModel(logits + size * step).probabilities @ phi
        low, high = (size, high) if ((mean - other) ** 2).sum() < 0.0107 else (low, size)
    return model, phi, EnumerableModel(logits + low * step).probabilities @ phi


def gradient(model: EnumerableModel, rewards: Floats) -> Floats:
    return np.asarray((model.probabilities * rewards) @ model.gradients)


def expected(
    model: EnumerableModel, weights: list[Floats], sets: tuple[Integers, Floats]
) -> Floats:
    """The mean over all sets of N samples of weights times grad log q: no sampling error."""
    rows, chances = sets
    steps = np.einsum("sn,snp->sp", np.array(weights), model.gradients[rows]) / N
    return np.asarray(chances @ steps)


def test_leave_one_out_is_unbiased_and_the_mean_of_the_other_rewards_is_not() -> None:
    model, phi, target = near_the_optimum(3)
    mean = model.probabilities @ phi
    exact = 2 * gradient(model, phi @ (mean - target))
    repulsion = 2 * gradient(model, phi @ mean)
    size = np.linalg.norm(exact)
    sets = model.samples(N)
    kernel, aligned = phi @ phi.T, phi @ target

    def naive(row: NDArray[np.int64]) -> Floats:
        pairs = kernel[np.ix_(row, row)]
        rewards = 2 * ((pairs.sum(axis=1) - np.diag(pairs)) / (N - 1) - aligned[row])
        return np.asarray(rewards - (rewards.sum() - rewards) / (N - 1))

    ours = expected(model, [leave_one_out(phi[row], target) for row in sets[0]], sets)
    assert np.linalg.norm(ours - exact) < 1e-9 * size
    theirs = expected(model, [naive(row) for row in sets[0]], sets)
    # It loses 1 / (n - 1) of the repulsion, which near the optimum is as large as the gradient.
    assert np.allclose(theirs - exact, -repulsion / (N - 1), atol=1e-9 * size)
    assert 0.75 < np.linalg.norm(theirs - exact) / size < 1.1


def test_a_frozen_witness_allows_the_mean_of_its_group_as_a_baseline() -> None:
    model, phi, target = near_the_optimum(0)
    witness = phi @ (target - model.probabilities @ phi)
    sets = model.samples(N)
    weights = [witness[row] - witness[row].mean() for row in sets[0]]
    wanted = (N - 1) / N * gradient(model, witness)
    assert np.allclose(expected(model, weights, sets), wanted, atol=1e-12)


def test_leave_one_out_wants_three_samples() -> None:
    with pytest.raises(ShapeError, match="three samples"):
        leave_one_out(np.zeros((2, 5)), np.zeros(5))


@pytest.fixture
def sides() -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(0)
    tilted = np.arange(1, len(made.WORDS) + 1) / np.arange(1, len(made.WORDS) + 1).sum()
    return made.texts(rng, 60), made.texts(rng, 50, tilted)


def test_a_score_is_minus_the_derivative_of_the_squared_distance(
    sides: tuple[list[str], list[str]],
) -> None:
    target = replace(made.target(*sides), factor=np.linspace(0, 2, made.target(*sides).human.size))
    reward = WitnessReward(target)

    def distance(mean: Floats) -> float:
        return float(((target.factor * (mean - target.human)) ** 2).sum())

    for text, score in zip(sides[1][:5], reward.score(sides[1][:5]), strict=True):
        (phi,) = reward.features([text])
        step = 1e-4
        ahead, behind = (target.model + by * (phi - target.model) for by in (step, -step))
        slope = (distance(ahead) - distance(behind)) / (2 * step)
        assert score == pytest.approx(-slope, rel=1e-4)


def test_means_of_scores_are_zero_and_twice_the_squared_distance(
    sides: tuple[list[str], list[str]],
) -> None:
    target = made.target(*sides)
    scaled = replace(target, factor=3 * target.factor)
    gap = float(((target.human - target.model) ** 2).sum())
    for factor, of in ((1, target), (9, scaled)):
        reward = WitnessReward(of)
        size = factor * gap
        assert reward.score(sides[1]).mean() == pytest.approx(0, abs=1e-4 * size)
        assert reward.score(sides[0]).mean() == pytest.approx(2 * size, rel=1e-4)
    assert WitnessReward(target).score([]).shape == (0,)


def test_rewards_of_tokens_sum_to_the_score(sides: tuple[list[str], list[str]]) -> None:
    reward = WitnessReward(made.target(*sides))
    texts = [*sides[0][:6], "", "a", "São\u200b Paulo\r\nred green red green"]
    ends = [[*range(3, len(text), 4), len(text)] for text in texts]
    dense = reward.per_token(texts, ends)
    scores = reward.score(texts)
    scale = float(np.abs(scores).max())
    for rewards, score, places in zip(dense, scores, ends, strict=True):
        assert rewards.shape == (len(places),)
        assert rewards.sum() == pytest.approx(score, abs=1e-5 * scale)
    assert np.count_nonzero(dense[0]) > len(ends[0]) / 3  # not all at the end
    with pytest.raises(ShapeError, match="ascending"):
        reward.per_token(["red green"], [[9, 3]])


def test_rewards_to_go_give_the_gradient_of_texts_of_any_length() -> None:
    """The third token ends a text, so lengths are the model's choice as well."""
    model = EnumerableModel(np.random.default_rng(5).standard_normal((4, 3)), length=4)
    texts, ends = [], []
    for string in model.strings.tolist():
        words = ["red", "green"]
        kept = string[: string.index(2)] if 2 in string else string
        text = " ".join(words[token] for token in kept)
        places = np.cumsum([len(words[token]) + (i > 0) for i, token in enumerate(kept)]).tolist()
        texts.append(text)
        ends.append(places + [len(text)] * (4 - len(kept)))
    target = made.target(["red green red", "green", "green green red green"], ["red red", "red"])
    assert any(Words().tokenize(pa.array(texts)).offsets)
    reward = WitnessReward(target)
    dense = np.array(reward.per_token(texts, ends), np.float64)
    to_go = np.flip(np.cumsum(np.flip(dense, axis=1), axis=1), axis=1)
    chances = model.probabilities
    got = np.einsum("s,st,stp->p", chances, to_go, model.step_gradients)
    wanted = gradient(model, reward.score(texts).astype(np.float64))
    assert np.abs(got - wanted).max() < 1e-5 * np.abs(wanted).max()
    # Shares of the whole length know what is not written yet, and give another gradient.
    even = np.repeat(dense.sum(axis=1, keepdims=True) / 4, 4, axis=1)
    to_go = np.flip(np.cumsum(np.flip(even, axis=1), axis=1), axis=1)
    other = np.einsum("s,st,stp->p", chances, to_go, model.step_gradients)
    assert np.abs(other - wanted).max() > 0.05 * np.abs(wanted).max()


def test_the_bank_takes_in_a_step_after_it_has_scored_it(
    sides: tuple[list[str], list[str]],
) -> None:
    target = made.target(*sides)
    bank, frozen = BankedReward(target), WitnessReward(target)
    first = bank.score(sides[0])
    assert first == pytest.approx(frozen.score(sides[0]))
    assert bank.score(sides[0]) == pytest.approx(first)  # nothing is committed yet
    before = bank.gap
    bank.commit()
    assert bank.gap == pytest.approx(0.9**2 * before)  # human texts brought it a tenth nearer
    after = bank.score(sides[1])
    bank.drop()
    mean = bank.mean
    bank.commit()
    assert (bank.mean == mean).all()
    assert np.std(after) < np.std(frozen.score(sides[1]))
