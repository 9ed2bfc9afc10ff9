"""The laws for region sums, and the parts of MMD squared that they give (A12)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference import blocks as groups
from dftspark.inference.gram import between_blocks, gram
from dftspark.lenses.embeddings import witness
from dftspark.lenses.embeddings.distance_regions import region_parts
from dftspark.lenses.embeddings.region_sums import SCORE_ONE, RegionSums, no_regions, region_sums
from dftspark.testing import laws
from tests.clouds import block_sums, features, frequencies

Floats = NDArray[np.float64]


Integers = NDArray[np.int64]


def draw(rng: np.random.Generator, n: int) -> tuple[Integers, Integers, Floats]:
    return rng.integers(0, 64, n), rng.integers(0, 5, n), rng.uniform(-2, 2, n)


def test_merging_is_exact_in_any_order() -> None:
    rng = np.random.default_rng(1)
    blocks, regions, scores = draw(rng, 300)
    whole = region_sums(blocks, regions, scores, 5)
    order = rng.permutation(300)
    parts = [region_sums(blocks[p], regions[p], scores[p], 5) for p in np.split(order, [0, 7, 200])]
    laws.same(parts[3] + (parts[1] + (parts[2] + parts[0])), whole)
    laws.same(whole + no_regions(5), whole)
    laws.files_never_matter(whole)
    assert whole.count.sum() == 300
    error = np.abs(whole.score.sum(0) / SCORE_ONE - np.bincount(regions, scores, 5))
    assert (error <= np.bincount(regions, minlength=5) / SCORE_ONE / 2 + 1e-12).all()


def test_the_largest_scores_fit() -> None:
    """2**24 - 1 documents of score 8 in one cell do not overflow."""
    one = region_sums(np.zeros(1, int), np.zeros(1, int), np.array([8.0]), 1)
    assert int(one.score.max()) * (2**24 - 1) < 2**63 <= int(one.score.max()) * 2**24


@pytest.mark.parametrize(
    ("blocks", "regions", "scores", "words"),
    [
        ([0, 1], [0], [0.0], "2 blocks, 1 regions"),
        ([0], [0], [np.nan], "1 of 1 witness scores are nan"),
        ([0], [0], [9.0], "beyond 8"),
        ([64], [0], [0.0], "block numbers run from 64"),
        ([0], [5], [0.0], "region numbers run from 5"),
    ],
)
def test_bad_input_is_named(
    blocks: list[int], regions: list[int], scores: list[float], words: str
) -> None:
    with pytest.raises(ShapeError, match=words):
        region_sums(np.array(blocks), np.array(regions), np.array(scores), 5)


@pytest.mark.parametrize("paired", [False, True])
def test_parts_sum_to_mmd_squared(paired: bool) -> None:
    """A12, from exact scores to 1e-12 and from the state to the unit it counts in."""
    rng = np.random.default_rng(2)
    omega = frequencies(rng, 3, 32, 3.0)
    human, model = rng.standard_normal((400, 3)), rng.standard_normal((250, 3)) * 1.3 + 0.2
    h, m = features(human, omega), features(model, omega)
    own = rng.integers(0, 64, 400), rng.integers(0, 64, 250)
    sums = block_sums(h, own[0]), block_sums(m, own[1])
    sizes = [block_sums(np.ones(len(b)), b) for b in own]
    expected = between_blocks(gram(*sums, *sizes), *groups.sides(64), paired=paired)[0]
    form = witness.without_block_difference if paired else witness.without_block
    found = form(*sums, *sizes, center=(h.mean(0) + m.mean(0)) / 2)
    cells = [(points[:, 0] > 0) * 2 + (points[:, 1] > 1.5) for points in (human, model)]
    scores = [found.score(phi, side, own[side]) for side, phi in enumerate((h, m))]
    columns: list[Floats] = []
    for c, s in zip(cells, scores, strict=True):
        columns += [block_sums(weights, c, 4) for weights in (np.ones(len(c)), s)]
    parts = region_parts(*columns)
    assert parts.total.sum() == pytest.approx(expected, abs=1e-12)
    assert parts.share_human.sum() == pytest.approx(1) == parts.share_model.sum()
    states = [region_sums(b, c, s, 4) for b, c, s in zip(own, cells, scores, strict=True)]
    stored = region_parts(*[a for state in states for a in totals(state)])
    assert stored.total.sum() == pytest.approx(expected, abs=1 / SCORE_ONE)


def totals(state: RegionSums) -> tuple[Floats, Floats]:
    return state.count.sum(0).astype(float), state.score.sum(0) / SCORE_ONE


def test_parts_on_paper() -> None:
    # Human: 3 in region 0 with scores -.1 each, 1 in region 1 with .2; model: 1 and 3, with .1 and
    # .3 each. Shares .75 .25 | .25 .75; f0 = ((-.1/4) + (1.0/4)) / 2 = .1125.
    parts = region_parts(
        np.array([3.0, 1]), np.array([-0.3, 0.2]), np.array([1.0, 3]), np.array([0.1, 0.9])
    )
    np.testing.assert_allclose(parts.mass, [-0.5 * (0.0 - 0.1125), 0.5 * (0.25 - 0.1125)])
    np.testing.assert_allclose(parts.within, [0.5 * 0.2, 0.5 * 0.1])
    assert parts.total.sum() == pytest.approx(0.25 + 0.025)


def test_a_region_of_one_side_is_all_mass() -> None:
    parts = region_parts(
        np.array([2.0, 2, 0]),
        np.array([-0.2, 0.2, 0]),
        np.array([0.0, 4, 0]),
        np.array([0, 2.0, 0]),
    )
    assert parts.within[0] == 0 == parts.within[2] == parts.mass[2]
    assert parts.total.sum() == pytest.approx(0.5 - 0.0)
