"""Distances of groups of blocks, and the floor of a divergence at two sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference.estimate import replicates, source_floor
from dftspark.lenses.ngrams.distance_jensen_shannon import jensen_shannon
from dftspark.lenses.ngrams.distance_l2 import l2
from dftspark.lenses.ngrams.distance_total_variation import total_variation
from tests.inference.corpora import Blocked, independent, tilted, zipf

Floats = NDArray[np.float64]
DRAWS: dict[str, Any] = {"splits": 60, "seed": 3}
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
    data = corpora(2, 0.3, blocks=64)
    whole = source_floor(jensen_shannon, *data.all, **DRAWS)
    monkeypatch.setattr("dftspark.inference.estimate._CHUNK", 7 * 40)
    parts = source_floor(jensen_shannon, *data.all, **DRAWS)
    assert parts == pytest.approx(whole, rel=1e-12)


@pytest.mark.simulation
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n", "m"), [(100, 100), (40, 800), (800, 40)])
def test_floor_is_what_one_source_gives_at_these_sizes(distance: Any, n: int, m: int) -> None:
    """Halves of the larger side, half its size each, gave a third of it."""
    data = [corpora(seed, 0.0, n, m, 64) for seed in range(60)]
    values = [float(distance(*each.rates)) for each in data]
    floors = [source_floor(distance, *each.all, **DRAWS) for each in data[:20]]
    # The 95% quantile of 60 draws lies between their 90% and their highest but for chance.
    assert np.quantile(values, 0.85) < np.median(floors) < 1.35 * np.quantile(values, 0.97)


def test_a_difference_is_no_part_of_the_floor() -> None:
    near, far = (corpora(6, by, 400, 400, 64) for by in (0.0, 1.0))
    got = [source_floor(total_variation, *each.all, **DRAWS) for each in (near, far)]
    assert got[1] < 1.5 * got[0]
    assert float(total_variation(*far.rates)) > 2 * got[1]


def test_no_floor_where_a_side_is_less_than_a_block_of_the_other() -> None:
    human, model, sizes, _ = corpora(8, 0.0, 200, 200, 64).all
    assert np.isnan(source_floor(l2, human, model, sizes, sizes / 100, **DRAWS))
    assert np.isnan(source_floor(l2, human, model, sizes, 0 * sizes, **DRAWS))


def test_shapes_are_checked() -> None:
    data = corpora(9, 0.0)
    with pytest.raises(ShapeError, match="same coordinates"):
        replicates(l2, data.human, data.model[:, :9], *data.all[2:])
