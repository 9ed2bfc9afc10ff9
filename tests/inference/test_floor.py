"""Document ratios between halves of the human documents."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dftspark.inference.floor import document_ratio_floor


def test_is_the_largest_ratio_over_all_halves() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(5, 20, 8).astype(float)
    documents = np.stack([rng.binomial(sizes.astype(int), share) for share in (0.9, 0.3, 0.02)], 1)
    largest = np.ones(3)
    for half in itertools.combinations(range(8), 4):
        other = [j for j in range(8) if j not in half]
        share = [
            (documents[list(side)].sum(axis=0) + 0.5) / (sizes[list(side)].sum() + 0.5)
            for side in (half, other)
        ]
        largest = np.maximum(largest, share[0] / share[1])
    got = document_ratio_floor(
        documents.astype(np.float64), sizes, splits=2000, seed=2
    )  # of 35 pairs of halves
    np.testing.assert_allclose(got, largest, rtol=1e-12)
    assert got[2] > got[0] > 1


def test_few_blocks_have_no_floor() -> None:
    assert np.isnan(document_ratio_floor(np.ones((4, 2)), np.ones(4), splits=20, seed=1)).all()


def test_more_documents_lower_the_floor() -> None:
    rng = np.random.default_rng(3)
    few, many = rng.binomial(10, 0.2, (64, 1)), rng.binomial(1_000, 0.2, (64, 1))
    floors = [
        float(document_ratio_floor(d.astype(np.float64), np.full(64, n), splits=100, seed=4)[0])
        for d, n in ((few, 10.0), (many, 1_000.0))
    ]
    assert floors[1] - 1 == pytest.approx((floors[0] - 1) / 10, rel=0.5)  # as 1 / sqrt n


def test_one_split_shows_a_token_that_is_rarer_in_the_first_half_too() -> None:
    documents, sizes = np.array([[40.0], *[[0.0]] * 7]), np.full(8, 50.0)
    for seed in range(8):  # the block that has it falls in either half
        got = document_ratio_floor(documents, sizes, splits=1, seed=seed)
        assert got[0] == pytest.approx(81)
