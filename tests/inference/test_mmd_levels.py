"""MMD by simulation: acceptance tests A4 to A11.

Each has a short form that runs by default and a long one, marked slow, with the bounds as the
acceptance tests state them; a short form allows four binomial standard errors beyond them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.inference.gram import between_documents, gram, squared_replicates, stratified_gram
from dftspark.inference.intervals import jackknife
from dftspark.inference.squared import block_test, fused_test
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings.fourier import DEFAULT, ONE, features
from dftspark.lenses.embeddings.statistic_feature_sums import FeatureState, FeatureSums
from dftspark.testing import oracles
from tests.normal_clouds import (
    closed_form,
    grams,
    normal,
    population,
    sides,
    state,
    statistic,
    zeta,
)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[FeatureState, FeatureState]]

SMALL = statistic(20, 40)  # D = 80
KERNELS = SMALL.frequencies.kernels
MAIN = KERNELS.index(DEFAULT)
GAUSSIAN = [i for i, name in enumerate(KERNELS) if name.startswith("gaussian")]
SLOW = pytest.mark.slow
pytestmark = pytest.mark.simulation


def say(text: str) -> None:
    """What a run with -s keeps."""
    print(f"\n  {text}", end="")


def slack(share: float, runs: int) -> float:
    return 4 * float(np.sqrt(share * (1 - share) / runs)) if runs < 500 else 0.0


def independent(n: int, m: int, shift: float = 0.0, of: FeatureSums = SMALL) -> Draw:
    dim = of.frequencies.dim

    def draw(rng: np.random.Generator, run: int) -> tuple[FeatureState, FeatureState]:
        model = np.arange(n, n + m)
        return (
            state(of, normal(rng, n, dim), hashing=run),
            state(of, normal(rng, m, dim, shift), model, hashing=run),
        )

    return draw


def prompted(n: int, shift: float, each: int = 1, of: FeatureSums = SMALL) -> Draw:
    """One human and `each` model documents a prompt: topic of sd 1, noise of sd .5."""
    dim = of.frequencies.dim

    def draw(rng: np.random.Generator, run: int) -> tuple[FeatureState, FeatureState]:
        topics = rng.standard_normal((n, dim))
        model = np.repeat(topics, each, axis=0) + 0.5 * normal(rng, n * each, dim, 2 * shift)
        prompts = np.arange(n)
        return (
            state(of, topics + 0.5 * normal(rng, n, dim), prompts, run),
            state(of, model, np.repeat(prompts, each), run),
        )

    return draw


def copied(n: int, by_cluster: bool) -> Draw:
    """Every document five times, its copies in one cluster or, wrongly, each in its own."""

    def draw(rng: np.random.Generator, run: int) -> tuple[FeatureState, FeatureState]:
        found = []
        for first in (0, n):
            names = np.repeat(np.arange(n), 5) if by_cluster else np.arange(5 * n)
            x = np.repeat(normal(rng, n, 20), 5, axis=0)
            found.append(state(SMALL, x, names + 5 * first, run))
        return found[0], found[1]

    return draw


def rejected(
    draw: Draw, runs: int, *, paired: bool, permutations: int = 199, main_only: bool = False
) -> dict[str, float]:
    """Share of runs with p <= .05, of the fused test and of each Gaussian bandwidth."""
    rng, found = np.random.default_rng(30), []
    for run in range(runs):
        sums = draw(rng, run)
        products = grams(*sums, [MAIN] if main_only else GAUSSIAN)
        options = {"paired": paired, "permutations": permutations}
        p = [] if main_only else [fused_test(products, rng=rng, **options)]  # type: ignore[arg-type]
        p += [block_test(each, rng=rng, **options) for each in products]  # type: ignore[arg-type]
        found.append(p)
    names = [DEFAULT] if main_only else ["fused", *(KERNELS[i] for i in GAUSSIAN)]
    shares = (np.array(found) <= 0.05).mean(axis=0)
    return dict(zip(names, shares.tolist(), strict=True))


@pytest.mark.parametrize("draws", [300, pytest.param(4_000, marks=SLOW)])
def test_unbiased(draws: int) -> None:
    """A4: n = 60, m = 90, d = 16, s2 = 32, |mu| = 1: mean .0179763, V-statistic .02865."""
    least, worst = (2048, 0.02) if draws > 1_000 else (256, 0.05)
    of, rng = statistic(16, 32, least), np.random.default_rng(31)
    truth = population(of.frequencies, 1.0)
    assert closed_form(16, 32, 1.0) == pytest.approx(0.01797629, rel=1e-6)
    assert truth == pytest.approx(0.0179763, rel=worst)
    found, plug_in = [], []
    for _ in range(draws):
        phi = [_phi(of, normal(rng, 60, 16)), _phi(of, normal(rng, 90, 16, 1.0))]
        p, q = (rows.sum(axis=0) for rows in phi)
        found.append(oracles.squared_mmd(p, q, 60, 90))
        plug_in.append(float(((p / 60 - q / 90) ** 2).sum()))
    error = np.std(found) / np.sqrt(draws)
    say(f"A4 mean {np.mean(found):.7f} +- {error:.7f}, V {np.mean(plug_in):.5f}, {draws} draws")
    assert np.mean(found) == pytest.approx(truth, abs=4 * error)
    assert np.mean(plug_in) == pytest.approx(0.02865, abs=4 * error + worst * truth)


def _phi(of: FeatureSums, x: Floats) -> Floats:
    phi = features(of.frequencies, x.astype(np.float32))
    return np.asarray(phi / (ONE * np.sqrt(of.frequencies.count)))


@pytest.mark.parametrize("draws", [400, pytest.param(4_000, marks=SLOW)])
def test_spread_at_equality(draws: int) -> None:
    """A5: sd within 5% of sqrt(2 zeta)(1/n + 1/m), and zeta at most 1.2 times the kernel's."""
    rng, d, n, m = np.random.default_rng(32), 10, 100, 150
    assert zeta(10, 20) == pytest.approx(8.3189e-3, rel=1e-4)
    pairs = 1 / (n * (n - 1)) + 1 / (m * (m - 1)) + 2 / (n * m)
    for least, worst in ((2048 if draws > 1_000 else 200, 1.05), (20, np.sqrt(1.2))):
        of = statistic(d, 20, least)
        found = []
        for _ in range(draws):
            p, q = (_phi(of, normal(rng, k, d)).sum(axis=0) for k in (n, m))
            found.append(oracles.squared_mmd(p, q, n, m))
        ratio = np.std(found) / np.sqrt(2 * zeta(d, 20) * pairs)
        noise = 4 / np.sqrt(2 * draws)
        say(f"A5 D = {of.frequencies.count}: sd {ratio:.3f} of the kernel's, {draws} draws")
        assert 0.95 - noise <= ratio <= worst + noise


