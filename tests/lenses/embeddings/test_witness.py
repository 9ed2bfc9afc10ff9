"""The witness's scores, whose means differ by MMD squared, in all three forms (A12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference import blocks as groups
from dftspark.inference.gram import between_blocks, gram
from dftspark.lenses.embeddings import witness
from dftspark.lenses.embeddings.witness import HUMAN, MODEL, Witness
from tests.clouds import block_sums, features, frequencies, kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BLOCKS = 8


@dataclass(frozen=True, eq=False)
class Clouds:
    """Features, block numbers and block sums of 40 human and 65 model points."""

    human: Floats
    model: Floats
    human_blocks: Integers
    model_blocks: Integers

    @property
    def sums(self) -> tuple[Floats, Floats, Floats, Floats]:
        ones = np.ones(len(self.human)), np.ones(len(self.model))
        return (
            block_sums(self.human, self.human_blocks, BLOCKS),
            block_sums(self.model, self.model_blocks, BLOCKS),
            block_sums(ones[0], self.human_blocks, BLOCKS),
            block_sums(ones[1], self.model_blocks, BLOCKS),
        )

    @property
    def center(self) -> Floats:
        return np.asarray((self.human.mean(0) + self.model.mean(0)) / 2)

    def difference(self, of: Witness) -> float:
        human = of.score(self.human, HUMAN, self.human_blocks)
        model = of.score(self.model, MODEL, self.model_blocks)
        return float(model.mean() - human.mean())


@pytest.fixture
def clouds() -> Clouds:
    rng = np.random.default_rng(3)
    omega = frequencies(rng, 3, 24, 3.0)
    human, model = rng.standard_normal((40, 3)), rng.standard_normal((65, 3)) + 0.4
    return Clouds(
        features(human, omega),
        features(model, omega),
        rng.integers(0, BLOCKS, 40),
        rng.integers(0, BLOCKS, 65),
    )


def test_without_document_is_the_mean_over_the_others(clouds: Clouds) -> None:
    """A12, from the definition: each score is a mean product with the other documents."""
    h, m = clouds.human, clouds.model
    found = witness.without_document(h.sum(0), m.sum(0), len(h), len(m))
    own = h @ h.T
    expected = (h @ m.T).mean(1) - (own.sum(1) - np.diag(own)) / (len(h) - 1)
    got = found.score(h, HUMAN, clouds.human_blocks)
    np.testing.assert_allclose(got, expected, atol=1e-13)
    own = m @ m.T
    expected = (own.sum(1) - np.diag(own)) / (len(m) - 1) - (m @ h.T).mean(1)
    got = found.score(m, MODEL, clouds.model_blocks)
    np.testing.assert_allclose(got, expected, atol=1e-13)


def test_without_document_sums_to_the_u_statistic(clouds: Clouds) -> None:
    h, m = clouds.human, clouds.model

    def pairs(x: Floats) -> float:
        products = x @ x.T
        return float((products.sum() - np.trace(products)) / (len(x) * (len(x) - 1)))

    expected = pairs(h) + pairs(m) - 2 * float((h @ m.T).mean())
    found = witness.without_document(h.sum(0), m.sum(0), len(h), len(m))
    assert clouds.difference(found) == pytest.approx(expected, abs=1e-12)


def test_without_block_sums_to_the_between_block_u(clouds: Clouds) -> None:
    """Brute force over pairs of documents that lie in unlike blocks."""

    def pairs(x: Floats, blocks: Integers) -> float:
        unlike = blocks[:, None] != blocks
        return float((x @ x.T)[unlike].mean())

    expected = pairs(clouds.human, clouds.human_blocks) + pairs(clouds.model, clouds.model_blocks)
    expected -= 2 * float((clouds.human @ clouds.model.T).mean())
    found = witness.without_block(*clouds.sums)
    assert clouds.difference(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("form", "paired"),
    [(witness.without_block, False), (witness.without_block_difference, True)],
)
def test_centered_forms_sum_to_the_reported_square(
    clouds: Clouds, form: Callable[..., Witness], paired: bool
) -> None:
    """What inference.squared reports is centered at the mean of both sides."""
    products = gram(*clouds.sums)
    expected = between_blocks(products, *groups.sides(BLOCKS), paired=paired)[0]
    found = form(*clouds.sums, center=clouds.center)
    assert clouds.difference(found) == pytest.approx(expected, abs=1e-12)
    elsewhere = form(*clouds.sums, center=clouds.center + 1)
    assert abs(clouds.difference(elsewhere) - expected) > 1e-6


def test_without_block_difference_forgets_the_whole_block(clouds: Clouds) -> None:
    """What either side writes in a block has no say in the scores of that block."""
    before = witness.without_block_difference(*clouds.sums)
    human, model, *sizes = clouds.sums
    human[2] += 5.0
    model[2] -= 3.0
    after = witness.without_block_difference(human, model, *sizes)
    np.testing.assert_allclose(before.directions[:, 2], after.directions[:, 2], atol=1e-13)
    assert abs(before.directions[:, 3] - after.directions[:, 3]).max() > 0.01


def test_centering_undoes_unlike_block_sizes() -> None:
    """One distribution, one block ten times as large: uncentered, its scores are all lower."""
    rng = np.random.default_rng(4)
    omega = frequencies(rng, 3, 64, 6.0)
    blocks = np.repeat(np.arange(8), [400, 40, 40, 40, 40, 40, 40, 40])
    phi = features(rng.standard_normal((2, len(blocks), 3)).reshape(-1, 3), omega)
    h, m = phi[: len(blocks)], phi[len(blocks) :]
    ones = block_sums(np.ones(len(blocks)), blocks, 8)
    sums = block_sums(h, blocks, 8), block_sums(m, blocks, 8), ones, ones
    spread = {}
    for name, center in (("plain", None), ("centered", phi.mean(0))):
        scores = witness.without_block(*sums, center=center).score(h, HUMAN, blocks)
        spread[name] = abs(scores[blocks == 0].mean() - scores[blocks > 0].mean())
    assert spread["centered"] < 0.01 < 0.3 < spread["plain"]


def test_agrees_with_the_exact_kernel() -> None:
    """A12: rank correlation at least .99 at 1024 frequencies."""
    rng = np.random.default_rng(5)
    scale = 1 / np.sqrt(np.arange(1, 33))
    human = rng.standard_normal((500, 32)) * scale
    model = rng.standard_normal((400, 32)) * scale + 0.3 * scale
    square = 2 * float((scale**2).sum())
    omega = frequencies(rng, 32, 1024, square)
    h, m = features(human, omega), features(model, omega)
    found = witness.without_document(h.sum(0), m.sum(0), 500, 400)
    got = np.r_[
        found.score(h, HUMAN, np.zeros(500, int)), found.score(m, MODEL, np.zeros(400, int))
    ]
    hh, mm = kernel(human, human, square), kernel(model, model, square)
    hm = kernel(human, model, square)
    exact = np.r_[hm.mean(1) - (hh.sum(1) - 1) / 499, (mm.sum(1) - 1) / 399 - hm.mean(0)]
    ranks = [values.argsort().argsort() for values in (got, exact)]
    assert np.corrcoef(ranks)[0, 1] >= 0.99


def test_the_batch_does_not_matter(clouds: Clouds) -> None:
    found = witness.without_block(*clouds.sums, center=clouds.center)
    phi = np.repeat(clouds.human.astype(np.float32), 9, axis=0)
    blocks = np.repeat(clouds.human_blocks, 9)
    whole = found.score(phi, HUMAN, blocks)
    for size in (1, 7, 64):
        cuts = range(0, len(phi), size)
        parts = [found.score(phi[i : i + size], HUMAN, blocks[i : i + size]) for i in cuts]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_too_little_gives_nan(clouds: Clouds) -> None:
    h, m = clouds.human, clouds.model
    one = witness.without_document(h[0], m.sum(0), 1, len(m))
    assert np.isnan(one.score(h[:1], HUMAN, np.zeros(1, int))).all()
    human, model, human_sizes, model_sizes = clouds.sums
    keep = np.eye(BLOCKS)[0]
    single = witness.without_block(human * keep[:, None], model, human_sizes * keep, model_sizes)
    assert np.isnan(single.score(h[:1], HUMAN, np.zeros(1, int))).all()


def test_shapes_are_checked(clouds: Clouds) -> None:
    found = witness.without_block(*clouds.sums)
    with pytest.raises(ShapeError, match="one row of 48 for each of 3"):
        found.score(clouds.human[:2], HUMAN, np.zeros(3, int))
    human, model, sizes, _ = clouds.sums
    with pytest.raises(ShapeError, match="number of documents for each of 8"):
        witness.without_block(human, model, sizes, sizes[:4])


def test_top_of_parts_is_the_top() -> None:
    """Ties by doc_id, nan nowhere, whatever the parts."""
    rng = np.random.default_rng(6)
    scores = rng.integers(0, 6, 200) / 8.0
    scores[:20] = np.nan
    ids = np.array([f"d{i:03d}" for i in rng.permutation(200)])
    for largest in (True, False):
        whole = ids[witness.top(scores, ids, 25, largest=largest)]
        sign = -1 if largest else 1
        order = sorted((sign * s, i) for s, i in zip(scores, ids, strict=True) if s == s)
        assert list(whole) == [i for _, i in order[:25]]
        for cut in (1, 90, 199):
            parts = []
            for rows in (slice(0, cut), slice(cut, None)):
                best = witness.top(scores[rows], ids[rows], 25, largest=largest)
                parts.append(np.arange(200)[rows][best])
            union = np.concatenate(parts)
            again = union[witness.top(scores[union], ids[union], 25, largest=largest)]
            assert list(ids[again]) == list(whole)
    assert not len(witness.top(scores, ids, 0, largest=True))
