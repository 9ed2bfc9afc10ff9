"""Picks one candidate of each prompt, so that the mean of the chosen is as near zero as can be.

The target is subtracted from the features beforehand, so the mean of the chosen is the gap, and its
squared length is the squared MMD between the chosen set and the target, for the kernel that the
features define. A first pass goes through the prompts and takes for each the candidate that leaves
the shortest sum; then sweeps exchange one candidate for another of its prompt wherever that makes
the sum shorter.

Cost     (first pass + sweeps) x N D multiplications, and nothing that grows faster than N
Source   kernel herding, Chen, Welling and Smola (2010), with one choice a prompt; exchange as in
         Fedorov (1972)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]

_GAIN = 1e-9  # of the squared sum: a smaller gain is rounding and not worth an exchange
_SETTLED = 1e-3  # a sweep that gains a smaller share ends the work


@dataclass(frozen=True, eq=False)
class Choice:
    """rows    (P,) int64, the chosen row of each prompt
    gaps    squared length of the mean of the chosen after the first pass and after each sweep
    """

    rows: NDArray[np.int64]
    gaps: tuple[float, ...]


def choose(
    features: NDArray[np.float32],
    starts: NDArray[np.int64],
    sweeps: int = 8,
    begin: NDArray[np.int64] | None = None,
) -> Choice:
    """Chooses one row of `features` `(N, D)` in each `starts[p]:starts[p + 1]`, `(P + 1,)`.

    Ties are decided by the order of prompts and of a prompt's rows; nothing is random. `begin`
    `(P,)` names rows to exchange from, in place of the first pass. Raises ShapeError for a prompt
    without a row, or for starts that do not cover all rows.
    """
    _check(features, starts)
    if begin is None:
        rows, total = _first_pass(features, starts)
    else:
        rows = np.array(begin, np.int64)
        total = features[rows].sum(axis=0, dtype=np.float64)
    prompts = len(rows)
    gaps = [_square(total) / max(prompts, 1) ** 2]
    several = np.flatnonzero(np.diff(starts) > 1)
    squares = np.einsum("nd,nd->n", features, features)
    for _ in range(sweeps):
        changed = _sweep(features, squares, starts, several, rows, total)
        total = features[rows].sum(axis=0, dtype=np.float64)
        gaps.append(_square(total) / prompts**2)
        if not changed or gaps[-2] - gaps[-1] <= _SETTLED * gaps[-2]:
            break
    return Choice(rows, tuple(gaps))


def _check(features: NDArray[np.float32], starts: NDArray[np.int64]) -> None:
    if features.ndim != 2 or features.dtype != np.float32:
        raise ShapeError(f"features are (N, D) float32, got {features.shape} {features.dtype}")
    whole = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(features)
    if not whole or (np.diff(starts) < 1).any():
        raise ShapeError(
            f"starts rise from 0 to the {len(features)} rows, and every prompt has one at least"
        )


def _first_pass(
    features: NDArray[np.float32], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Takes prompts with one candidate first, since their choice is fixed."""
    rows = starts[:-1].copy()
    single = np.diff(starts) == 1
    total = features[rows[single]].sum(axis=0, dtype=np.float64)
    for prompt in np.flatnonzero(~single):
        own = features[starts[prompt] : starts[prompt + 1]].astype(np.float64)
        scores = own @ (2 * total) + np.einsum("kd,kd->k", own, own)
        best = int(np.argmin(scores))
        rows[prompt] += best
        total += own[best]
    return rows, total


def _sweep(
    features: NDArray[np.float32],
    squares: NDArray[np.float32],
    starts: NDArray[np.int64],
    several: NDArray[np.int64],
    rows: NDArray[np.int64],
    total: Floats,
) -> int:
    """Exchanges in place and returns the number of exchanges. `total` is the sum of the chosen
    rows."""
    changed = 0
    for prompt in several:
        first, last, row = starts[prompt], starts[prompt + 1], rows[prompt]
        rest = (total - features[row]).astype(np.float32)
        scores = features[first:last] @ (rest + rest) + squares[first:last]
        best = first + int(np.argmin(scores))
        if best == row:
            continue
        # In float32 two candidates may change places, so float64 decides.
        step = features[best].astype(np.float64) - features[row]
        if 2 * (total @ step) + step @ step < -_GAIN * _square(total):
            rows[prompt] = best
            total += step
            changed += 1
    return changed


def _square(total: Floats) -> float:
    return float(total @ total)