# Bounds on the rejection rate at .05: [.03, .07], at most .08 for ten to one.
LEVELS = [
    pytest.param(independent(600, 600), False, 0.03, 0.07, id="equal"),
    pytest.param(independent(2000, 200), False, 0.0, 0.08, id="ten_to_one"),
    pytest.param(independent(200, 2000), False, 0.0, 0.08, id="one_to_ten"),
    pytest.param(prompted(400, 0.0), True, 0.03, 0.07, id="paired"),
    pytest.param(prompted(300, 0.0, each=3), True, 0.03, 0.07, id="paired_one_to_three"),
]


@pytest.mark.parametrize("runs", [30, pytest.param(1_000, marks=SLOW)])
@pytest.mark.parametrize(("draw", "paired", "low", "high"), LEVELS)
def test_level(draw: Draw, paired: bool, low: float, high: float, runs: int) -> None:
    """A6."""
    shares = rejected(draw, runs, paired=paired)
    say(f"A6 {shares}, {runs} runs")
    assert min(shares.values()) >= low - slack(low, runs)
    assert max(shares.values()) <= high + slack(high, runs)


@pytest.mark.parametrize("runs", [30, pytest.param(1_000, marks=SLOW)])
def test_level_of_strata(runs: int) -> None:
    """A6: one mix of strata against another; what each stratum holds is the same on both sides."""
    rng, found = np.random.default_rng(33), []
    for run in range(runs):
        own, all_documents = [], []
        for side, shares in enumerate(((420, 180), (180, 420))):
            for stratum, n in enumerate(shares):
                x = normal(rng, n, 20, (-1.0, 1.0)[stratum])
                names = np.arange(n) + 1000 * (2 * side + stratum)
                own.append(state(SMALL, x, names, run))
            all_documents.append(SMALL.merge(own[-2], own[-1]))
        strata = [sides(own[i], own[i + 2], MAIN) for i in (0, 1)]
        products = stratified_gram(strata, [0.7, 0.3])
        plain = gram(*sides(all_documents[0], all_documents[1], MAIN))
        found.append(
            [block_test(g, paired=False, permutations=199, rng=rng) for g in (products, plain)]
        )
    level, unstratified = (np.array(found) <= 0.05).mean(axis=0)
    say(f"A6 stratified {level:.3f}, the same unstratified {unstratified:.3f}, {runs} runs")
    assert 0.03 - slack(0.03, runs) <= level <= 0.07 + slack(0.07, runs)
    assert unstratified > 0.9


