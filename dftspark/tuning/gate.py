"""Whether a tuned model is accepted: the rule, on measures and prompts that training never saw.

A challenger is held against the honest super baseline (inference/super_baseline.py) of the settings
of the model it was tuned from, the matched choice among its samples, and a control trained on
human text alone for the same tokens. It is accepted if all of this holds:

    1  by a primary measure that training did not see it is better than the baseline and than the
       control: q and p below 1 - confidence
    2  by no measure is it worse than the baseline
    3  its AUC against human text is at most .02 above that of the best setting
    4  no more of its texts nearly repeat a human one than human texts repeat each other
    5  its cross-entropy on human text is at most .05 nats a token above that before
    6  every text that was to be rewarded got its reward

Measures that were trained on count in 2 alone. What is unknown does not hold.

Source   Hsu (1981), comparison with the best; Benjamini and Hochberg (1995), within the measures
         that judge, and within those that were trained on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.super_baseline import Grid, Value, challenge

AUC_MARGIN = 0.02
CROSS_ENTROPY_MARGIN = 0.05  # nats a token
BETTER, WORSE, ALIKE = "better", "worse", "not distinguishable"


@dataclass(frozen=True, eq=False)
class GatedMeasure:
    """A measure of all settings and the challenger; smaller is better.

    name        as in the table metrics
    trained     training saw it
    primary     may accept the challenger
    grid        its values; control and choice are candidates, the challenger is not
    challenger  its place in the grid
    control     its place in the grid
    """

    name: str
    trained: bool
    primary: bool
    grid: Grid
    challenger: int
    control: int


@dataclass(frozen=True)
class Guards:
    """What must not get worse; pairs of the challenger and what it is held against.

    auc            of a classifier: challenger, and best setting
    copies         share of near duplicates: challenger, and its floor from human texts
    cross_entropy  on human text, nats a token: challenger, and the model before
    calls          texts to be rewarded, and rewards returned; None where no reward was called
    """

    auc: tuple[float, float]
    copies: tuple[float, float]
    cross_entropy: tuple[float, float]
    calls: tuple[int, int] | None = None


@dataclass(frozen=True)
class GatedRow:
    """A measure's outcome: differences are the challenger's value less the other's."""

    name: str
    trained: bool
    primary: bool
    difference: Value
    control: Value
    q_value: float
    verdict: str


@dataclass(frozen=True)
class GateDecision:
    """accepted    whether all conditions hold
    first_line  the outcome and its reason, in one sentence
    reasons     every condition that does not hold
    rows        every measure, in the order given
    """

    accepted: bool
    first_line: str
    reasons: tuple[str, ...]
    rows: tuple[GatedRow, ...]


def decide(
    measures: Sequence[GatedMeasure], guards: Guards, *, confidence: float = 0.95
) -> GateDecision:
    """Applies the rule. `guards` and `measures` are of one challenger on the referee's prompts."""
    level = 1 - confidence
    rows = _rows(measures, confidence)
    better = [row for row in rows if row.verdict == BETTER]
    winning = [row for row in better if row.primary and not row.trained]
    beyond = [row for row in winning if row.control.value < 0 and row.control.p_value <= level]
    reasons = []
    if not winning:
        reasons.append(_no_win(rows))
    elif not beyond:
        reasons.append(
            f"by {_names(winning)} it is not better than the control that was trained on human "
            f"text alone"
        )
    worse = [row for row in rows if row.verdict == WORSE]
    if worse:
        reasons.append(f"it is worse than the best setting by {_names(worse)}")
    reasons += _guarded(guards)
    if not reasons:
        first = "; ".join(f"{row.name} (q = {row.q_value:.2g})" for row in beyond)
        line = f"accepted: nearer to human than the best setting, choice and control by {first}"
    elif better and all(row.trained for row in better):
        line = (
            f"not accepted: it wins only on what it was trained on ({_names(better)}), and "
            f"{reasons[0]}"
        )
    else:
        line = f"not accepted: {reasons[0]}"
    return GateDecision(not reasons, line, tuple(reasons), tuple(rows))


def _rows(measures: Sequence[GatedMeasure], confidence: float) -> list[GatedRow]:
    rows = []
    for measure in measures:
        against = challenge(measure.grid, measure.challenger, confidence=confidence)
        alone = np.arange(len(measure.grid.values)) == measure.control
        control = challenge(
            replace(measure.grid, candidates=alone), measure.challenger, confidence=confidence
        )
        rows.append(
            GatedRow(
                measure.name, measure.trained, measure.primary, against, control, np.nan, ALIKE
            )
        )
    for trained in (False, True):
        family = [i for i, row in enumerate(rows) if row.trained == trained]
        q_values = benjamini_hochberg(np.array([rows[i].difference.p_value for i in family]))
        for i, q in zip(family, q_values, strict=True):
            told = q <= 1 - confidence
            side = BETTER if rows[i].difference.value < 0 else WORSE
            rows[i] = replace(rows[i], q_value=float(q), verdict=side if told else ALIKE)
    return rows


def _no_win(rows: Sequence[GatedRow]) -> str:
    primary = [row for row in rows if row.primary and not row.trained]
    if not primary:
        return "no primary measure is left that training did not see"
    return f"by no primary measure that judges ({_names(primary)}) is it better than the baseline"


def _guarded(guards: Guards) -> list[str]:
    """Returns what does not hold; a comparison with nan never holds."""
    reasons = []
    value, limit = guards.auc
    if not value <= limit + AUC_MARGIN:
        reasons.append(
            f"a classifier tells it from human text with an AUC of {value:.3f}, the best setting "
            f"with {limit:.3f}"
        )
    value, limit = guards.copies
    if not value <= limit:
        reasons.append(
            f"{value:.1%} of its texts nearly repeat a human one; among human texts it is "
            f"{limit:.1%} at most"
        )
    value, limit = guards.cross_entropy
    if not value <= limit + CROSS_ENTROPY_MARGIN:
        reasons.append(
            f"its cross-entropy on human text is {value:.3f} nats a token, and was {limit:.3f}"
        )
    if guards.calls is not None and guards.calls[0] != guards.calls[1]:
        reasons.append(
            f"of {guards.calls[0]:,} texts that were to be rewarded {guards.calls[1]:,} were"
        )
    return reasons


def _names(rows: Sequence[GatedRow]) -> str:
    return ", ".join(row.name for row in rows)
