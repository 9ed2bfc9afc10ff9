"""L2: values on paper, brute force over pairs, mean zero where sources agree (A1, A2, A13)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.lenses.ngrams.distance_l2 import (
    DocumentSums,
    TokenSums,
    document_noise,
    l2,
    l2_squared_corrected,
    term,
    token_noise,
)
from dftspark.testing import oracles
from tests.inference.corpora import documents, zipf

Floats = NDArray[np.float64]


def token_sums(counts: Floats, cluster: NDArray[np.int64]) -> TokenSums:
    totals = np.zeros((cluster.max() + 1, counts.shape[1]))
    np.add.at(totals, cluster, counts)
    lengths = totals.sum(axis=1)
    p = totals.sum(axis=0) / lengths.sum()
    return TokenSums(
        squares=float((totals**2).sum()),
        cross=float(p @ (totals * lengths[:, None]).sum(axis=0)),
        norm=float(p @ p),
        tokens=float(lengths.sum()),
        squared_tokens=float(lengths @ lengths),
        clusters=len(totals),
    )


def document_sums(counts: Floats, cluster: NDArray[np.int64]) -> DocumentSums:
    rates = counts / counts.sum(axis=1, keepdims=True)
    totals = np.zeros((cluster.max() + 1, counts.shape[1]))
    np.add.at(totals, cluster, rates)
    p = rates.mean(axis=0)
    return DocumentSums(
        squares=float((totals**2).sum()),
        norm=float(p @ p),
        documents=len(counts),
        squared_documents=float((np.bincount(cluster) ** 2).sum()),
    )


def plug_in(human: Floats, model: Floats) -> float:
    p, q = human.sum(axis=0) / human.sum(), model.sum(axis=0) / model.sum()
    return float(((p - q) ** 2).sum())


def test_values_on_paper() -> None:
    # p = (1/2, 1/2), q = (3/4, 1/4): |p - q|^2 = 2/16.
    p, q = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    assert l2(p, q) == pytest.approx(np.sqrt(1 / 8), abs=1e-15)
    assert l2(p, q, np.array([2.0, 3.0])) == pytest.approx(np.sqrt(5 / 16), abs=1e-15)
    assert l2(np.eye(2)[0], np.eye(2)[1]) == pytest.approx(np.sqrt(2))
    assert l2(p, p) == 0
    assert np.isnan(l2(p, np.full(2, np.nan)))
    np.testing.assert_allclose(term(p, q), [1 / 16, 1 / 16])


def test_token_noise_on_paper() -> None:
    # Two clusters (3, 1) and (1, 3): p = (1/2, 1/2), residuals (1, -1) and (-1, 1), whose squares
    # sum to 4; G / ((G-1) T^2) = 2 / 64.
    sums = token_sums(np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([0, 1]))
    assert token_noise(sums) == pytest.approx(2 / 64 * 4, rel=1e-14)


def test_token_noise_equals_the_variance_of_residuals() -> None:
    rng = np.random.default_rng(1)
    counts, cluster = documents(rng, 30, zipf(20)), np.arange(30) // 2
    p = counts.sum(axis=0) / counts.sum()
    residuals = counts - counts.sum(axis=1, keepdims=True) * p
    by_cluster = residuals.reshape(15, 2, -1).sum(axis=1)
    expected = 15 / 14 * (by_cluster**2).sum() / counts.sum() ** 2
    assert token_noise(token_sums(counts, cluster)) == pytest.approx(expected, rel=1e-12)


def test_document_form_equals_three_terms_and_the_double_loop() -> None:
    rng = np.random.default_rng(2)
    human, model = documents(rng, 17, zipf(12)), documents(rng, 8, zipf(12))
    groups = rng.integers(0, 6, 17), rng.integers(0, 4, 8)
    f, g = (x / x.sum(axis=1, keepdims=True) for x in (human, model))

    def pairs(rates: Floats, cluster: NDArray[np.int64]) -> float:
        unlike = cluster[:, None] != cluster
        return float((rates @ rates.T)[unlike].mean())

    brute = pairs(f, groups[0]) + pairs(g, groups[1]) - 2 * float((f @ g.T).mean())
    sums = document_sums(human, groups[0]), document_sums(model, groups[1])
    three = -2 * f.mean(axis=0) @ g.mean(axis=0)
    for one in sums:
        whole = one.norm * one.documents**2
        three += (whole - one.squares) / (one.documents**2 - one.squared_documents)
    difference = f.mean(axis=0) - g.mean(axis=0)
    got = oracles.document_l2_squared_corrected(float(difference @ difference), *sums)
    assert got == pytest.approx(brute, abs=1e-12)
    assert got == pytest.approx(float(three), abs=1e-12)


def test_sums_add_over_ngrams_and_documents_in_any_order() -> None:
    """A1: neither the cut of the vocabulary nor the order of documents shows in the noise."""
    rng = np.random.default_rng(3)
    counts, cluster = documents(rng, 90, zipf(60)), rng.integers(0, 25, 90)
    whole = token_sums(counts, cluster)
    order = rng.permutation(90)
    again = token_sums(counts[order], cluster[order])
    lengths = np.bincount(cluster, counts.sum(axis=1))
    squares = cross = norm = 0.0
    for part in np.array_split(rng.permutation(60), 7):
        totals = np.zeros((25, len(part)))
        np.add.at(totals, cluster, counts[:, part])
        p = totals.sum(axis=0) / counts.sum()
        squares += float((totals**2).sum())
        cross += float(p @ (totals * lengths[:, None]).sum(axis=0))
        norm += float(p @ p)
    parts = TokenSums(
        squares=squares,
        cross=cross,
        norm=norm,
        tokens=whole.tokens,
        squared_tokens=whole.squared_tokens,
        clusters=25,
    )
    assert token_noise(again) == pytest.approx(token_noise(whole), rel=1e-10)
    assert token_noise(parts) == pytest.approx(token_noise(whole), rel=1e-10)


@pytest.mark.simulation
def test_corrected_squares_have_mean_zero_where_plug_in_does_not() -> None:
    """A13: bursty documents from one source, with more human than model documents."""
    rng, rates = np.random.default_rng(4), zipf(100)
    plain, corrected, weighted = [], [], []
    for _ in range(150):
        human, model = documents(rng, 70, rates), documents(rng, 40, rates)
        own = np.arange(70), np.arange(40)
        plain.append(plug_in(human, model))
        sides = token_sums(human, own[0]), token_sums(model, own[1])
        corrected.append(l2_squared_corrected(plain[-1], *sides))
        f, g = (x / x.sum(axis=1, keepdims=True) for x in (human, model))
        apart = float(((f.mean(axis=0) - g.mean(axis=0)) ** 2).sum())
        sums = document_sums(human, own[0]), document_sums(model, own[1])
        weighted.append(oracles.document_l2_squared_corrected(apart, *sums))
    assert np.mean(plain) > 5e-4
    for draws in (corrected, weighted):
        assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))


def test_copies_are_one_cluster() -> None:
    """Five copies of every document say no more than one: the noise stays what it was."""
    counts = documents(np.random.default_rng(5), 20, zipf(15))
    once = token_sums(counts, np.arange(20))
    copies = np.repeat(counts, 5, axis=0), np.repeat(np.arange(20), 5)
    assert token_noise(token_sums(*copies)) == pytest.approx(token_noise(once), rel=1e-12)
    weighted = document_noise(document_sums(counts, np.arange(20)))
    assert document_noise(document_sums(*copies)) == pytest.approx(weighted, rel=1e-12)
    as_rows = token_noise(token_sums(copies[0], np.arange(100)))
    assert as_rows < token_noise(once) / 4


def test_one_cluster_has_no_noise_estimate() -> None:
    counts = documents(np.random.default_rng(6), 3, zipf(5))
    one = np.zeros(3, np.int64)
    assert np.isnan(token_noise(token_sums(counts, one)))
    assert np.isnan(document_noise(document_sums(counts, one)))
