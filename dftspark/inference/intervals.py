"""Results of inference for an estimate besides its value, and the jackknife behind its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings for testing a pair of corpora.

    paired        the sides share prompts, so the two sides of a block are exchanged
    permutations  relabelings of a test
    splits        groupings behind the floors of divergences
    confidence    of intervals
    seed          of relabelings and groupings
    """

    paired: bool = False
    permutations: int = 999
    splits: int = 200
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """Inference for a value, in its unit except p_value, the tell sizes and blocks; nan is unknown.

    std_error    delete-one-block jackknife
    ci_low       of the confidence interval about the value, t with blocks - 1 degrees of freedom
    ci_high      of the same; near equality it is wide rather than exact, and p_value decides
    p_value      of the hypothesis that both corpora come from one source
    floor        95% quantile of the value under one source at these two sizes; the value is above
                 it exactly where p_value < .05
    mde          smallest value that the test finds with 80% power at level .05
    n_tell       clusters a side at which the test finds this difference, with 80% power at level
                 .05; infinite where no difference was detected
    n_tell_low   of its 95% interval; where p_value > .05 it stands alone: "more than"
    n_tell_high  of its 95% interval
    blocks       per side
    """

    std_error: float = _NAN
    ci_low: float = _NAN
    ci_high: float = _NAN
    p_value: float = _NAN
    floor: float = _NAN
    mde: float = _NAN
    n_tell: float = _NAN
    n_tell_low: float = _NAN
    n_tell_high: float = _NAN
    blocks: int = 0

    def rooted(self, value: float) -> Inferred:
        """Returns the same for the signed root of `value`; the error is nan at or below 0."""
        error = self.std_error / (2 * math.sqrt(value)) if value > 0 else _NAN
        return replace(
            self,
            std_error=error,
            ci_low=signed_root(self.ci_low),
            ci_high=signed_root(self.ci_high),
            floor=signed_root(self.floor),
            mde=signed_root(self.mde),
        )


def signed_root(square: float) -> float:
    """Returns sign(x) sqrt|x|: the root of a corrected square, which may be below 0."""
    return math.copysign(math.sqrt(abs(square)), square)


def no_inference(blocks: int) -> Inferred:
    """Returns the Inference of too few blocks: all unknown."""
    return Inferred(blocks=blocks)


def agreeing(floor: float, value: float, p_value: float) -> float:
    """Returns the floor, moved to the value where it contradicts the test.

    A floor that was drawn separately from its test sometimes falls on the other side of the value.
    The test decides: with p < .05 the floor ends just below the value, else it reaches it.
    """
    if math.isnan(floor) or math.isnan(p_value) or math.isnan(value):
        return floor
    return min(floor, math.nextafter(value, -math.inf)) if p_value < 0.05 else max(floor, value)


def jackknife(left_out: Floats, value: float, confidence: float) -> tuple[float, float, float]:
    """Computes standard error and interval `(std_error, low, high)` of `value`.

    `left_out` `(S,)` is the estimate without block j of both sides. For the difference of two
    models against one human side pass the difference of their `left_out`: what they share cancels.
    nan below two blocks.
    """
    blocks = len(left_out)
    if blocks < 2:
        return _NAN, _NAN, _NAN
    squares = float(((left_out - left_out.mean()) ** 2).sum())
    error = float(np.sqrt((blocks - 1) / blocks * squares))
    reach = float(special.stdtrit(blocks - 1, (1 + confidence) / 2)) * error
    return error, value - reach, value + reach
