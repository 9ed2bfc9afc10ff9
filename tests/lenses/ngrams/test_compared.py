"""Profiles to numbers, against definitions worked out with dense arrays and plain counters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from dftspark import config
from dftspark.inference.effective_counts import Squares, score
from dftspark.inference.gram import gram, sampling_noise
from dftspark.lenses.ngrams import compared as ngrams
from dftspark.lenses.ngrams import ranges as ngram_ranges
from dftspark.lenses.ngrams import side as ngram_side
from dftspark.lenses.ngrams.distance_jensen_shannon import jensen_shannon
from dftspark.lenses.ngrams.distance_total_variation import total_variation
from dftspark.lenses.ngrams.grams import grams
from dftspark.lenses.ngrams.phrases import phrase_keys
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts, NgramRows
from dftspark.lenses.ngrams.statistic_sketch import NgramSketch
from dftspark.stats.protocol import Batch
from dftspark.text.tokens import Words
from tests import reference

SETTINGS = config.Audit.parse(
    {
        "corpora": {"human": {"role": "human", "path": "h"}, "m": {"role": "model", "path": "m"}},
        "inference": {"permutations": 99, "splits": 20},
    },
    "test",
)


def corpus(seed: int, documents: int, tilt: float = 0.0) -> tuple[list[str], list[str]]:
    """Zipf documents of 5 to 60 words, two or so a cluster; `tilt` favors odd words."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 301) ** 1.1
    weights *= np.where(np.arange(300) % 2 == 1, np.exp(tilt), 1.0)
    texts = [
        " ".join(f"w{w}" for w in rng.choice(300, rng.integers(5, 60), p=weights / weights.sum()))
        for _ in range(documents)
    ]
    clusters = sorted(f"c{c:03}" for c in rng.integers(0, max(1, documents // 2), documents))
    return texts, clusters


def profile(texts: list[str], clusters: list[str], n: int, ranges: int = 1) -> list[NgramRows]:
    names = np.array(clusters, object)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    blocks = np.array([int(name[1:]) % 64 for name in names[starts]], np.int64)
    tokens = Words().tokenize(pa.array(texts))
    batch = Batch(tokens.hashes, tokens.offsets, np.r_[starts, len(texts)].astype(np.int64), blocks)
    return list(NgramCounts(n=n).observe_ranges(batch, ranges))


def totals(states: list[NgramRows]) -> ngram_side.Totals:
    return {name: np.sum([getattr(s, name) for s in states], axis=0) for name in TOTALS}


def compared(
    human: list[NgramRows], model: list[NgramRows], n: int, paired: bool = False
) -> ngrams.Finished:
    parts = []
    of_human, of_model = totals(human), totals(model)
    for part, (h, m) in enumerate(zip(human, model, strict=True)):
        sides = [
            ngram_side.side(
                own.counted,
                phrase_keys(own.counted, 5_000),
                NgramSketch(n=n).of_rows(own.counted, part, len(human)),
                of_own,
            )
            for own, of_own in ((h, of_human), (m, of_model))
        ]
        found = ngram_ranges.partial(sides[0], sides[1], of_human, of_model, n, SETTINGS.ngrams)
        parts.append(ngram_ranges.Partial.decode(found.encode()))
    return ngrams.finished(parts, of_human, of_model, n, paired=paired, settings=SETTINGS)


def both(sides: Any, n: int, ranges: int = 1) -> ngrams.Finished:
    human, model = (profile(texts, clusters, n, ranges) for texts, clusters in sides)
    return compared(human, model, n)


def values(found: ngrams.Finished) -> dict[str, float]:
    return {metric.name: metric.value for metric in found.metrics}


@pytest.fixture(scope="module")
def sides() -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
    return corpus(1, 150), corpus(2, 90, tilt=0.4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_distances_are_their_definitions(sides: Any, n: int) -> None:
    (human, human_clusters), (model, model_clusters) = sides
    found = values(
        compared(profile(human, human_clusters, n), profile(model, model_clusters, n), n)
    )
    split = [[text.split() for text in texts] for texts in (human, model)]
    p, q = (reference.token_rates(texts, n) for texts in split)
    assert found[f"l2_{n}gram"] == pytest.approx(reference.l2(p, q), rel=1e-12)
    f, g = (reference.document_rates(texts, n) for texts in split)
    assert found[f"l2_docs_{n}gram"] == pytest.approx(reference.l2(f, g), rel=1e-9)
    grams = sorted(p.keys() | q.keys())
    dense = [np.array([side.get(gram, 0.0) for gram in grams]) for side in (p, q)]
    assert found[f"js_{n}gram"] == pytest.approx(float(jensen_shannon(*dense)), rel=1e-12)
    assert found[f"tv_{n}gram"] == pytest.approx(float(total_variation(*dense)), rel=1e-12)


def test_a_cluster_of_many_documents_does_not_wrap_the_document_weighted_correction() -> None:
    """Its squared sum of rates is beyond what int64 holds in units of 2**-40."""
    rng = np.random.default_rng(5)
    sides, dense = [], []
    for large in (4_500, 300):
        clusters = sorted([f"c{c:03}" for c in rng.integers(0, 60, 600)] + ["c007"] * large)
        words = rng.choice(["a", "b", "c", "d"], (len(clusters), 4), p=[0.7, 0.1, 0.1, 0.1])
        states = profile([" ".join(row) for row in words], clusters, 1)
        rates = np.stack([(words == word).mean(axis=1) for word in "abcd"], axis=1)
        sums, sizes = np.zeros((64, 4)), np.zeros(64)
        np.add.at(sums, [int(c[1:]) % 64 for c in clusters], rates)
        np.add.at(sizes, [int(c[1:]) % 64 for c in clusters], 1)
        sides.append(states)
        dense.append((sums, sizes))
    (h, n), (m, k) = dense
    assert (h[7] ** 2).sum() > 2**23  # so the integer has wrapped
    assert sides[0][0].rate_norm[7] / 2**40 < (h[7] ** 2).sum() / 2
    both_noises = sampling_noise(gram(h, m, n, k), paired=False)
    plug_in = ((h.sum(axis=0) / n.sum() - m.sum(axis=0) / k.sum()) ** 2).sum()
    found = values(compared(sides[0], sides[1], 1))["l2_docs_squared_corrected_1gram"]
    assert found == pytest.approx(plug_in - both_noises, rel=1e-6)


def test_the_document_weighted_correction_is_the_brute_force_u_statistic(sides: Any) -> None:
    vectors: list[NDArray[Any]] = []
    groups: list[NDArray[Any]] = []
    vocabulary: dict[str, int] = {}
    for texts, clusters in sides:
        out = np.zeros((len(texts), 400))
        for row, text in zip(out, texts, strict=True):
            words = text.split()
            for word in words:
                row[vocabulary.setdefault(word, len(vocabulary))] += 1 / len(words)
        vectors.append(out)
        groups.append(np.array(clusters))
    expected = -2 * vectors[0].mean(axis=0) @ vectors[1].mean(axis=0)
    for own, cluster in zip(vectors, groups, strict=True):
        products = own @ own.T
        unlike = cluster[:, None] != cluster[None, :]
        expected += products[unlike].mean()
    found = values(both(sides, 1))
    assert found["l2_docs_squared_corrected_1gram"] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("ranges", [2, 16])
def test_key_ranges_do_not_matter(sides: Any, ranges: int) -> None:
    one, many = (both(sides, 2, r) for r in (1, ranges))
    for a, b in zip(one.metrics, many.metrics, strict=True):
        assert a.name == b.name
        assert b.value == pytest.approx(a.value, rel=1e-11, abs=1e-15)
        assert b.inference.std_error == pytest.approx(a.inference.std_error, rel=1e-6)
        assert b.inference.floor == pytest.approx(a.inference.floor, rel=1e-6)
        assert b.inference.p_value == pytest.approx(a.inference.p_value, rel=1e-3)
    assert np.array_equal(one.listed["key"], many.listed["key"])
    assert np.allclose(one.listed["q_value"], many.listed["q_value"], equal_nan=True)


@pytest.mark.parametrize("n", [1, 2])
def test_contributions_and_the_remainder_sum_to_the_square(sides: Any, n: int) -> None:
    found = both(sides, n)
    listed = float(np.abs(found.listed["contribution"]).sum())
    assert found.remainder >= -1e-15
    assert listed + found.remainder == pytest.approx(values(found)[f"l2_{n}gram"] ** 2, abs=1e-9)
    if n == 2:
        assert found.remainder > 0  # more bigrams than rows, or the test says nothing
    signs = np.sign(
        found.listed["count_model"] / totals(profile(sides[1][0], sides[1][1], n))["tokens"].sum()
        - found.listed["count_human"] / totals(profile(sides[0][0], sides[0][1], n))["tokens"].sum()
    )
    assert np.array_equal(np.sign(found.listed["contribution"]), signs)


def by_block(*states: NgramRows) -> list[NDArray[np.float64]]:
    """Counts `(grams of any, 64)` of each state."""
    keys = np.unique(np.concatenate([grams(state.counted).sums.key for state in states]))
    found = [np.zeros((len(keys), 64)) for _ in states]
    for out, rows in zip(found, (state.rows for state in states), strict=True):
        np.add.at(out, (np.searchsorted(keys, rows.key // 64 * 64), rows.key % 64), rows.count)
    return found


def test_intervals_of_divergences_leave_out_whole_blocks(sides: Any) -> None:
    n = 1
    human, model = (profile(t, c, n) for t, c in sides)
    first, second = (
        ngram_side.side(
            s[0].counted, s[0].key[:0], NgramSketch(n=n).of_rows(s[0].counted), totals(s)
        )
        for s in (human, model)
    )
    part = ngram_ranges.partial(first, second, totals(human), totals(model), n, SETTINGS.ngrams)
    dense = by_block(human[0], model[0])
    for i, distance in enumerate((jensen_shannon, total_variation)):
        left_out = []
        for j in range(64):
            rates = [(d.sum(axis=1) - d[:, j]) / (d.sum() - d[:, j].sum()) for d in dense]
            left_out.append(float(distance(*rates)))
        assert part.sums.left_out[i] == pytest.approx(left_out, abs=1e-12)


def test_blocks_are_the_units_where_clusters_return(sides: Any) -> None:
    n = 1
    human, model = (profile(t, c, n)[0] for t, c in sides)
    of_human, of_model = totals([human]), totals([model])
    first, second = (
        ngram_side.side(
            s.counted, grams(s.counted).sums.key, NgramSketch(n=n).of_rows(s.counted), of, True
        )
        for s, of in ((human, of_human), (model, of_model))
    )
    part = ngram_ranges.partial(first, second, of_human, of_model, n, SETTINGS.ngrams)
    keys = np.union1d(first.grams.key, second.grams.key)
    dense = by_block(human, model)
    tokens = [of["tokens"] for of in (of_human, of_model)]
    rate = sum(each.sum(axis=1) for each in dense) / sum(each.sum() for each in tokens)
    sides_of = [
        Squares(
            each.sum(axis=1),
            ((each - rate[:, None] * own) ** 2).sum(axis=1),
            float(own.sum()),
            float((own > 0).sum()),
        )
        for each, own in zip(dense, tokens, strict=True)
    ]
    clusters = sum(side.columns(keys).clusters for side in (first, second))
    speaking = [
        np.minimum(clusters * of.size / sum(each.sum() for each in tokens), of.units)
        for of in sides_of
    ]
    found = score(sides_of[0], sides_of[1], speaking[0], speaking[1])
    tested = (clusters >= 20) & (found.expected >= 1)
    expected = np.where(tested, found.z, np.nan)[np.searchsorted(keys, part.listed["key"])]
    np.testing.assert_allclose(part.listed["z"], expected, rtol=1e-12)
    assert tested.any()


def test_the_sketch_gives_the_spread_that_exact_counts_give(sides: Any) -> None:
    n = 1
    human, model = (profile(t, c, n) for t, c in sides)
    dense = by_block(human[0], model[0])
    left_out = []
    for j in range(64):
        rates = [(d.sum(axis=1) - d[:, j]) / (d.sum() - d[:, j].sum()) for d in dense]
        left_out.append(float(np.sqrt(((rates[0] - rates[1]) ** 2).sum())))
    found = compared(human, model, n).metrics[0]
    blocks = found.inference.blocks
    value = found.value
    merged = value + (np.array(left_out) - value).reshape(-1, blocks).sum(axis=0)
    expected = np.sqrt((blocks - 1) / blocks * ((merged - merged.mean()) ** 2).sum())
    # The sketch's error is below sqrt(2 / 4096) = 2.2% of a square; merging is first order.
    assert found.inference.std_error == pytest.approx(expected, rel=0.15)


def test_equal_corpora_have_no_distance(sides: Any) -> None:
    (human, clusters), _ = sides
    found = compared(profile(human, clusters, 1), profile(human, clusters, 1), 1, paired=True)
    assert values(found)["l2_1gram"] == 0
    assert values(found)["js_1gram"] == pytest.approx(0, abs=1e-15)
    assert all(m.inference.p_value > 0.5 for m in found.metrics)
    assert found.remainder == 0


def test_a_side_without_ngrams_is_nan_not_a_crash() -> None:
    texts, clusters = corpus(1, 40)
    human = profile(texts, clusters, 5)
    model = profile(["one two", "three"], ["c001", "c002"], 5)
    found = compared(human, model, 5)
    assert np.isnan(values(found)["l2_5gram"])
    assert all(np.isnan(m.inference.p_value) for m in found.metrics)


def test_few_clusters_give_a_value_and_no_interval() -> None:
    texts, _ = corpus(3, 30)
    found = compared(
        profile(texts, ["c001"] * 30, 1), profile(texts[:20], ["c001"] * 9 + ["c002"] * 11, 1), 1
    )
    metric = found.metrics[0]
    assert metric.value > 0
    assert np.isnan(metric.inference.std_error)
    assert metric.inference.blocks == 0
