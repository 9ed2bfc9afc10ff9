"""Halves of the blocks: the same for everyone, and what `parts` makes of them."""

from __future__ import annotations

import numpy as np

from dftspark.inference.halves import Splits, both_sides, halves, parts


def test_halves_are_halves_and_hang_on_the_seed_alone() -> None:
    first = halves(Splits(20, seed=3))
    assert first.shape == (20, 2, 64)
    assert (first.sum(axis=1) == 1).all()
    assert (first.sum(axis=2) == 32).all()
    assert (first == halves(Splits(20, seed=3))).all()
    assert (first != halves(Splits(20, seed=4))).any()
    assert len(np.unique(first[:, 0], axis=0)) == 20


def test_parts_of_a_mean() -> None:
    by_block = np.random.default_rng(0).standard_normal((2, 64))
    both = by_block.ravel()

    def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.asarray(second @ both / second.sum(axis=1) - first @ both / first.sum(axis=1))

    splits = Splits(7, seed=1)
    found = parts(difference, splits)
    assert found is not None
    own = by_block[1] - by_block[0]
    np.testing.assert_allclose(found.left_out, (own.sum() - own) / 63)
    np.testing.assert_allclose(found.halves, halves(splits) @ own / 32)
    given = parts(difference, splits, left_out=own)
    assert given is not None
    assert given.left_out is own
    assert parts(difference, Splits()) is None


def test_both_sides_have_the_same_blocks() -> None:
    human, model = both_sides(np.eye(64)[:3])
    assert human.shape == model.shape == (3, 128)
    assert (human[:, :64] == model[:, 64:]).all()
    assert not human[:, 64:].any()
    assert not model[:, :64].any()
