"""The classifier two-sample test: golden values, level, and copies on both sides of a cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from dftspark.errors import ShapeError
from dftspark.lenses.embeddings.distance_c2st import Classified, classify, cross_fitted, logistic
from tests.clouds import BLOCKS, Floats

Integers = NDArray[np.int64]


def tried(human: Floats, model: Floats, own: Integers, other: Integers) -> Classified:
    labels = np.r_[np.zeros(len(human), bool), np.ones(len(model), bool)]
    return classify(np.r_[human, model], labels, np.r_[own, other])


def test_golden_values() -> None:
    """N(0, I) and N(mu, I), |mu| = 1, d = 20: accuracy Phi(.5), area Phi(1 / sqrt 2).

    A fit on 7,000 documents loses less than .003 of either.
    """
    rng = np.random.default_rng(1)
    human, model = rng.standard_normal((4_000, 20)), rng.standard_normal((5_000, 20))
    model[:, 3] += 1
    found = tried(human, model, rng.integers(0, BLOCKS, 4_000), rng.integers(0, BLOCKS, 5_000))
    golden = {"accuracy": special.ndtr(0.5), "area": special.ndtr(1 / np.sqrt(2))}
    assert golden["accuracy"] == pytest.approx(0.6915, abs=1e-4)
    assert golden["area"] == pytest.approx(0.7602, abs=1e-4)
    for share, truth in ((found.accuracy, golden["accuracy"]), (found.area, golden["area"])):
        assert abs(share.value - truth) < 4 * share.std_error + 0.003
        assert share.low < truth < share.high
        assert share.std_error < 0.01
    # 2 Phi(|mu| / 2) - 1 is the total variation itself: the best rule is linear.
    assert found.variation == pytest.approx(0.383, abs=0.03)
    assert found.p_value < 1e-20


def test_fit_is_the_ridge_optimum() -> None:
    """At the optimum no coordinate's gradient is left: checked from the definition."""
    rng = np.random.default_rng(2)
    points, labels = 3 + 0.1 * rng.standard_normal((90, 4)), np.arange(90) % 3 == 0
    points[labels] += 0.1
    weights, intercept = logistic(points, labels)
    chance = 1 / (1 + np.exp(-(points @ weights + intercept)))
    size = np.where(labels, 0.5 / 30, 0.5 / 60) * 90
    spread = points.var(axis=0).sum()
    gradient = (size * (chance - labels)) @ (points - points.mean(axis=0)) / np.sqrt(spread)
    np.testing.assert_allclose(gradient, -weights * np.sqrt(spread) / 4, atol=2e-3)
    assert (size * (chance - labels)).sum() == pytest.approx(0, abs=2e-3)


def test_scores_come_from_other_blocks() -> None:
    rng = np.random.default_rng(3)
    points, labels = rng.standard_normal((300, 5)), rng.random(300) < 0.4
    blocks = rng.integers(0, BLOCKS, 300)
    scores, fold = cross_fitted(points, labels, blocks, 8)
    changed = points.copy()
    changed[fold == 2] = 100 * rng.standard_normal((int((fold == 2).sum()), 5))
    again, _ = cross_fitted(changed, labels, blocks, 8)
    weights = np.linalg.lstsq(np.c_[points, np.ones(300)][fold == 2], scores[fold == 2])[0]
    refit = changed[fold == 2] @ weights[:5] + weights[5]
    np.testing.assert_allclose(again[fold == 2], refit, rtol=1e-6)
    assert (again[fold != 2] != scores[fold != 2]).all()


def draw(rng: np.random.Generator, kind: str) -> Classified:
    """One source, 200 human and 300 model points; copies are 5 of each."""
    human, model = rng.standard_normal((200, 10)), rng.standard_normal((300, 10))
    own, other = rng.integers(0, BLOCKS, 200), rng.integers(0, BLOCKS, 300)
    if kind == "prompts":
        model[:200] = human + 0.7 * rng.standard_normal((200, 10))
        human = human + 0.7 * rng.standard_normal((200, 10))
        return tried(human, model[:200], own, own)
    if kind.startswith("copies"):
        human, model = (np.repeat(x[: len(x) // 5], 5, axis=0) for x in (human, model))
        own, other = np.repeat(own[:40], 5), np.repeat(other[:60], 5)
        if kind == "copies cut apart":
            own, other = (rng.integers(0, BLOCKS, len(b)) for b in (own, other))
    return tried(human, model, own, other)


def level(kind: str, runs: int) -> tuple[float, float]:
    """Share of p below .05, and of intervals of the area that hold .5."""
    rng = np.random.default_rng(4)
    found = [draw(rng, kind) for _ in range(runs)]
    covered = np.mean([c.area.low <= 0.5 <= c.area.high for c in found])
    return float(np.mean([c.p_value < 0.05 for c in found])), float(covered)


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["alone", "copies"])
def test_level(kind: str) -> None:
    runs = 25
    rejected, covered = level(kind, runs)
    assert rejected <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)
    assert covered >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)


def test_copies_on_both_sides_of_the_cut_are_told_apart() -> None:
    """The foil: cut by document, one source is found to be two."""
    rejected, _ = level("copies cut apart", 8)
    assert rejected > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["alone", "copies", "prompts"])
def test_level_in_500_runs(kind: str) -> None:
    rejected, covered = level(kind, 500)
    print(f"{kind}: {rejected:.3f} of p below .05, {covered:.3f} of intervals of the area hold .5")
    assert rejected <= 0.07
    assert covered >= 0.92


def test_unlike_sizes_leave_accuracy_at_a_half() -> None:
    """Ten to one: calling everything human would be right in .91 of cases and is worth .5."""
    rng = np.random.default_rng(5)
    human, model = rng.standard_normal((2_000, 4)), rng.standard_normal((200, 4))
    found = tried(human, model, rng.integers(0, BLOCKS, 2_000), rng.integers(0, BLOCKS, 200))
    assert found.accuracy.low < 0.5 < found.accuracy.high


def test_too_few_blocks_and_shapes() -> None:
    rng = np.random.default_rng(6)
    points, blocks = rng.standard_normal((60, 2)), rng.integers(0, 9, 60)
    found = classify(points, np.arange(60) % 2 == 0, blocks)
    assert np.isnan([found.accuracy.value, found.area.low, found.p_value]).all()
    same = classify(np.zeros((640, 2)), np.arange(640) % 2 == 0, np.arange(640) // 10)
    assert [same.accuracy.value, same.area.value] == pytest.approx([0.5, 0.5])
    with pytest.raises(ShapeError, match="one for each of 3 labels"):
        classify(points, np.zeros(3, bool), blocks)
