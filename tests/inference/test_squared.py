"""The between-block square against the plain average over pairs of blocks (A2, A17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ShapeError
from dftspark.inference import blocks
from dftspark.inference.gram import (
    Gram,
    between_blocks,
    gram,
    plug_in,
    sampling_noise,
    squared_replicates,
    stacked,
)
from dftspark.inference.intervals import Design
from dftspark.inference.squared import infer_squared
from tests.inference.corpora import blocked, documents, independent, prompted, tilted, zipf

Floats = NDArray[np.float64]
DESIGN = Design(permutations=199, splits=50, seed=1)
PAIRED = replace(DESIGN, paired=True)


def random_blocks(seed: int, count: int = 8) -> tuple[Floats, Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    human, model = rng.random((count, 30)), rng.random((count, 30)) * 7
    sizes = rng.integers(1, 9, count).astype(np.float64)
    return human, model, sizes, rng.integers(40, 99, count).astype(np.float64)


def mean_over_unlike_blocks(sums: Floats, sizes: Floats) -> float:
    """Mean product of two documents of unlike blocks: sum c_i.c_j over sum s_i s_j, i != j."""
    unlike = ~np.eye(len(sums), dtype=bool)
    return float((sums @ sums.T)[unlike].sum() / np.outer(sizes, sizes)[unlike].sum())


def test_equals_the_mean_over_pairs_of_unlike_blocks() -> None:
    """A2: for the two sides, for groups of both, and in the form with three terms."""
    human, model, human_sizes, model_sizes = random_blocks(1)
    sums, sizes = stacked(human, model, human_sizes, model_sizes)
    raw = Gram(sums @ sums.T, sizes)
    expected = mean_over_unlike_blocks(human, human_sizes)
    expected += mean_over_unlike_blocks(model, model_sizes)
    cross = human.sum(axis=0) @ model.sum(axis=0) / (human_sizes.sum() * model_sizes.sum())
    got = between_blocks(raw, *blocks.sides(8), paired=False)
    assert got == pytest.approx(expected - 2 * cross, abs=1e-12)
    three = -2 * cross
    for c, s in ((human, human_sizes), (model, model_sizes)):
        square = float(c.sum(axis=0) @ c.sum(axis=0)) - (c**2).sum()
        three += square / (s.sum() ** 2 - (s**2).sum())
    assert got == pytest.approx(three, abs=1e-12)
    groups = blocks.relabelings(8, 5, np.random.default_rng(2), paired=False)
    for first, second in zip(*groups, strict=True):
        a, b = first > 0, second > 0
        expected = mean_over_unlike_blocks(sums[a], sizes[a])
        expected += mean_over_unlike_blocks(sums[b], sizes[b])
        p, q = (sums[g].sum(axis=0) / sizes[g].sum() for g in (a, b))
        got = between_blocks(raw, first[None], second[None], paired=False)
        assert got == pytest.approx(expected - 2 * p @ q, abs=1e-12)


def test_paired_equals_the_mean_over_pairs_of_unlike_block_differences() -> None:
    """A2 for shared prompts, with blocks of one size, where the mean is plain."""
    human, model, *_ = random_blocks(3)
    sizes, other = np.full(8, 3.0), np.full(8, 11.0)
    difference = model / 11 - human / 3
    expected = mean_over_unlike_blocks(difference, np.ones(8))
    products = gram(human, model, sizes, other)
    got = between_blocks(products, *blocks.sides(8), paired=True)
    assert got == pytest.approx(expected, abs=1e-12)
    first, second = blocks.relabelings(8, 4, np.random.default_rng(4), paired=True)
    values = between_blocks(products, first, second, paired=True)
    for kept, value in zip(first[:, :8], values, strict=True):
        flipped = difference * np.where(kept, 1, -1)[:, None]
        assert value == pytest.approx(mean_over_unlike_blocks(flipped, np.ones(8)), abs=1e-12)


def test_centering_changes_nothing_for_blocks_of_one_size() -> None:
    human, model, *_ = random_blocks(5)
    sizes, other = np.full(8, 3.0), np.full(8, 11.0)
    sums, own = stacked(human, model, sizes, other)
    raw = between_blocks(Gram(sums @ sums.T, own), *blocks.sides(8), paired=False)
    centered = between_blocks(gram(human, model, sizes, other), *blocks.sides(8), paired=False)
    assert centered == pytest.approx(float(raw[0]), abs=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_replicates_leave_out_block_j_of_both_sides(paired: bool) -> None:
    data = random_blocks(6)
    products = gram(*data)
    for j, got in enumerate(squared_replicates(products, paired=paired)):
        kept = [np.delete(side, j, axis=0) for side in data]
        kept = [np.concatenate([side, np.zeros_like(side[:1])]) for side in kept]
        sums, sizes = stacked(*kept)
        center = (data[0].sum(axis=0) / data[2].sum() + data[1].sum(axis=0) / data[3].sum()) / 2
        sums -= sizes[:, None] * center
        expected = between_blocks(Gram(sums @ sums.T, sizes), *blocks.sides(8), paired=paired)
        assert got == pytest.approx(float(expected[0]), abs=1e-12)


@pytest.mark.simulation
@pytest.mark.parametrize("paired", [False, True])
def test_mean_is_the_true_square(paired: bool) -> None:
    """Within 4 standard errors of |p - q|^2, or of 0 at equality; blocks and sides are unequal."""
    rng, rates = np.random.default_rng(7), zipf(20)
    for other in (rates, tilted(rates, 0.5)):
        draws = []
        for _ in range(150):
            data = (
                prompted(rng, 40, 2, 16, rates, other)
                if paired
                else independent(rng, 40, 60, 16, rates, other)
            )
            draws.append(between_blocks(gram(*data.all), *blocks.sides(16), paired=paired)[0])
        truth = float(((rates - other) ** 2).sum()) if not paired else prompt_mean(rates, other)
        error = np.std(draws) / np.sqrt(len(draws))
        assert np.mean(draws) == pytest.approx(truth, abs=4 * error)


def prompt_mean(rates: Floats, other: Floats) -> float:
    """|p - q|^2 of mixtures over the prompts' topics, as `prompted` draws them."""
    topics = np.exp(0.7 * np.random.default_rng(8).standard_normal((40_000, len(rates))))
    mine, others = topics * rates, topics * other
    p = (mine / mine.sum(axis=1, keepdims=True)).mean(axis=0)
    q = (others / others.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(((p - q) ** 2).sum())


def test_noise_is_what_the_plug_in_has_too_much() -> None:
    data = random_blocks(9)
    products = gram(*data)
    both = blocks.sides(8)
    p, q = data[0].sum(axis=0) / data[2].sum(), data[1].sum(axis=0) / data[3].sum()
    assert plug_in(products, *both) == pytest.approx(float(((p - q) ** 2).sum()), rel=1e-12)
    noise = sampling_noise(products, paired=False)
    value = between_blocks(products, *both, paired=False)[0]
    assert value + noise == pytest.approx(float(((p - q) ** 2).sum()), rel=1e-12)


def test_shared_prompts_have_less_noise() -> None:
    data = prompted(np.random.default_rng(10), 150, 3, 32, zipf(40), zipf(40))
    products = gram(*data.all)
    assert sampling_noise(products, paired=True) < 0.8 * sampling_noise(products, paired=False)


def test_float32_features_with_float64_sums() -> None:
    """A17: 200,000 rows a side, summed to blocks; relative difference at most 1e-5."""
    rng = np.random.default_rng(11)
    rows = [rng.random((3125 * 64, 8)), rng.random((1000 * 64, 8)) * [1.02] * 8]
    values = []
    for kind in (np.float64, np.float32):
        human, model = (blocks.coarsen(r.astype(kind), 64) for r in rows)
        products = gram(human, model, np.full(64, 3125.0), np.full(64, 1000.0))
        values.append(between_blocks(products, *blocks.sides(64), paired=False)[0])
    assert values[1] == pytest.approx(values[0], rel=1e-5)


def both(paired: bool) -> Design:
    return PAIRED if paired else DESIGN


def test_inference_agrees_with_its_parts_and_repeats() -> None:
    data = independent(np.random.default_rng(12), 90, 200, 16, zipf(40), tilted(zipf(40), 0.4))
    arguments: dict[str, Any] = {"value": 0.25, "clusters": (90, 200), "design": DESIGN}
    got = infer_squared(*data.all, **arguments)
    assert got == infer_squared(*data.all, **arguments)
    replicates = squared_replicates(gram(*data.all), paired=False)
    expected = np.sqrt(15 / 16 * ((replicates - replicates.mean()) ** 2).sum())
    assert got.std_error == pytest.approx(float(expected), rel=1e-12)
    assert (got.ci_low + got.ci_high) / 2 == pytest.approx(0.25)
    assert got.p_value < 0.01
    assert got.blocks == 16
    assert 0 < got.floor < got.mde < 3 * got.floor


def test_blocks_are_merged_as_far_as_the_clusters_ask() -> None:
    data = independent(np.random.default_rng(22), 40, 200, 64, zipf(40), tilted(zipf(40), 0.4))
    got = infer_squared(*data.all, value=0.25, clusters=(40, 200), design=DESIGN)
    assert got.blocks == 16
    merged = [blocks.coarsen(each, 16) for each in data.all]
    replicates = squared_replicates(gram(*merged), paired=False)
    expected = np.sqrt(15 / 16 * ((replicates - replicates.mean()) ** 2).sum())
    assert got.std_error == pytest.approx(float(expected), rel=1e-12)


def test_side_order_changes_no_p_value_and_no_error() -> None:
    """Model and human swap: same estimate and error; p within Monte-Carlo error (R = 199)."""
    data = independent(np.random.default_rng(13), 90, 60, 16, zipf(40), tilted(zipf(40), 0.15))
    one = infer_squared(*data.all, value=0.0, clusters=(90, 60), design=DESIGN)
    swapped = data.model, data.human, data.model_sizes, data.human_sizes
    other = infer_squared(*swapped, value=0.0, clusters=(60, 90), design=DESIGN)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-9)
    assert other.mde == pytest.approx(one.mde, rel=1e-9)
    assert other.p_value == pytest.approx(one.p_value, abs=4 * np.sqrt(0.5 / 199))


