"""Random features: their kernels, their exactness, and that nothing about a batch matters (A3)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dftspark.errors import ConfigError, InputError, ShapeError
from dftspark.lenses.embeddings import distance_mmd as mmd
from dftspark.lenses.embeddings import fourier
from dftspark.lenses.embeddings.fourier import (
    DEFAULT,
    ONE,
    Frequencies,
    add_to_blocks,
    features,
    radii,
)
from tests.normal_clouds import closed_form, directions, population, population_of

Floats = NDArray[np.float64]


def unit_vectors(seed: int, n: int, d: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((n, d)) + 0.3
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def test_the_same_on_every_machine() -> None:
    """Profiles hold these numbers: another hash means that old states no longer compare."""
    frequencies = Frequencies(dim=7, sigma=0.8, least=50, seed=3)
    found = sha256(fourier._directions(frequencies).astype("<i8").tobytes()).hexdigest()
    assert found == DIRECTIONS
    vectors = np.arange(21, dtype=np.float32).reshape(3, 7) / 16
    numbers = [features(frequencies, vectors, kernel) for kernel in frequencies.kernels]
    assert sha256(np.stack(numbers).astype("<i4").tobytes()).hexdigest() == FEATURES


DIRECTIONS = "d21de0df0852c156d7dad65a512ac7dc7e41cf0143a8504e6193285c4cbeec62"
FEATURES = "f734844bc36237469409dece3e21d7cf7f3d12bd02479b819a2a25aaf08a009c"


@pytest.mark.parametrize(("dim", "least", "count"), [(3, 9, 9), (5, 11, 15), (64, 3, 64)])
def test_directions_are_whole_orthogonal_blocks(dim: int, least: int, count: int) -> None:
    frequencies = Frequencies(dim=dim, sigma=1, least=least)
    columns = directions(frequencies)
    assert columns.shape == (dim, count)
    for start in range(0, count, dim):
        block = columns[:, start : start + dim]
        assert np.abs(block.T @ block - np.eye(dim)).max() < dim * 2.0**-23


def test_directions_have_no_favorite() -> None:
    """Over 300 seeds every entry has mean 0 and mean square 1 / d, within 4 standard errors."""
    found = np.stack([directions(Frequencies(dim=4, sigma=1, least=4, seed=s)) for s in range(300)])
    error = found.std(axis=0) / np.sqrt(300)
    assert (np.abs(found.mean(axis=0)) <= 4 * error).all()
    squares = found**2
    assert (np.abs(squares.mean(axis=0) - 1 / 4) <= 4 * squares.std(axis=0) / np.sqrt(300)).all()


@pytest.mark.parametrize("dim", [2, 8, 64, 384])
def test_radii_are_those_of_the_spectrum(dim: int) -> None:
    """A3: mean r^2 / d is 1 within 1%; without the chi radii the kernel is another one."""
    frequencies = Frequencies(dim=dim, sigma=1.7)
    found = dict(zip(frequencies.kernels, radii(frequencies), strict=True))
    assert (found[DEFAULT] * 1.7).__pow__(2).mean() / dim == pytest.approx(1, abs=0.01)
    assert found["gaussian_0.25"] == pytest.approx(4 * found[DEFAULT])
    # |z| has median .6745, and chi_d^2 one of about d - 2/3.
    expected = np.sqrt(max(dim - 2 / 3, 1.386))
    assert np.median(found["laplace"]) * 1.7 == pytest.approx(expected / 0.6745, rel=0.1)
    ones = np.isclose(found["energy"], found["energy"].min()).mean()
    assert ones == pytest.approx(8 / np.pi**2, abs=0.001)


@pytest.mark.simulation
@pytest.mark.parametrize("dim", [1, 3, 10])
def test_every_kernel_is_the_mean_over_seeds(dim: int) -> None:
    """Within 4 standard errors of its closed form at four distances, for 300 seeds."""
    rng = np.random.default_rng(dim)
    x = (rng.standard_normal((5, dim)) * [[0], [0.2], [0.5], [0.8], [1.2]]).astype(np.float32)
    x /= np.sqrt(dim)
    distances = np.sqrt(mmd.squared_distances(x[:1].astype(float), x.astype(float)))[0]
    draws: dict[str, list[Floats]] = {}
    for seed in range(300):
        frequencies = Frequencies(dim=dim, sigma=1.0, least=16, seed=seed)
        for kernel in frequencies.kernels:
            phi = features(frequencies, x, kernel) / (ONE * np.sqrt(frequencies.count))
            assert np.abs((phi**2).sum(axis=1) - 1).max() < 2e-6
            value = phi @ phi[0]
            if kernel == "energy":
                value = frequencies.energy_scale * (value - 1)
            draws.setdefault(kernel, []).append(value)
    for kernel, values in draws.items():
        expected = mmd.kernel(kernel, 1.0)(distances**2)
        error = np.std(values, axis=0) / np.sqrt(300)
        assert (np.abs(np.mean(values, axis=0) - expected) <= 4 * error + 1e-5).all(), kernel


def test_features_are_the_cosines_of_their_frequencies() -> None:
    """Against float64, to two units of the last place that is kept, in every kernel's range."""
    frequencies = Frequencies(dim=16, sigma=0.9)
    x = unit_vectors(1, 40, 16)
    turns = x.astype(np.float64) @ directions(frequencies)
    for kernel, row in zip(frequencies.kernels, radii(frequencies), strict=True):
        expected = np.concatenate([np.cos(turns * row), np.sin(turns * row)], axis=1)
        error = np.abs(features(frequencies, x, kernel) / ONE - expected)
        slow = np.tile(row < 200, 2)  # float32 turns are less exact where they are many
        assert error[:, slow].max() < 1e-4, kernel
        assert np.median(error) < 2e-6, kernel