@pytest.mark.parametrize("runs", [30, pytest.param(1_000, marks=SLOW)])
def test_copies(runs: int) -> None:
    """A7: at most .08 where copies share a cluster; above .5 where rows are their own."""
    kept, lost = (
        rejected(copied(150, by_cluster), runs, paired=False, main_only=True)[DEFAULT]
        for by_cluster in (True, False)
    )
    say(f"A7 clusters {kept:.3f}, rows {lost:.3f}, {runs} runs")
    assert kept <= 0.08 + slack(0.08, runs)
    assert lost > 0.5


@pytest.mark.parametrize("runs", [30, pytest.param(1_000, marks=SLOW)])
def test_power(runs: int) -> None:
    """A8: shift .3 of 600 in d = 20, and of .6 over 200 dimensions of 400, D = d."""
    low = rejected(independent(600, 600, 0.3), runs, paired=False, main_only=True)[DEFAULT]
    of = statistic(200, 400, 200)

    def draw(rng: np.random.Generator, run: int) -> tuple[FeatureState, FeatureState]:
        shift = np.full(200, 0.06 / np.sqrt(2))
        return (
            state(of, normal(rng, 400, 200), hashing=run),
            state(of, normal(rng, 400, 200, shift), np.arange(400, 800), run),
        )

    high = rejected(draw, runs, paired=False, main_only=True)[DEFAULT]
    say(f"A8 d = 20: {low:.3f}, d = 200: {high:.3f}, {runs} runs")
    assert low >= 0.82 - slack(0.82, runs)
    assert high >= 0.78 - slack(0.78, runs)


@pytest.mark.parametrize("runs", [30, pytest.param(1_000, marks=SLOW)])
def test_shared_prompts(runs: int) -> None:
    """A9: paired power at least .65, unpaired at most .1; d = 10 at the median bandwidth."""
    of = statistic(10, 25)
    power = [
        rejected(prompted(400, 0.15, of=of), runs, paired=paired, main_only=True)[DEFAULT]
        for paired in (True, False)
    ]
    say(f"A9 paired {power[0]:.3f}, unpaired {power[1]:.3f}, {runs} runs")
    assert power[0] >= 0.65 - slack(0.65, runs)
    assert power[1] <= 0.1 + slack(0.1, runs)


