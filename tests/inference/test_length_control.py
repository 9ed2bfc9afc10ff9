"""The length-controlled rate: a planted effect is recovered, with the coverage it states (A16)."""

from __future__ import annotations

import numpy as np
import pytest

from dftspark.errors import ShapeError
from dftspark.inference.length_control import LengthControlled, length_controlled

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def verdicts(
    rng: np.random.Generator,
    pairs: int,
    theta: float,
    beta: float,
    gamma: float,
    spread: float = 0.0,
    clusters: int | None = None,
) -> Drawn:
    """Both orders of each pair; the model's texts are longer by half a scale on average.

    `spread` is the standard deviation of a cluster's own log odds.
    """
    number = np.arange(pairs) if clusters is None else np.arange(pairs) % clusters
    own = rng.normal(0, spread, number.max() + 1)[number] if spread else np.zeros(pairs)
    longer = rng.normal(0.5, 1, pairs)
    columns = []
    for sign in (1.0, -1.0):
        eta = theta + own + beta * sign + gamma * np.tanh(longer)
        wins = (rng.random(pairs) < 1 / (1 + np.exp(-eta))).astype(float)
        columns.append((wins, np.full(pairs, sign > 0), longer, number))
    return tuple(np.concatenate(c) for c in zip(*columns, strict=True))  # type: ignore[return-value]


def fitted(drawn: Drawn) -> LengthControlled:
    return length_controlled(*drawn, scale=1.0)


THETA = float(np.log(0.55 / 0.45))


def test_the_planted_rate_is_recovered() -> None:
    drawn = verdicts(np.random.default_rng(0), 60_000, THETA, 0.8, 1.2)
    assert drawn[0].mean() > 0.6, "length makes the raw rate larger"
    found = fitted(drawn)
    assert found.value == pytest.approx(0.55, abs=0.01)
    assert found.position == pytest.approx(0.8, abs=0.05)
    assert found.length == pytest.approx(1.2, abs=0.08)


def test_a_judge_that_goes_by_length_alone_is_at_parity_at_equal_lengths() -> None:
    found = fitted(verdicts(np.random.default_rng(1), 20_000, 0.0, 0.0, 2.0))
    assert found.value == pytest.approx(0.5, abs=0.015)


@pytest.mark.simulation
def test_interval_covers_and_test_has_its_level() -> None:
    rng = np.random.default_rng(2)
    found = [fitted(verdicts(rng, 400, THETA, 0.8, 1.0)) for _ in range(300)]
    covered = np.mean([f.low <= 0.55 <= f.high for f in found])
    assert 0.93 <= covered <= 0.975
    null = [fitted(verdicts(rng, 400, 0.0, 0.8, 1.0)).p_value < 0.05 for _ in range(300)]
    assert 0.02 <= np.mean(null) <= 0.08


def test_clusters_widen_it() -> None:
    rng = np.random.default_rng(3)
    drawn = verdicts(rng, 800, 0.0, 0.0, 0.5, spread=1.5, clusters=40)
    alone = (*drawn[:3], np.arange(len(drawn[0])))
    assert fitted(drawn).std_error > 1.5 * fitted(alone).std_error


@pytest.mark.parametrize("who", ["position", "length"])
def test_where_nothing_else_decides_nothing_is_claimed(who: str) -> None:
    rng = np.random.default_rng(4)
    longer = rng.normal(0.5, 1, 200)
    first = np.repeat([True, False], 200)
    wins = first if who == "position" else np.tile(longer > 0, 2)
    found = length_controlled(
        wins.astype(float), first, np.tile(longer, 2), np.tile(np.arange(200), 2), 1.0
    )
    assert found.low < 0.45
    assert found.high > 0.55
    assert np.isfinite([found.position, found.length]).all()


def test_few_clusters_and_unlike_shapes() -> None:
    drawn = verdicts(np.random.default_rng(5), 8, 0.0, 0.0, 0.0)
    assert np.isnan(fitted(drawn).value)
    with pytest.raises(ShapeError):
        length_controlled(drawn[0], drawn[1], drawn[2], drawn[3], scale=0.0)
