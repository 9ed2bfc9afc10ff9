"""The spread of a corrected square under one source, and the number of documents it takes to tell.

Everything follows from the products of block sums that the test itself uses. With S blocks a side,
h_j a block's sum over its side's total size, s_j its share of that size and P the products:

    E = I - s 1',  Z = E P E'                   blocks centered at their own side's rate
    solve(diag(1 - 2 s) + s^2 1', diag Z)       squares of the block errors e_i
    K_ij = Z_ij + s_j |e_i|^2 + s_i |e_j|^2 - s_i s_j sum |e|^2,  K_ii = 0
    tr Sigma^2 = sum K_ij^2 over what the same sum is for Sigma = 1

K restores what centering removed, without which the trace of rare n-grams is far too large. Sigma
is the covariance of a side's rates at its size; times the number of clusters it is a property of
the source alone. Where the sides share prompts, the differences of both sides of a block form one
side.

Cost     half a millisecond for 64 blocks a side, whatever the coordinates
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.inference import blocks
from dftspark.inference.gram import Gram
from dftspark.inference.permutation import POWER_80, pearson3_quantile, pearson3_tail

Floats = NDArray[np.float64]

_FEW_BLOCKS = 16
_SKEWNESS_OF_FEW = 1.2  # assumed with fewer filled blocks than this, which cannot show it
_PASSES = 4
_LEAST_KEPT = 0.02


@dataclass(frozen=True)
class Null:
    """A corrected square under one source at two sizes: its standard deviation and skewness.

    slope    added variance, over |d|^2, by a difference d that is spread as the noise is
    """

    sd: float
    skewness: float
    slope: float

    def quantile(self, level: float = 0.95) -> float:
        return pearson3_quantile(self.skewness, level) * self.sd

    def p_value(self, square: float, rounding: float = 0.0) -> float:
        """Returns p from the Pearson III tail: 1 without a spread, nan for a square that has
        none.
        """
        if self.sd > 0:
            return pearson3_tail(square / self.sd, self.skewness)
        return 1.0 if square <= rounding else math.nan

    def detectable(self) -> float:
        """Returns the smallest square detected with 80% power at level .05."""
        q, z = self.quantile(), POWER_80**2
        b = q + z * self.slope / 2
        return b + math.sqrt(max(b * b - q * q + z * self.sd**2, 0.0))


@dataclass(frozen=True, eq=False)
class NullMoments:
    """Traces of one comparison: of both sides, or of the one side of paired differences.

    traces   tr Sigma_a Sigma_b, `(2, 2)` or `(1, 1)`
    noise    tr Sigma_a
    toward   d' Sigma_a d, d being the true difference
    clusters numbers of clusters, the unit of n_tell
    errors   products of block errors of unlike blocks, `(2S, 2S)` or `(S, S)`
    filled   blocks that have anything, on the side with fewer
    """

    traces: Floats
    noise: Floats
    toward: Floats
    clusters: Floats
    errors: Floats
    filled: int

    @property
    def paired(self) -> bool:
        return len(self.clusters) == 1

    def trace(self, weights: Floats) -> float:
        """Returns tr (sum of weight x Sigma)^2."""
        return max(float(weights @ self.traces @ weights), 0.0)

    def skewness(self, weights: Floats) -> float:
        """Returns the skewness of |noise|^2 for the covariance sum of weight x Sigma, in 0 to sqrt
        8.
        """
        if self.filled < _FEW_BLOCKS:
            return _SKEWNESS_OF_FEW
        trace = self.trace(weights)
        if trace <= 0:
            return 0.0
        scale = np.sqrt(np.repeat(weights, len(self.errors) // len(weights)))
        products = self.errors * scale[:, None] * scale
        third = float(((products @ products) * products).sum())
        dropped = self.filled / (self.filled - 7)  # triples that share a block are left out
        return float(np.clip(8 * third / (2 * trace) ** 1.5 * dropped, 0, math.sqrt(8)))

    def null(self) -> Null:
        """Returns the Null of one source with the covariance of both sides' clusters together."""
        if self.paired:
            weights, scale = np.ones(1), 1.0
        else:
            weights = self.clusters**2 / self.clusters.sum()
            scale = float((1 / self.clusters).sum())
        sd = math.sqrt(2 * self.trace(weights)) * scale
        return Null(sd, self.skewness(weights), self._spread(np.ones(len(self.clusters))))

    def tell(
        self, square: float, kappa: float | None = None, skewness: float | None = None
    ) -> float:
        """Returns n_tell of a corrected `square`; `kappa` is 4 d'(C_h + C_m)d / |d|^2 of single
        clusters. It and the skewness of the null come from the data by default.
        """
        kappa = self._kappa(square) if kappa is None else kappa
        skewness = self.own_skewness if skewness is None else skewness
        per_cluster = np.outer(self.clusters, self.clusters) * self.traces
        own = float(np.trace(per_cluster))
        across = float(per_cluster.sum()) - own
        size, count = math.inf, blocks.MOST
        for _ in range(_PASSES):  # a test at that size has this many blocks
            spread = 2 * (count / (count - 1) * own + across)
            size = tell_size(square, kappa, spread, skewness, paired=self.paired)
            new = blocks.adapt(int(size)) or blocks.FEWEST if math.isfinite(size) else blocks.MOST
            if new == count:
                break
            count = new
        return size

    def tell_between(self, square: float) -> tuple[float, float]:
        """Returns n_tell's 95% interval, by inversion of the square's variation at these sizes."""
        every = np.ones(len(self.clusters))
        null = 2 * self.trace(every)
        known = square**2 / (square**2 + null) if square > 0 else 0.0

        def mixed(of_data: float, spread: float) -> float:
            return known * of_data + (1 - known) * spread

        slope = mixed(4 * float(self.toward.sum()) / square if known else 0.0, self._spread(every))
        kappa = mixed(self._kappa(square) if known else 0.0, self._spread(self.clusters))
        up = float(special.ndtri(0.975))
        down = pearson3_quantile(self.skewness(every), 0.975)
        largest = _ends(square, null, slope, up)[1]
        smallest = _ends(square, null, slope, down)[0]
        return self.tell(largest, kappa), self.tell(smallest, kappa)

    def _kappa(self, square: float) -> float:
        return 4 * float(self.clusters @ self.toward) / square if square > 0 else 0.0

    def _spread(self, weights: Floats) -> float:
        noise = float(weights @ self.noise)
        return 4 * self.trace(weights) / noise if noise > 0 else 0.0

    @cached_property
    def own_skewness(self) -> float:
        return self.skewness(self.clusters)