@pytest.mark.parametrize("runs", [60, pytest.param(1_000, marks=SLOW)])
def test_coverage(runs: int) -> None:
    """A10: one distance in [.92, .98], A less B on the same human side in [.92, .985]."""
    rng, shifts = np.random.default_rng(34), (0.8, 0.6)
    truth = [population(SMALL.frequencies, shift) for shift in shifts]
    held = []
    for run in range(runs):
        human = state(SMALL, normal(rng, 600, 20), hashing=run)
        values, left_out = [], []
        for i, shift in enumerate(shifts, start=1):
            names = np.arange(600) + 1000 * i
            model = state(SMALL, normal(rng, 600, 20, shift), names, run)
            data = sides(human, model, MAIN)
            values.append(between_documents(*data, paired=False))
            left_out.append(squared_replicates(gram(*data), paired=False))
        _, low, high = jackknife(left_out[0], values[0], 0.95)
        difference = jackknife(left_out[0] - left_out[1], values[0] - values[1], 0.95)
        held.append(
            [low <= truth[0] <= high, difference[1] <= truth[0] - truth[1] <= difference[2]]
        )
    one, two = np.array(held).mean(axis=0)
    say(f"A10 coverage {one:.3f}, of a difference {two:.3f}, {runs} runs")
    assert 0.92 - slack(0.95, runs) <= one <= 0.98 + slack(0.95, runs)
    assert 0.92 - slack(0.95, runs) <= two <= 0.985 + slack(0.95, runs)


def test_energy_distance_on_the_sphere() -> None:
    """A11: within 8% of the pairwise one, for D = 2048 and five seeds."""
    rng, x = np.random.default_rng(35), []
    for shift in (0.0, 2.0):
        rows = normal(rng, 400, 64, shift)
        x.append((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    sigma = mmd.median_distance(np.concatenate(x))
    exact = oracles.exact_squared_mmd(x[0], x[1], mmd.kernel("energy", sigma))
    found = []
    for seed in range(5):
        of = statistic(64, sigma**2, 2048, seed).frequencies
        p, q = (features(of, rows, "energy").sum(axis=0) for rows in x)
        scale = ONE * np.sqrt(of.count)
        found.append(of.energy_scale * oracles.squared_mmd(p / scale, q / scale, 400, 400))
    say(f"A11 sphere: {np.array(found) / exact}")
    assert found == pytest.approx([exact] * 5, rel=0.08)


def test_energy_distance_of_two_normals() -> None:
    """A11: N(0, 1) against N(1, 1) is .54181, of features within 8% and of pairs to 4 errors."""
    of = statistic(1, 1.0, 2048).frequencies
    value = of.energy_scale * population(of, 1.0, kernel="energy")
    say(f"A11 normals: {value:.5f}")
    assert value == pytest.approx(0.54180658, rel=0.08)
    rng = np.random.default_rng(36)
    draws = [
        oracles.exact_squared_mmd(
            normal(rng, 90, 1), normal(rng, 60, 1, 1.0), mmd.kernel("energy", 1)
        )
        for _ in range(200)
    ]
    assert np.mean(draws) == pytest.approx(0.54180658, abs=4 * np.std(draws) / np.sqrt(200))


def test_power_on_one_bandwidth_is_not_lost_by_fusing() -> None:
    """A change of scale is found best by a narrower kernel: the fused test is near it."""
    of = SMALL

    def draw(rng: np.random.Generator, run: int) -> tuple[FeatureState, FeatureState]:
        return (
            state(of, normal(rng, 400, 20), hashing=run),
            state(of, 1.12 * normal(rng, 400, 20), np.arange(400, 800), run),
        )

    shares = rejected(draw, 30, paired=False)
    say(f"fused {shares}")
    assert shares["fused"] >= max(shares.values()) - 0.25
    assert shares["fused"] > shares["gaussian_2"]
