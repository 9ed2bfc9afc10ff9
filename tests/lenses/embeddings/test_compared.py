"""The embedding lens from states: exact where it can be, honest about its features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dftspark.config import Inference
from dftspark.inference import blocks
from dftspark.inference.feature_error import by_group, half_width
from dftspark.inference.gram import Gram, between_blocks, between_documents, stacked
from dftspark.inference.intervals import jackknife
from dftspark.lenses.embeddings import compared as embeddings
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings.exact_mmd import exact_metrics
from dftspark.lenses.embeddings.fourier import DEFAULT, ONE, features, radii
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState
from dftspark.lenses.metric import Metric
from dftspark.testing import oracles
from dftspark.text.hashing import mixed
from tests.normal_clouds import block_numbers, directions, normal, sides, state, statistic

Floats = NDArray[np.float64]
SETTINGS = Inference(permutations=199, splits=60)
OF = statistic(6, 12.0, 96)


def pair(
    seed: int, n: int = 300, m: int = 260, shift: float = 0.6
) -> tuple[FeatureState, FeatureState]:
    rng = np.random.default_rng(seed)
    return state(OF, normal(rng, n, 6)), state(
        OF, normal(rng, m, 6, shift), np.arange(1000, 1000 + m)
    )


def compared(
    human: FeatureState, model: FeatureState, *, paired: bool = False
) -> dict[str, Metric]:
    found = embeddings.compared(human, model, OF, paired=paired, settings=SETTINGS)
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


def test_every_measure_is_there() -> None:
    found = compared(*pair(1))
    assert list(found) == [
        "mmd_squared",
        "mmd",
        "mmd_squared_gaussian_2",
        "mmd_squared_gaussian_1",
        "mmd_squared_gaussian_0.5",
        "mmd_squared_gaussian_0.25",
        "mmd_squared_laplace",
        "mmd_squared_imq",
        "energy_distance",
        "mmd_fused",
        "mmd_squared_feature_error",
    ]
    main, root = found["mmd_squared"], found["mmd"]
    assert root.value**2 == pytest.approx(main.value)
    assert root.inference.ci_high**2 == pytest.approx(main.inference.ci_high)
    assert root.inference.p_value == main.inference.p_value < 0.01
    assert main.value > main.inference.floor
    assert main.inference.ci_low < main.value < main.inference.ci_high
    assert main.inference.blocks == 64
    assert main.inference.n_tell_low < main.inference.n_tell < main.inference.n_tell_high
    assert root.inference.n_tell == main.inference.n_tell
    fused = found["mmd_fused"]
    assert np.isnan([fused.value, fused.inference.floor]).all()
    assert fused.inference.p_value < 0.01
    assert 0 < found["mmd_squared_feature_error"].value < main.value


def test_value_is_the_mean_over_pairs_of_unlike_blocks() -> None:
    """A2: to 1e-12 from the documents' own features, which the reported value has centered between
    the sides; near the kernel itself, within their error."""
    rng = np.random.default_rng(2)
    x = [rows.astype(np.float32) for rows in (normal(rng, 90, 6), normal(rng, 70, 6, 0.9))]
    names = [np.arange(90), np.arange(200, 270)]
    human, model = (state(OF, rows, own) for rows, own in zip(x, names, strict=True))
    where = [
        (mixed(mixed(own.astype(np.uint64), np.uint64(1)), np.uint64(2)) % 64).astype(int)
        for own in names
    ]
    found = compared(human, model)
    frequencies = OF.frequencies
    phi = [features(frequencies, r) / (ONE * np.sqrt(frequencies.count)) for r in x]

    def pairs(phi: list[Floats]) -> float:
        value = -2 * (phi[0] @ phi[1].T).mean()
        for rows, own in zip(phi, where, strict=True):
            value += (rows @ rows.T)[own[:, None] != own].mean()
        return float(value)

    center = (phi[0].mean(axis=0) + phi[1].mean(axis=0)) / 2
    centered = pairs([rows - center for rows in phi])
    assert found["mmd_squared"].value == pytest.approx(centered, abs=1e-12)
    main = sides(human, model, frequencies.kernels.index(DEFAULT))
    sums, sizes = stacked(*main)
    plain = Gram(sums @ sums.T, sizes)
    both = blocks.sides(plain.blocks)
    value = between_blocks(plain, *both, paired=False)[0]
    assert value == pytest.approx(pairs(phi), abs=1e-12)
    error = found["mmd_squared_feature_error"].value
    for kernel in frequencies.kernels:
        of = mmd.kernel(kernel, frequencies.sigma)
        exact = oracles.exact_squared_mmd(x[0], x[1], of, *where)
        name = "energy_distance" if kernel == "energy" else f"mmd_squared_{kernel}"
        scale = frequencies.energy_scale if kernel == "energy" else 1.0
        assert found[name].value == pytest.approx(exact, abs=8 * scale * error), kernel


@pytest.mark.parametrize("paired", [False, True])
def test_the_exact_check_goes_the_same_way(paired: bool) -> None:
    """On the same documents: features as the lens has them, the kernel within their error."""
    rng = np.random.default_rng(11)
    x = [normal(rng, 300, 6), normal(rng, 260, 6, 0.6)]
    clusters = [np.arange(300), np.arange(260) + (0 if paired else 1000)]
    human, model = (state(OF, own, which) for own, which in zip(x, clusters, strict=True))
    found = compared(human, model, paired=paired)
    where = [block_numbers(own) for own in clusters]
    exact, root, features_of_same = exact_metrics(
        np.concatenate(x).astype(np.float32),
        np.repeat([False, True], [300, 260]),
        np.concatenate(where),
        (300, 260),
        OF.frequencies,
        paired=paired,
        settings=SETTINGS,
    )
    main = found["mmd_squared"]
    assert features_of_same.value == pytest.approx(main.value, abs=1e-12)
    same = features_of_same.inference
    assert (same.ci_low, same.floor) == pytest.approx(
        (main.inference.ci_low, main.inference.floor), abs=1e-9
    )
    error = found["mmd_squared_feature_error"].value
    assert exact.value == pytest.approx(main.value, abs=8 * error)
    assert exact.inference.p_value < 0.01
    assert root.value**2 == pytest.approx(exact.value)


def test_a_corpus_against_itself() -> None:
    human, _ = pair(3)
    found = [compared(human, human, paired=paired) for paired in (True, False)]
    for each in found:
        assert each["mmd_squared"].inference.p_value > 0.9
    value = found[1]["mmd_squared"].value
    assert found[1]["mmd"].value == -np.sqrt(-value)


def test_few_clusters_have_a_value_alone() -> None:
    human, model = pair(4, n=40, m=12)
    found = compared(human, model)
    known = [metric.value for name, metric in found.items() if name != "mmd_fused"]
    assert np.isfinite(known).all()
    own = found["mmd_squared"].inference
    assert np.isnan([own.std_error, own.p_value, own.floor, own.mde]).all()
    assert own.blocks == 0
    assert compared(*pair(4, n=40, m=17))["mmd_squared"].inference.blocks == 8
    nothing = compared(human, OF.empty())
    assert np.isnan([nothing["mmd_squared"].value, nothing["mmd"].value]).all()


def test_shared_prompts_are_compared_in_pairs() -> None:
    """The topics that both sides share add noise to the unpaired form alone."""
    rng, prompts = np.random.default_rng(5), np.arange(400)
    topics = 2 * normal(rng, 400, 6)
    human = state(OF, topics + 0.3 * normal(rng, 400, 6), prompts)
    model = state(OF, topics + 0.3 * normal(rng, 400, 6, 0.4), prompts)
    unpaired, paired = (compared(human, model, paired=p)["mmd_squared"] for p in (False, True))
    assert paired.inference.p_value < 0.02 < unpaired.inference.p_value
    assert paired.value > unpaired.value


def test_feature_error_is_what_other_seeds_show() -> None:
    """The mean reported error over 40 seeds against the spread over them: not far too small."""
    rng = np.random.default_rng(6)
    x, y = normal(rng, 300, 6), normal(rng, 300, 6, 0.8)
    values, errors = [], []
    for seed in range(40):
        of = statistic(6, 12.0, 96, seed)
        data = sides(state(of, x), state(of, y), of.frequencies.kernels.index(DEFAULT))
        found = by_group(data, of.frequencies.groups(), paired=False)
        assert found.mean() == pytest.approx(between_documents(*data, paired=False))
        values.append(found.mean())
        errors.append(half_width(found) / stats.t.ppf(0.975, len(found) - 1))
    assert 0.7 * np.std(values) < np.mean(errors) < 4 * np.std(values)
    assert np.isnan(half_width(np.ones(1)))


def test_strata_take_a_different_mix_away() -> None:
    rng, human, model = np.random.default_rng(7), {}, {}
    for name, n, m, center, shift in (("a", 300, 80, -2.0, 0.0), ("b", 90, 320, 2.0, 0.0)):
        human[name] = state(OF, normal(rng, n, 6, center), rng.integers(0, 10**6, n))
        model[name] = state(OF, normal(rng, m, 6, center + shift), rng.integers(0, 10**6, m))
    human["only human"] = human["a"]
    human["few"], model["few"] = pair(8, n=40, m=9)
    options = {"paired": False, "settings": SETTINGS}
    found = {
        weights: {
            m.name: m
            for m in embeddings.stratified(human, model, OF, weights=weights, **options)  # type: ignore[arg-type]
        }
        for weights in ("human", "uniform")
    }
    both = [OF.merge(side["a"], side["b"]) for side in (human, model)]
    assert compared(both[0], both[1])["mmd_squared"].inference.p_value < 0.01
    for metrics in found.values():
        assert list(metrics) == ["mmd_squared_stratified", "mmd_stratified", "mmd_squared_within"]
        for metric in metrics.values():
            assert metric.inference.p_value > 0.01
            assert metric.inference.blocks == 64
    number = OF.frequencies.kernels.index(DEFAULT)
    within = [between_documents(*sides(human[n], model[n], number), paired=False) for n in "ab"]
    share = 300 / 390
    got = found["human"]["mmd_squared_within"].value
    assert got == pytest.approx(share * within[0] + (1 - share) * within[1])
    assert found["uniform"]["mmd_squared_within"].value == pytest.approx(np.mean(within))
    assert embeddings.stratified({"a": human["a"]}, model, OF, **options) == []  # type: ignore[arg-type]


def test_opposite_shifts_cancel_in_the_mix_and_not_within() -> None:
    """Strata that trade places: one mix has the same cloud, and neither stratum is alike."""
    rng, human, model = np.random.default_rng(9), {}, {}
    for name, center in (("a", -1.5), ("b", 1.5)):
        human[name] = state(OF, normal(rng, 400, 6, center), rng.integers(0, 10**6, 400))
        model[name] = state(OF, normal(rng, 400, 6, -center), rng.integers(0, 10**6, 400))
    mixed_up, _, within = embeddings.stratified(human, model, OF, paired=False, settings=SETTINGS)
    assert within.value > 50 * abs(mixed_up.value)
    assert within.inference.p_value < 0.01 < mixed_up.inference.p_value


@pytest.mark.simulation
def test_the_half_width_holds_the_error_of_the_features() -> None:
    """B17: near equality, the mean over seeds is within the printed half-width as often as said."""
    rng = np.random.default_rng(16)
    x, y = normal(rng, 250, 6), normal(rng, 250, 6, 0.1)
    values, widths = [], []
    for seed in range(40):
        of = statistic(6, 12.0, 96, seed)
        data = sides(state(of, x), state(of, y), of.frequencies.kernels.index(DEFAULT))
        found = by_group(data, of.frequencies.groups(), paired=False)
        values.append(float(found.mean()))
        widths.append(half_width(found))
    beyond = np.abs(np.array(values) - np.mean(values)) > np.array(widths)
    assert beyond.mean() <= 0.15


def test_covariance_holds_the_errors_and_their_difference() -> None:
    left_out = np.random.default_rng(13).standard_normal((3, 16))
    covariance = oracles.jackknife_covariance(left_out)
    for row, variance in zip(left_out, np.diag(covariance), strict=True):
        assert np.sqrt(variance) == pytest.approx(jackknife(row, 0.0, 0.95)[0])
    error, *_ = jackknife(left_out[0] - left_out[1], 0.0, 0.95)
    contrast = np.array([1.0, -1.0, 0.0])
    assert np.sqrt(contrast @ covariance @ contrast) == pytest.approx(error)
    assert np.isnan(oracles.jackknife_covariance(left_out[:, :1])).all()


def test_float32_features_and_whole_sums_lose_nothing() -> None:
    """A17: against float64 throughout, 200,000 documents a side, within 1e-5."""
    of = statistic(8, 16.0, 32)
    rng = np.random.default_rng(14)
    x = normal(rng, 200_000, 8).astype(np.float32)
    y = normal(rng, 200_000, 8, 0.5).astype(np.float32)
    human, model = state(of, x), state(of, y)
    kernels = of.frequencies.kernels
    omega = directions(of.frequencies) * radii(of.frequencies)[kernels.index(DEFAULT)]
    totals = []
    for rows in (x, y):
        angles = rows.astype(np.float64) @ omega
        totals.append(np.concatenate([np.cos(angles).sum(axis=0), np.sin(angles).sum(axis=0)]))
    totals = [total / np.sqrt(of.frequencies.count) for total in totals]
    exact = oracles.squared_mmd(totals[0], totals[1], 200_000, 200_000)
    ours = [s.block_sums(kernels.index(DEFAULT)).sum(axis=0) for s in (human, model)]
    got = oracles.squared_mmd(ours[0], ours[1], 200_000, 200_000)
    print(f"\n  A17 relative difference {abs(got / exact - 1):.1e}", end="")
    assert got == pytest.approx(exact, rel=1e-5)


def test_merged_states_give_the_same_numbers() -> None:
    human, model = pair(15)
    rng = np.random.default_rng(15)
    x = normal(rng, 300, 6)
    parts = [state(OF, x[i::3], np.arange(i, 300, 3)) for i in (2, 0, 1)]
    merged = OF.merge(OF.merge(parts[0], parts[1]), parts[2])
    assert merged.encode() == human.encode()
    assert repr(compared(merged, model)) == repr(compared(human, model))  # nan is not nan
