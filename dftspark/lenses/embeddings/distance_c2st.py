"""Can a classifier tell the sides apart? Logistic regression, fitted and tried on unlike clusters.

Every document is scored by a fit that has seen no document of its block, hence none of its cluster:
copies and answers to one prompt are all on one side of the cut. With a cut by document, copies of
one source would be told apart.

Each document is tried once and trained on seven times, so the folds' results are not independent.
Intervals therefore have Nadeau and Bengio's wider error. The test fits on either half of the
blocks, tries on the other and counts the two results as one. docs/limits.md has coverage and level.

Cost     ten fits, some 50 passes over the vectors each, 4 B d operations a pass: 2 s for 2,000
         documents of 384 coordinates
Source   Lopez-Paz and Oquab (2017); Kim, Ramdas, Singh and Wasserman (2021); Nadeau and Bengio
         (2003); Obuchowski (1997) for the area's variance under clusters
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from dftspark.errors import ShapeError

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

FOLDS = 8
_LOGIT_SD = 2.0  # prior spread of the logits over documents, which sets the ridge
_FEWEST_BLOCKS = 16
_LEVEL_95, _POWER_80 = 1.6448536269514722, 0.8416212335729143


@dataclass(frozen=True)
class Share:
    """An estimate in [0, 1], .5 where nothing tells the sides apart, with its interval."""

    value: float
    std_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Classified:
    """Results of the classifier.

    accuracy   mean of the shares of human and of model documents classified correctly
    area       chance that a model document looks more like the model than a human one does
    p_value    one-sided, that nothing tells the sides apart
    blocks     with documents, behind intervals and test
    n_tell     documents a side that a reader needs who has already learnt the difference, to detect
               it with 80% power at level .05, and its interval; other measures' n_tell is for a
               reader who has not
    """

    accuracy: Share
    area: Share
    p_value: float
    blocks: int
    n_tell: float = float("nan")
    n_tell_low: float = float("nan")
    n_tell_high: float = float("nan")

    @property
    def variation(self) -> float:
        """2 accuracy - 1, a lower bound of total variation between the sources; may be below 0.

        Its interval is that of accuracy, times 2, less 1.
        """
        return 2 * self.accuracy.value - 1


def classify(
    vectors: NDArray[np.floating[Any]],
    model: NDArray[np.bool_],
    blocks: Integers,
    *,
    confidence: float = 0.95,
) -> Classified:
    """Classifies vectors or features `(B, d)`; `model` `(B,)` marks the model's; blocks `(B,)`.

    Block j goes to fold j mod 8, and to half j mod 2. The two sides weigh alike, so that unlike
    sizes leave accuracy at .5 where the sources agree. All nan where a side has documents in fewer
    than sixteen blocks. Raises ShapeError.
    """
    numbers = np.asarray(blocks, np.int64)
    scores, fold = cross_fitted(vectors, model, numbers, FOLDS)
    count = len(np.unique(numbers))
    nan = float("nan")
    if min(len(np.unique(numbers[side])) for side in (model, ~model)) < _FEWEST_BLOCKS:
        return Classified(Share(nan, nan, nan, nan), Share(nan, nan, nan, nan), nan, count)
    reach = float(special.stdtrit(count - 1, (1 + confidence) / 2))
    shares = []
    found, spread = _accuracy_and_area(scores, model, numbers, fold)
    for value, error in found:
        wider = error * float(np.sqrt(1 + FOLDS / (FOLDS - 1)))
        low, high = value - reach * wider, value + reach * wider
        shares.append(Share(value, wider, max(low, 0.0), min(high, 1.0)))
    p, area = _halves_test(vectors, model, numbers), shares[1]
    size, low, high = (_tell_size(end, spread) for end in (area.value, area.high, area.low))
    if p > 0.05:
        size = high = float("inf")
    return Classified(shares[0], area, p, count, size, low, high)


def _tell_size(area: float, spread: float) -> float:
    """Returns the documents a side at which the rank test of scores with this area has 80% power.

    `spread` is the sum over sides of the variance of a document's placement; without a difference
    it is 1/6.
    """
    if not area > 0.5:
        return float("inf")
    z = _LEVEL_95 * (1 / 6) ** 0.5 + _POWER_80 * spread**0.5
    return float((z / (area - 0.5)) ** 2)


def _halves_test(
    vectors: NDArray[np.floating[Any]], model: NDArray[np.bool_], blocks: NDArray[np.int64]
) -> float:
    """Returns the one-sided p. At equality each half's result is normal, given the other half;
    their sum over the sum of their errors is no wider, whatever their dependence.
    """
    scores, half = cross_fitted(vectors, model, blocks, 2)
    beyond, errors, fewest = 0.0, 0.0, len(blocks)
    for own in (half == 0, half == 1):
        (_, (area, error)), _ = _accuracy_and_area(scores[own], model[own], blocks[own], half[own])
        beyond, errors = beyond + area - 0.5, errors + error
        fewest = min(fewest, len(np.unique(blocks[own])))
    return float(special.stdtr(fewest - 1, -beyond / errors)) if errors > 0 else float("nan")


def cross_fitted(
    vectors: NDArray[np.floating[Any]],
    model: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    folds: int,
) -> tuple[Floats, NDArray[np.int64]]:
    """Returns each document's logit `(B,)` by the fit on other folds, above 0 for model; and folds.

    nan where the other folds lack a side.
    """
    if vectors.ndim != 2 or not len(vectors) == len(model) == len(blocks):
        raise ShapeError(
            f"vectors have shape {vectors.shape}; give one for each of {len(model)} labels and "
            f"{len(blocks)} block numbers"
        )
    fold = blocks % folds
    scores = np.full(len(vectors), np.nan)
    for own in np.unique(fold):
        train, test = fold != own, fold == own
        if model[train].any() and not model[train].all():
            weights, intercept = logistic(vectors[train].astype(np.float64), model[train])
            scores[test] = vectors[test].astype(np.float64) @ weights + intercept
    return scores, fold


def logistic(vectors: Floats, model: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Returns coefficients `(d,)` and intercept of the ridge fit; both sides weigh alike.

    The ridge is a normal prior of coefficients under which logits spread by 2 over documents.
    """
    mean = vectors.mean(axis=0)
    centered = vectors - mean
    spread = float(np.sqrt((centered**2).sum() / len(centered)))
    if spread == 0:
        return np.zeros(vectors.shape[1]), 0.0
    centered /= spread
    signs = np.where(model, 1.0, -1.0)
    size = np.where(model, 0.5 / model.sum(), 0.5 / (~model).sum()) * len(model)
    ridge = 1 / _LOGIT_SD**2

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, intercept = parameters[:-1], parameters[-1]
        margins = signs * (centered @ weights + intercept)
        slopes = -size * signs * special.expit(-margins)
        value = float((size * np.logaddexp(0, -margins)).sum() + ridge / 2 * weights @ weights)
        return value, np.append(centered.T @ slopes + ridge * weights, slopes.sum())

    fit = optimize.minimize(loss, np.zeros(len(mean) + 1), jac=True, method="L-BFGS-B")
    weights = fit.x[:-1] / spread
    return weights, float(fit.x[-1] - weights @ mean)


