"""The best setting of a sweep, with and without the winner's curse, and what follows from it.

The best of K noisy values looks better than it is, the more so the more settings are tried. So the
setting is also chosen on one half of the prompts' blocks and reported on the other, both ways and
over many splits: no reported value has had a part in its choice. With no true difference between
settings the mean of these values is their common value, while the naive best lies below it by the
mean of the largest of K correlated errors.

Values on halves are first moved so that each setting's mean over all of them is its value on all
blocks: a distance with a bias that depends on the number of documents is twice as biased on a half,
and that is not optimism. A setting that always wins then has its value as the honest one. An honest
distance of about 0 may come out a little below it.

An interval is as wide as those of the settings that were chosen, on average. Averaging over many
splits and settings makes the value steadier than that, so intervals are cautious; docs/sweeps.md
has their coverage.

Cost     K x splits reads of memory; K^2 x draws for the tests of who may be best
Source   sample splitting against selection: Cox (1975); multiple comparisons with the best: Hsu
         (1981), with a common multivariate t by simulation
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS = 999
_SURELY = 1e-4  # a bound of p below which no draws are needed
_ROUNDING = 1e-9
_FEW = 10  # draws beyond the observed value; with fewer, a bound takes the place of their share


@dataclass(frozen=True, eq=False)
class Grid:
    """One measure of K corpora against one human side; smaller is better.

    values     `(K,)` from all blocks
    left_out   `(K, S)` the same without block j of both sides
    halves     `(K, splits, 2)` on both halves of the blocks, the same split for all
    blocks     `(K,)` blocks that the corpus fills: degrees of freedom plus one
    candidates `(K,)` true for settings to choose from; the others are challengers

    Raises ShapeError for arrays that do not go together and without a candidate.
    """

    values: Floats
    left_out: Floats
    halves: Floats
    blocks: Integers
    candidates: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.values)
        shapes = {
            "left_out": self.left_out.shape[:1] == (count,) and self.left_out.ndim == 2,
            "halves": self.halves.ndim == 3 and self.halves.shape[::2] == (count, 2),
            "blocks": self.blocks.shape == (count,),
            "candidates": self.candidates.shape == (count,) and bool(self.candidates.any()),
        }
        wrong = [name for name, right in shapes.items() if not right]
        if wrong:
            raise ShapeError(f"{', '.join(wrong)} of a grid of {count} do not fit its values")

    @property
    def best(self) -> int:
        """The naive best candidate; the first of those that tie."""
        return int(np.argmin(_only(self.values, self.candidates)))

    @property
    def centered(self) -> Floats:
        """Halves `(K, splits, 2)` whose mean is the value on all blocks."""
        return np.asarray(self.halves + _shift(self))

    @property
    def effects(self) -> Floats:
        """Effects `(K, S)` whose products are jackknife covariances."""
        blocks = self.left_out.shape[1]
        centered = self.left_out - self.left_out.mean(axis=1, keepdims=True)
        return np.asarray(centered * math.sqrt((blocks - 1) / blocks))

    def chosen(self) -> Integers:
        """Returns the best candidate `(splits, 2)` on each half."""
        there = np.where(np.isnan(self.centered), np.inf, self.centered)
        return np.asarray(np.argmin(_only(there, self.candidates[:, None, None]), axis=0))


@dataclass(frozen=True)
class Value:
    """An estimate with its interval; p is two-sided for 0, nan where it is not asked for."""

    value: float
    std_error: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class SuperBaseline:
    """best      the naive choice, on all blocks
    naive      its value, as a report takes it
    honest     of the choice made on one half, on the other half
    optimism   honest less naive: how much of the naive value is luck
    expected   what the optimism would be on average if all settings were alike
    chosen     share of the halves in which each corpus was the best, `(K,)`
    """

    best: int
    naive: float
    honest: Value
    optimism: float
    expected: float
    chosen: Floats


def super_baseline(grid: Grid, *, confidence: float = 0.95, seed: int = 0) -> SuperBaseline:
    """Returns the best candidate as it looks, and as it is on halves that did not choose it."""
    chosen = grid.chosen()
    honest = _reported(grid, chosen, None, confidence)
    naive = float(grid.values[grid.best])
    shares = np.bincount(chosen.ravel(), minlength=len(grid.values)) / chosen.size
    return SuperBaseline(
        best=grid.best,
        naive=naive,
        honest=honest,
        optimism=honest.value - naive,
        expected=expected_optimism(grid.effects[grid.candidates], seed=seed),
        chosen=np.asarray(shares, np.float64),
    )


def challenge(grid: Grid, challenger: int, *, confidence: float = 0.95) -> Value:
    """Returns the challenger less the honest super baseline, from the same blocks: below 0 it is
    better.

    What both owe to the human side cancels. Raises ShapeError for a corpus that could be chosen.
    """
    if grid.candidates[challenger]:
        raise ShapeError("a challenger is no candidate of the grid that it is compared with")
    chosen = grid.chosen()
    return _reported(grid, np.full_like(chosen, challenger), chosen, confidence)


def regret(grid: Grid, other: Grid, *, confidence: float = 0.95) -> Value:
    """Returns what the best setting by `other` costs in `grid`'s measure, at least about 0.

    Both are chosen on one half and reported on the other.
    """
    return _reported(grid, other.chosen(), grid.chosen(), confidence)


def expected_optimism(effects: Floats, *, seed: int = 0, draws: int = 1_000) -> float:
    """Returns -E min of K normal errors with covariance `effects` `(K, S)` @ its transpose.

    For K independent errors of one size it is their standard deviation times the mean of the
    largest of K standard normals, 1.03 for 4, 1.79 for 17, 2.51 for 100; times sqrt(1 - r) where r
    is what they share by the human side.
    """
    normal = np.random.default_rng(seed).standard_normal((draws // 2, effects.shape[1]))
    errors = np.concatenate([normal, -normal]) @ effects.T
    return float(-errors.min(axis=1).mean())


def may_be_best(grid: Grid, *, seed: int = 0, draws: int = DRAWS) -> Floats:
    """Returns p `(K,)` of each candidate that none is truly better than it; nan for the others.

    It compares the largest standardized lag behind another with draws of errors alone. Candidates
    with p above .05 include the truly best setting 95% of the time.
    """
    own = np.flatnonzero(grid.candidates & np.isfinite(grid.values))
    out = np.full(len(grid.values), np.nan)
    values, effects, blocks = grid.values[own], grid.effects[own], grid.blocks[own]
    rng = np.random.default_rng(seed)
    errors = effects @ rng.standard_normal((effects.shape[1], draws))
    heavier = _student_scales(blocks, rng.random(draws))
    for i, corpus in enumerate(own):
        spread = np.sqrt(((effects[i] - effects) ** 2).sum(axis=1))
        freedom = np.minimum(blocks, blocks[i])
        known = (spread > _ROUNDING * np.abs(values).max()) & (freedom > 1)
        lag = ((values[i] - values)[known] / spread[known]).max(initial=-np.inf)
        bound = float(special.stdtr(freedom[known] - 1, -lag).sum())
        if not known.any():
            out[corpus] = 1.0
        elif bound < _SURELY:
            out[corpus] = bound
        else:
            null = (errors[i] - errors[known]) / spread[known, None]
            largest = np.full(draws, -np.inf)
            for b, scale in heavier.items():
                among = freedom[known] == b
                largest = np.maximum(largest, null[among].max(axis=0, initial=-np.inf) * scale)
            beyond = int((largest >= lag).sum())
            p = (1 + beyond) / (draws + 1)
            out[corpus] = min(p, bound) if beyond < _FEW else p
    return out


def _student_scales(blocks: Integers, uniform: Floats) -> dict[int, Floats]:
    """Returns, by number of blocks, factors that turn normal draws into draws of t: one chi-squared
    for all.
    """
    return {
        int(b): np.sqrt((b - 1) / (2 * special.gammaincinv((b - 1) / 2, uniform)))
        for b in np.unique(blocks)
        if b > 1
    }


def no_common_best(p_values: Sequence[Floats]) -> float:
    """Returns the p that one setting is the best by all measures, from `may_be_best` of each.

    It is Bonferroni's over the measures, for the setting with the largest: valid whatever measures
    have in common. nan where a measure knows no candidate.
    """
    together = np.stack([np.asarray(p, np.float64) for p in p_values])
    known = np.isfinite(together).all(axis=0)
    if not known.any():
        return math.nan
    return float(min(1.0, len(together) * together[:, known].min(axis=0).max()))


def front(values: Floats) -> NDArray[np.bool_]:
    """Returns which of K settings are not dominated: no other is at least as good by all of M
    measures and better by one.

    `values` `(M, K)`, smaller is better; False where one is nan.
    """
    known = np.flatnonzero(np.isfinite(values).all(axis=0))
    out = np.zeros(values.shape[1], np.bool_)
    for k in known:
        own, others = values[:, [k]], values[:, known]
        beaten = (others <= own).all(axis=0) & (others < own).any(axis=0)
        out[k] = not beaten.any()
    return out


def _only(values: Floats, candidates: NDArray[np.bool_]) -> Floats:
    return np.where(candidates & ~np.isnan(values), values, np.inf)


def _shift(grid: Grid) -> Floats:
    return np.asarray(grid.values - grid.halves.mean(axis=(1, 2)))[:, None, None]


def _reported(grid: Grid, first: Integers, second: Integers | None, confidence: float) -> Value:
    """Takes the mean over halves of `first` `(splits, 2)`, less `second`, chosen on each half and
    read on the other.
    """
    split = np.arange(len(first))[:, None]
    other = np.array([[1, 0]])
    values = grid.centered[first, split, other]
    effects, blocks = grid.effects[first], grid.blocks[first]
    if second is not None:
        values = values - grid.centered[second, split, other]
        effects = effects - grid.effects[second]
        blocks = np.minimum(blocks, grid.blocks[second])
    value = float(values.mean())
    error = float(np.sqrt((effects**2).sum(axis=2)).mean())
    freedom = int(blocks.min()) - 1
    if freedom < 1 or not math.isfinite(error):
        return Value(value, math.nan, math.nan, math.nan, math.nan)
    reach = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    p = math.nan
    if second is not None and error > 0:
        p = 2 * float(special.stdtr(freedom, -abs(value) / error))
    elif second is not None and value == 0:
        p = 1.0
    return Value(value, error, value - reach, value + reach, p)