def tell_size(
    square: float, kappa: float, spread: float, skewness: float, *, paired: bool = False
) -> float:
    """Returns clusters a side at which a level .05 test finds |d|^2 = `square` with 80% power.

    `spread` / n^2 is the variance of the corrected square under one source at n clusters a side,
    kappa x square / n what the difference adds. An unpaired relabeling null holds part of the
    difference, which is added to its spread. Infinite for a square that is not above 0.
    """
    if not square > 0:
        return math.inf
    c, added = pearson3_quantile(skewness, 0.95), kappa * square
    relabeled = spread if paired else spread + added / 2 + square**2 / 2
    z = POWER_80**2
    a = c * c * relabeled - z * spread
    b = 2 * c * math.sqrt(relabeled) * square + z * added
    return float((b + math.sqrt(max(b * b - 4 * a * square**2, 0.0))) / (2 * square**2))


def combined(nulls: Sequence[Null], weights: Sequence[float]) -> Null:
    """Returns the Null of a sum of squares times weights, from the Nulls of independent parts."""
    sd = math.sqrt(sum((w * each.sd) ** 2 for w, each in zip(weights, nulls, strict=True)))
    if not sd > 0:
        return Null(sd, 0.0, 0.0)
    third = sum(each.skewness * (w * each.sd) ** 3 for w, each in zip(weights, nulls, strict=True))
    slope = max(abs(w) * each.slope for w, each in zip(weights, nulls, strict=True))
    return Null(sd, min(third / sd**3, math.sqrt(8)), slope)


