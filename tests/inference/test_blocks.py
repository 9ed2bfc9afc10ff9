"""How blocks merge and how they are relabeled."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import ShapeError
from dftspark.inference import blocks


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [(0, 0), (15, 0), (16, 8), (31, 8), (32, 16), (79, 32), (127, 32), (128, 64), (10**9, 64)],
)
def test_adapt(clusters: int, expected: int) -> None:
    assert blocks.adapt(clusters) == expected


def test_coarsen_adds_block_j_into_j_mod_s() -> None:
    sums = np.arange(24.0).reshape(8, 3)
    np.testing.assert_array_equal(blocks.coarsen(sums, 2), [sums[::2].sum(0), sums[1::2].sum(0)])
    np.testing.assert_array_equal(blocks.coarsen(sums, 8), sums)
    np.testing.assert_array_equal(blocks.coarsen(np.arange(8), 4), [4, 6, 8, 10])
    assert blocks.coarsen(sums, 0).shape == (0, 3)
    with pytest.raises(ShapeError, match="give a divisor"):
        blocks.coarsen(sums, 3)


def test_coarsening_and_adding_commute() -> None:
    """A1: states of any cut of the corpus, merged in any order, give the same blocks."""
    rng = np.random.default_rng(1)
    parts = rng.random((5, 64, 40))
    whole = blocks.coarsen(parts.sum(axis=0), 16)
    again = sum(blocks.coarsen(parts[i], 16) for i in rng.permutation(5))
    np.testing.assert_allclose(again, whole, rtol=1e-10)
    twice = blocks.coarsen(blocks.coarsen(parts.sum(axis=0), 32), 16)
    np.testing.assert_allclose(twice, whole, rtol=1e-10)


def test_coarsen_adds_float32_in_float64() -> None:
    """A17: float32 features are summed in float64; sums in float32 are off by far more."""
    rows = np.random.default_rng(2).random((200_000 // 64 * 64, 4)).astype(np.float32)
    exact = blocks.coarsen(rows.astype(np.float64), 64)
    np.testing.assert_allclose(blocks.coarsen(rows, 64), exact, rtol=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_relabelings(paired: bool) -> None:
    first, second = blocks.relabelings(8, 500, np.random.default_rng(3), paired=paired)
    assert first.shape == (500, 16)
    np.testing.assert_array_equal(first + second, 1)
    np.testing.assert_array_equal(first.sum(axis=1), 8)
    exchanged = first[:, :8] + first[:, 8:] == 1
    assert exchanged.all() == paired
    assert np.unique(first[:, :8].sum(axis=1)).size > 4  # any number of human blocks


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(("share", "human"), [(0.5, 4), (0.23, 2), (0.01, 1), (0.77, 6)])
def test_balanced_groups_take_the_same_share_of_both_sides(
    share: float, human: int, paired: bool
) -> None:
    rng = np.random.default_rng(4)
    first, second = blocks.balanced(8, share, 300, rng, paired=paired)
    np.testing.assert_array_equal(first + second, 1)
    np.testing.assert_array_equal(first[:, :8].sum(axis=1), human)
    np.testing.assert_array_equal(first[:, 8:].sum(axis=1), human)
    smaller = first if share <= 0.5 else second
    both_sides = smaller[:, :8] * smaller[:, 8:]
    assert both_sides.any() != paired


def test_sides_halves_and_all_but_one() -> None:
    human, model = blocks.sides(3)
    np.testing.assert_array_equal(human, [[1, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(model, [[0, 0, 0, 1, 1, 1]])
    human, model = blocks.all_but_one(3)
    np.testing.assert_array_equal(human[1], [1, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(model[1], [0, 0, 0, 1, 0, 1])
    one, other = blocks.human_halves(6, 50, np.random.default_rng(5))
    np.testing.assert_array_equal(one[:, :6] + other[:, :6], 1)
    np.testing.assert_array_equal(one[:, :6].sum(axis=1), 3)
    assert not one[:, 6:].any()
    assert not other[:, 6:].any()