def _accuracy_and_area(
    scores: Floats,
    model: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> tuple[list[tuple[float, float]], float]:
    """Returns value and standard error, given the fits, of accuracy and of area; and the sum over
    sides of the variance of a document's placement.

    A score is compared only with scores of its fold: another fit has another scale.
    """
    known = ~np.isnan(scores)
    scores, model, blocks, fold = scores[known], model[known], blocks[known], fold[known]
    right = np.where(scores == 0, 0.5, (scores > 0) == model)
    sides = float(right[~model].mean()), float(right[model].mean())
    influence = np.where(
        model, (right - sides[1]) / model.sum(), (right - sides[0]) / (~model).sum()
    )
    placed, weight = _placements(scores, model, fold)
    share = weight / np.where(model, weight[model].sum(), weight[~model].sum())
    area = float((placed * share)[model].sum())
    beyond = (placed - area) * share
    spread = sum(own.sum() * _block_error(beyond[own], blocks[own]) ** 2 for own in (model, ~model))
    found = [
        (sum(sides) / 2, _block_error(influence / 2, blocks)),
        (area, _block_error(beyond, blocks)),
    ]
    return found, float(spread)


def _placements(
    scores: Floats, model: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Returns the share of the other side, in the same fold, that each document beats in the right
    direction, and the document's weight: the number of pairs of its fold over the documents of its
    side.
    """
    placed, weight = np.full(len(scores), 0.5), np.zeros(len(scores))
    for own in np.unique(fold):
        human = np.flatnonzero((fold == own) & ~model)
        other = np.flatnonzero((fold == own) & model)
        if not (len(human) and len(other)):
            continue
        for rows, against, sign in ((other, human, 1.0), (human, other, -1.0)):
            ranked = np.sort(sign * scores[against])
            value = sign * scores[rows]
            below = np.searchsorted(ranked, value, "left")
            placed[rows] = (below + np.searchsorted(ranked, value, "right")) / (2 * len(against))
            weight[rows] = len(human) * len(other) / len(rows)
    return placed, weight


def _block_error(influence: Floats, blocks: NDArray[np.int64]) -> float:
    """Returns the standard error of a sum of influences that add to 0, grouped by block."""
    _, numbers = np.unique(blocks, return_inverse=True)
    sums = np.bincount(numbers, influence)
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()))