def moments(products: Gram, clusters: tuple[float, float], *, paired: bool) -> NullMoments:
    """Computes Moments of raw blocks, not merged; `clusters` are the numbers of human and model."""
    count = products.blocks
    human, model = slice(0, count), slice(count, 2 * count)
    p, s = products.products, products.sizes
    filled = int(min((s[human] > 0).sum(), (s[model] > 0).sum()))
    if paired:
        across = p[human, model]
        difference = p[human, human] + p[model, model] - across - across.T
        side = _Side.of(difference, (s[human] + s[model]) / 2)
        trace = side.trace()
        along = _toward(side.centering @ difference.sum(axis=1), side, trace)
        number = 2 / (1 / clusters[0] + 1 / clusters[1])
        return NullMoments(
            np.array([[trace]]),
            np.array([side.noise]),
            np.array([along]),
            np.array([number]),
            side.errors,
            filled,
        )
    h, m = _Side.of(p[human, human], s[human]), _Side.of(p[model, model], s[model])
    across = h.centering @ p[human, model] @ m.centering.T
    cross = float((across**2).sum()) / (h.scale * m.scale) if h.scale * m.scale > 0 else 0.0
    own = h.trace(), m.trace()
    to_model = p @ np.repeat([-1.0, 1.0], count)
    toward = [
        _toward(side.centering @ to_model[at], side, trace + cross)
        for side, at, trace in ((h, human, own[0]), (m, model, own[1]))
    ]
    return NullMoments(
        np.array([[own[0], cross], [cross, own[1]]]),
        np.array([h.noise, m.noise]),
        np.array(toward),
        np.asarray(clusters, np.float64),
        np.block([[h.errors, across], [across.T, m.errors]]),
        filled,
    )


def tell_interval(
    products: Gram, clusters: tuple[float, float], square: float, left_out: Floats, *, paired: bool
) -> tuple[float, float, float]:
    """Returns n_tell and its interval: the union of the inversion and of log n_tell's jackknife.

    `left_out` `(S,)` are the squares without block j of both sides.
    """
    whole = moments(products, clusters, paired=paired)
    size = whole.tell(square)
    low, high = whole.tell_between(square)
    if not math.isfinite(size):
        return size, low, math.inf
    kept = np.flatnonzero(products.sizes[: products.blocks] + products.sizes[products.blocks :])
    share = 1 - 1 / len(kept)
    fewer = clusters[0] * share, clusters[1] * share
    logs = np.log(
        [
            moments(products.without(int(j)), fewer, paired=paired).tell(
                float(left_out[j]), skewness=whole.own_skewness
            )
            for j in kept
        ]
    )
    if not np.isfinite(logs).all():
        return size, low, math.inf
    error = math.sqrt((len(logs) - 1) / len(logs) * float(((logs - logs.mean()) ** 2).sum()))
    reach = math.exp(float(special.stdtrit(len(logs) - 1, 0.975)) * error)
    return size, min(low, size / reach), max(high, size * reach)


def _ends(square: float, null: float, slope: float, reach: float) -> tuple[float, float]:
    """Returns both D with |square - D| = reach x sqrt(null + slope x D), where D is above 0."""
    b = square + reach**2 * slope / 2
    root = math.sqrt(max(b * b - square**2 + reach**2 * null, 0.0))
    return b - root, b + root


@dataclass(frozen=True, eq=False)
class _Side:
    centering: Floats
    errors: Floats
    noise: float
    scale: float
    unit: float

    @classmethod
    def of(cls, products: Floats, shares: Floats) -> _Side:
        count = len(shares)
        centering = np.eye(count) - np.outer(shares, np.ones(count))
        centered = centering @ products @ centering.T
        # The system in closed form; a block with half of a side or more would leave it singular.
        kept = np.maximum(1 - 2 * shares, _LEAST_KEPT)
        diagonal = np.diag(centered)
        total = (diagonal / kept).sum() / (1 + (shares**2 / kept).sum())
        squares = np.maximum((diagonal - shares**2 * total) / kept, 0.0)
        noise = float(squares.sum())
        errors = centered + np.outer(squares, shares) + np.outer(shares, squares)
        errors -= np.outer(shares, shares) * noise
        np.fill_diagonal(errors, 0.0)
        parts = squares / noise if noise > 0 else np.zeros(count)
        spread = (centering * parts) @ centering.T
        own = np.diag(spread)
        unit = own.sum() ** 2 - 2 * (own**2).sum() + (spread**2).sum()
        return cls(centering, errors, noise, float(own.sum()), float(unit))

    def trace(self) -> float:
        return float((self.errors**2).sum()) / self.unit if self.unit > 0 else 0.0


def _toward(projected: Floats, side: _Side, noise: float) -> float:
    """Returns d' Sigma d, without what the noise of d itself adds."""
    if not side.scale > 0:
        return 0.0
    return max(float((projected**2).sum()) / side.scale - noise, 0.0)