@pytest.mark.parametrize("paired", [True, False])
def test_what_could_have_been_seen_depends_on_the_noise_and_not_on_the_difference(
    paired: bool,
) -> None:
    """A large difference, the same in all blocks, once gave an mde below 0."""
    human, model, *_ = random_blocks(23, count=16)
    sizes = np.full(16, 5.0), np.full(16, 70.0)
    none, large = (
        infer_squared(
            human, model + shift, *sizes, value=0.0, clusters=(40, 40), design=both(paired)
        )
        for shift in (0, 1000 * np.eye(1, human.shape[1]))
    )
    assert none.mde > 0
    assert large.mde == pytest.approx(none.mde, rel=1e-6)


def test_empty_blocks_change_nothing() -> None:
    rng, rates = np.random.default_rng(14), zipf(30)
    human, model = documents(rng, 50, rates), documents(rng, 80, tilted(rates, 0.5))
    places = rng.integers(0, 16, 50), rng.integers(0, 16, 80)
    few = blocked(rng, human, model, 16, human_block=places[0], model_block=places[1])
    many = blocked(rng, human, model, 32, human_block=places[0], model_block=places[1])
    value = [
        between_blocks(gram(*d.all), *blocks.sides(len(d.human)), paired=False) for d in (few, many)
    ]
    assert value[1] == pytest.approx(float(value[0][0]), rel=1e-9)
    got = infer_squared(*many.all, value=0.0, clusters=(50, 80), design=DESIGN)
    assert np.isfinite([got.std_error, got.p_value, got.floor, got.mde]).all()


