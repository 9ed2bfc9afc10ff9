"""Near duplicates: found where planted, counted beside those of the human side."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import InputError, ShapeError
from dftspark.inference.proportions import ClusterSums
from dftspark.lenses.embeddings.copies import copy_metrics
from dftspark.lenses.embeddings.distance_copies import NEAR, nearest, overlap
from tests.clouds import Floats


def unit(points: Floats) -> Floats:
    return np.asarray(points / np.linalg.norm(points, axis=-1, keepdims=True))


def test_nearest_is_the_largest_cosine() -> None:
    rng = np.random.default_rng(1)
    vectors, base = unit(rng.standard_normal((70, 6))), unit(rng.standard_normal((50, 6)))
    rows, cosines = nearest(vectors, base)
    assert (rows == (vectors @ base.T).argmax(axis=1)).all()
    np.testing.assert_allclose(cosines, (vectors @ base.T).max(axis=1), atol=2e-6)
    for size in (1, 13):
        parts = [nearest(vectors[i : i + size], base) for i in range(0, 70, size)]
        assert np.concatenate([p[1] for p in parts]).tobytes() == cosines.tobytes()


def test_own_cluster_does_not_count() -> None:
    points = unit(np.array([[1.0, 0], [1, 0.01], [1, 0.5], [0, 1]]))
    clusters = np.array(["a", "a", "b", "c"])
    rows, cosines = nearest(points, points, (clusters, clusters))
    assert list(rows) == [2, 2, 1, 2]
    assert cosines.max() < 0.95
    alone, none = nearest(points[:2], points[:2], (clusters[:2], clusters[:2]))
    assert list(alone) == [-1, -1]
    assert np.isnan(none).all()
    assert nearest(points, points[:0])[0].tolist() == [-1] * 4


def test_overlap_tells_copies_from_paraphrases() -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again."
    assert overlap(text, text.upper()) == 1
    assert overlap("quick brown fox jumps over", text) == 1
    assert overlap(text, "quick brown fox jumps over") == pytest.approx(1 / 8)
    assert overlap(text, "A fast auburn fox leaps above a sleepy hound, over and over.") == 0
    assert overlap("four words, no more", "four words, no more") == 0


def test_planted_copies_are_counted() -> None:
    """40 of 400 model documents are human ones with a little noise, 20 human ones repeat."""
    rng = np.random.default_rng(2)
    human, model = rng.standard_normal((500, 32)), rng.standard_normal((400, 32))
    model[:40] = human[100:140] + 0.1 * rng.standard_normal((40, 32))
    human[480:490] = human[:10]
    clusters = np.arange(500)
    rows, cosines = nearest(unit(model), unit(human))
    _, own = nearest(unit(human), unit(human), (clusters, clusters))
    share, floor = copy_metrics(
        ClusterSums.of(own >= NEAR, clusters),
        ClusterSums.of(cosines >= NEAR, clusters[:400]),
        confidence=0.95,
    )
    assert (share.name, share.value) == ("near_duplicates", 0.1)
    assert share.inference.ci_low < 0.1 < share.inference.ci_high < 0.14
    assert (floor.name, floor.value) == ("near_duplicates_human", 20 / 500)
    assert share.inference.floor == floor.inference.ci_high
    assert list(np.flatnonzero(cosines >= NEAR)) == list(range(40))
    assert (rows[:40] == np.arange(100, 140)).all()
    assert list(np.flatnonzero(own >= NEAR)) == [*range(10), *range(480, 490)]


def test_unfit_vectors_are_named() -> None:
    with pytest.raises(ShapeError, match=r"give \(n, d\) twice"):
        nearest(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(InputError, match="1 of 2 vectors are not finite"):
        nearest(np.array([[np.nan, 1], [0, 1]]), np.eye(2))