def test_a_document_is_the_same_in_any_batch() -> None:
    """Bit for bit: alone, in a tile, across tiles, from any layout, in any order."""
    frequencies = Frequencies(dim=48, sigma=1.1, least=96)
    x = unit_vectors(2, 600, 48)
    whole = features(frequencies, x)
    assert np.array_equal(whole[::7], features(frequencies, x[::7]))
    assert np.array_equal(whole, features(frequencies, np.asfortranarray(x)))
    assert np.array_equal(whole[300:301], features(frequencies, x[300:301]))
    assert np.array_equal(whole[::-1], features(frequencies, x[::-1]))


def test_projections_are_exact_whole_numbers() -> None:
    """Against Python's integers, for vectors as long as is allowed."""
    frequencies = Frequencies(dim=40, sigma=1.0, least=40)
    x = 100 * unit_vectors(3, 3, 40).astype(np.float64)
    whole = np.rint(x * 2.0**22)
    columns = fourier._directions(frequencies)
    exact = [
        [sum(int(a) * int(b) for a, b in zip(row, column, strict=True)) for column in columns.T]
        for row in whole
    ]
    assert np.array_equal(whole @ columns, np.array(exact, np.float64))
    assert max(abs(v) for row in exact for v in row) < 2**53
    ((_, projected),) = fourier._projected(frequencies, x)
    assert np.array_equal(projected, np.array(exact, np.float64).astype(np.float32))


def test_block_sums_are_sums_of_features() -> None:
    frequencies = Frequencies(dim=5, sigma=0.6, least=12)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3000, 5)).astype(np.float32)
    blocks = np.minimum(rng.integers(0, 64, 3000), 40)  # one with more than an int32 holds
    sums = np.zeros((64, len(frequencies.kernels), 2 * frequencies.count), np.int64)
    add_to_blocks(sums, frequencies, x, blocks)
    for number, kernel in enumerate(frequencies.kernels):
        expected = np.zeros((64, 2 * frequencies.count), np.int64)
        np.add.at(expected, blocks, features(frequencies, x, kernel).astype(np.int64))
        assert np.array_equal(sums[:, number], expected)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("d", "shift", "scale", "expected"),
    [
        (8, 1, 1, 3.9952855449e-02),
        (8, 0, 1.1, 3.1938704746e-03),
        (32, 1, 1, 9.2254734475e-03),
        (32, 0, 1.1, 1.5899629699e-03),
        (64, 1, 1, 4.6746972385e-03),
        (64, 0, 1.1, 1.5886419753e-03),
        (384, 1, 1, 7.8795840186e-04),
        (384, 0, 1.1, 1.5870019980e-03),
    ],
)
def test_population_value_is_the_closed_form(
    d: int, shift: float, scale: float, expected: float
) -> None:
    """A3: mean shift within 2%, change of scale within 0.1%; independent ones far less exact."""
    s2 = d if d == 8 else 2 * d
    assert closed_form(d, s2, shift, scale) == pytest.approx(expected, rel=1e-9)
    worst = 0.02 if shift else 0.001
    for seed in range(3):
        frequencies = Frequencies(dim=d, sigma=np.sqrt(s2), seed=seed)
        assert population(frequencies, shift, scale) == pytest.approx(expected, rel=worst)
    count = Frequencies(dim=d, sigma=1).count
    rng = np.random.default_rng(5)
    if shift and d < 100:
        errors = [
            population_of(rng.standard_normal((d, count)) / np.sqrt(s2), shift, scale) / expected
            for _ in range(8)
        ]
        assert np.abs(np.array(errors) - 1).max() <= 4 * np.sqrt(2 / count)
        assert np.std(errors) > 0.01


def test_groups_are_smaller_maps_and_cover_all() -> None:
    for dim, least, count in ((384, 2048, 6), (768, 2048, 4), (4096, 2048, 4), (1, 100, 32)):
        frequencies = Frequencies(dim=dim, sigma=1, least=least)
        groups = frequencies.groups()
        assert len(groups) == count
        assert np.array_equal(np.sort(np.concatenate(groups)), np.arange(frequencies.count))


def test_a_manifest_is_enough() -> None:
    frequencies = Frequencies(dim=6, sigma=0.123, least=13, seed=9, ladder=(1, 0.5))
    kept = json.loads(json.dumps(frequencies.manifest()))
    assert kept.pop("count") == frequencies.count == 18
    assert Frequencies(**kept) == frequencies


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dim": 0}, "at least one coordinate"),
        ({"sigma": 0.0}, "a pilot of equal vectors"),
        ({"sigma": float("nan")}, "above 0, got nan"),
        ({"ladder": (2.0, 0.5)}, "1 among them"),
    ],
)
def test_what_cannot_be_frequencies(change: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Frequencies(**{"dim": 3, "sigma": 1.0, **change})


def test_unfit_vectors_are_errors() -> None:
    frequencies = Frequencies(dim=3, sigma=1.0, least=3)
    with pytest.raises(ShapeError, match="another model"):
        features(frequencies, np.zeros((2, 4), np.float32))
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="1 of 2 vectors are not finite"):
            features(frequencies, np.array([[0, 0, 1], [0, bad, 0]], np.float32))
    with pytest.raises(InputError, match=r"200 long where the bandwidth is 1.*normalize"):
        features(frequencies, np.array([[0, 0, 1], [0, 200, 0]], np.float32))
    assert features(frequencies, np.zeros((0, 3), np.float32)).shape == (0, 6)