def test_a_corpus_against_itself_is_no_evidence() -> None:
    """Blocks equal but for rounding were once given the p of their rounding errors."""
    human, _, sizes, _ = random_blocks(19)
    close = human * (1 + 1e-14 * np.random.default_rng(19).standard_normal(human.shape))
    for paired in (True, False):
        got = infer_squared(
            human, close, sizes, sizes, value=0.0, clusters=(16, 16), design=both(paired)
        )
        assert got.p_value > 0.9
        assert got.std_error < 1e-6 or not paired


def test_few_clusters_leave_groups_without_pairs() -> None:
    """Two of eight blocks hold all clusters of a side: some relabelings have no estimate."""
    human, model, human_sizes, model_sizes = random_blocks(18)
    filled = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    data = human * filled[:, None], model, human_sizes * filled, model_sizes
    got = infer_squared(*data, value=0.1, clusters=(16, 99), design=DESIGN)
    assert got.floor >= 0.1 or got.p_value < 0.05


def test_too_few_clusters_and_empty_sides_have_no_inference() -> None:
    data = random_blocks(15)
    got = infer_squared(*data, value=0.1, clusters=(15, 300), design=DESIGN, tells=True)
    assert np.isnan([got.std_error, got.ci_low, got.p_value, got.floor, got.mde, got.n_tell]).all()
    assert got.blocks == 0
    human, model, sizes, _ = random_blocks(16)
    nothing = infer_squared(
        human, 0 * model, sizes, 0 * sizes, value=0.1, clusters=(40, 40), design=PAIRED
    )
    assert np.isnan(nothing.p_value)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("sizes", [(60, 60), (25, 250), (250, 25)])
