"""Inference for distances of rates: its parts by brute force, its limits, its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.distances.jensen_shannon import jensen_shannon
from dftspark.distances.ngram_l2 import l2
from dftspark.distances.total_variation import total_variation
from dftspark.errors import ShapeError
from dftspark.inference.estimate import infer, replicates
from dftspark.inference.ngram_sample import rate_scale
from dftspark.inference.squared import infer_squared
from tests.inference.corpora import Blocked, blocked, documents, independent, prompted, tilted, zipf

Floats = NDArray[np.float64]
ARGUMENTS: dict[str, Any] = {
    "paired": False, "permutations": 199, "splits": 60, "confidence": 0.95, "seed": 3,
}  # fmt: skip
DISTANCES = [l2, jensen_shannon, total_variation]


def corpora(seed: int, by: float, n: int = 90, m: int = 200, blocks: int = 16) -> Blocked:
    rates = zipf(40)
    return independent(np.random.default_rng(seed), n, m, blocks, rates, tilted(rates, by))


@pytest.mark.parametrize("distance", DISTANCES)
def test_replicates_by_deleting(distance: Any) -> None:
    data = corpora(1, 0.4)
    got = replicates(distance, *data.all)
    for j in range(16):
        h, m, sizes, other = (np.delete(side, j, axis=0) for side in data.all)
        expected = distance(h.sum(axis=0) / sizes.sum(), m.sum(axis=0) / other.sum())
        assert got[j] == pytest.approx(float(expected), rel=1e-9)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    data = corpora(2, 0.3)
    whole = infer(jensen_shannon, *data.all, value=0.1, **ARGUMENTS)
    monkeypatch.setattr("dftspark.inference.estimate._CHUNK", 7 * 40)
    parts = infer(jensen_shannon, *data.all, value=0.1, **ARGUMENTS)
    assert parts.std_error == pytest.approx(whole.std_error, rel=1e-12)
    assert parts.floor == pytest.approx(whole.floor, rel=1e-12)
    assert parts.mde == pytest.approx(whole.mde, rel=1e-12)


def test_plug_in_l2_and_the_corrected_square_tell_one_story() -> None:
    """With one scale the tests are the same; a root's error is half its square's over the root."""
    data = corpora(3, 0.6)
    p, q = data.rates
    value = float(l2(p, q))
    root = infer(l2, *data.all, value=value, **ARGUMENTS)
    square = infer_squared(*data.all, value=value**2, **ARGUMENTS)
    assert root.p_value == square.p_value
    assert root.std_error == pytest.approx(square.std_error / (2 * value), rel=0.1)


def test_the_scale_reaches_the_test_alone() -> None:
    data = corpora(4, 0.25)
    plain = infer(total_variation, *data.all, value=0.1, **ARGUMENTS)
    scale = rate_scale(*data.all, np.ones(40))
    scaled = infer(total_variation, *data.all, value=0.1, scale=scale, **ARGUMENTS)
    assert (scaled.std_error, scaled.floor, scaled.mde) == (plain.std_error, plain.floor, plain.mde)
    assert scaled.p_value != plain.p_value


@pytest.mark.parametrize("distance", DISTANCES)
def test_floor_is_of_halves_and_falls_with_documents(distance: Any) -> None:
    """Four times the human documents, half the noise; sparse rates shrink a little faster."""
    small, large = (corpora(5, 0.0, n, 200) for n in (150, 600))
    floors = [infer(distance, *d.all, value=0.1, **ARGUMENTS).floor for d in (small, large)]
    expected = 0.25 if distance is jensen_shannon else 0.5
    assert floors[1] / floors[0] == pytest.approx(expected, rel=0.3)


def test_a_large_difference_does_not_raise_what_is_detectable() -> None:
    """Relabelings that mix the sides unevenly would carry the difference into the null."""
    near, far = (corpora(6, by, 400, 400) for by in (0.0, 1.5))
    got = [infer(l2, *d.all, value=0.1, **ARGUMENTS) for d in (near, far)]
    assert got[1].mde < 2 * got[0].mde
    assert got[1].p_value < 1e-6


@pytest.mark.simulation
@pytest.mark.parametrize(("n", "m"), [(96, 960), (960, 96)])
def test_what_is_detectable_is_above_what_equality_gives_at_unlike_sizes(n: int, m: int) -> None:
    """A plug-in divergence has its bias at the corpora's own sizes: no null at other sizes does."""
    rng, rates = np.random.default_rng(11), zipf(300)
    values, detectable = [], []
    for seed in range(12):
        human, model = (documents(rng, size, rates, length=40.0) for size in (n, m))
        data = blocked(rng, human, model, 32)
        values.append(float(jensen_shannon(*data.rates)))
        if seed < 3:
            got = infer(jensen_shannon, *data.all, value=values[-1], **{**ARGUMENTS, "seed": seed})
            detectable.append(got.mde)
    critical = np.mean(values) + 1.645 * np.std(values)
    assert critical < np.median(detectable) < 1.5 * critical


def test_a_nonnegative_distance_has_a_nonnegative_interval() -> None:
    data = corpora(12, 0.0)
    assert infer(l2, *data.all, value=1e-6, **ARGUMENTS).ci_low == 0


def test_shared_prompts_are_used() -> None:
    """A9: the topics of the prompts hide from the unpaired test what the paired one sees."""
    rates = zipf(40)
    data = prompted(np.random.default_rng(7), 200, 2, 32, rates, tilted(rates, 0.25), topic=2.0)
    p = {
        paired: infer(l2, *data.all, value=0.1, **{**ARGUMENTS, "paired": paired}).p_value
        for paired in (True, False)
    }
    assert p[True] < 0.01 < p[False]


def test_nan_where_nothing_can_be_said() -> None:
    data = corpora(8, 0.0, 12, 40, blocks=4)
    few = infer(l2, *data.all, value=0.1, **ARGUMENTS)
    assert np.isnan([few.std_error, few.ci_low, few.p_value, few.floor, few.mde]).all()
    none = np.zeros((0, 5)), np.zeros((0, 5)), np.zeros(0), np.zeros(0)
    assert infer(l2, *none, value=0.1, **ARGUMENTS).blocks == 0


def test_shapes_are_checked() -> None:
    data = corpora(9, 0.0)
    with pytest.raises(ShapeError, match="same coordinates"):
        infer(l2, data.human, data.model[:, :9], *data.all[2:], value=0.1, **ARGUMENTS)


def test_a_distance_is_computed_for_splits_and_left_out_blocks_alone() -> None:
    """Permutations are of the blocks' Gram matrix, however many there are, and ask for none."""
    computed = 0

    def counting(p: Floats, q: Floats) -> Floats:
        nonlocal computed
        computed += int(np.prod(np.broadcast_shapes(p.shape, q.shape)[:-1]))
        return np.asarray(l2(p, q))

    infer(counting, *corpora(10, 0.4).all, value=0.1, **{**ARGUMENTS, "permutations": 9_999})
    assert computed == 16 + 3 * ARGUMENTS["splits"]