def test_a_value_is_above_its_floor_exactly_where_p_is_below_5_percent(
    paired: bool, sizes: tuple[int, int]
) -> None:
    """B5, of the corrected square; its roots follow, for they grow with it."""
    seen = set()
    for seed in range(17):
        rng = np.random.default_rng([seed, *sizes])
        other = tilted(zipf(40), 0.06 * seed)
        data = (
            prompted(rng, min(sizes), 2, 32, zipf(40), other)
            if paired
            else independent(rng, *sizes, 32, zipf(40), other)
        )
        clusters = (min(sizes), min(sizes)) if paired else sizes
        products = gram(*data.all)
        value = float(between_blocks(products, *blocks.sides(32), paired=paired)[0])
        got = infer_squared(*data.all, value=value, clusters=clusters, design=both(paired))
        assert (value > got.floor) == (got.p_value < 0.05)
        rooted = got.rooted(value)
        assert (np.sign(value) * abs(value) ** 0.5 > rooted.floor) == (got.p_value < 0.05)
        seen.add(got.p_value < 0.05)
    assert seen == {True, False}


def test_another_seed_of_relabelings_moves_neither_floor_nor_tell_size() -> None:
    """B18: both come from moments, where relabeling rejects too."""
    data = independent(np.random.default_rng(24), 150, 90, 32, zipf(40), tilted(zipf(40), 0.5))
    one, other = (
        infer_squared(
            *data.all,
            value=0.003,
            clusters=(150, 90),
            design=replace(DESIGN, seed=seed),
            tells=True,
        )
        for seed in (1, 2)
    )
    assert one.p_value < 0.05
    assert (one.floor, one.mde, one.n_tell, one.n_tell_low, one.n_tell_high) == (
        other.floor,
        other.mde,
        other.n_tell,
        other.n_tell_low,
        other.n_tell_high,
    )


def test_shapes_are_checked() -> None:
    human, model, human_sizes, model_sizes = random_blocks(17)
    with pytest.raises(ShapeError, match="same even number of blocks"):
        gram(human[:6], model, human_sizes[:6], model_sizes)
    with pytest.raises(ShapeError, match="same even number of blocks"):
        gram(human[:7], model[:7], human_sizes[:7], model_sizes[:7])
    with pytest.raises(ShapeError, match="one size for each of 8 blocks"):
        gram(human, model, human_sizes, model_sizes[:4])
