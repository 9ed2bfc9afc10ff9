"""Rules on the results of an audit: pure functions of readings, of tonight and of earlier nights.

A night's value is an average over the days of its window, so values of neighboring nights share
days. For values x_t = (d_t + ... + d_{t-w+1}) / w of independent days with variance v:

    Var(x) = v / w,   E (x_t - x_{t-1})^2 = 2 v / w^2   =>   Var(x) = w / 2 x mean (x_t - x_{t-1})^2

which is not affected by a level, a slow trend or, if w is 7, a weekly rhythm. The baseline is the
mean of nights that share no day with tonight. The line is the quantile, at the stated chance of a
false alarm, of a t variable with as many degrees of freedom as the differences have.

Source   von Neumann (1941) for the variance from successive differences; the correlation of -1/2
         between differences w nights apart gives their degrees of freedom
"""

from __future__ import annotations

import datetime
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dftspark.config.nightly import Acknowledged, Check

LEAST_BASELINE = 8  # nights; with fewer a trailing rule says nothing
_ROUNDING = 1e-9
# Units of rules against the floor, in words for people.
_SAID = {
    "times the floor": "times the most that one source gives at these sizes",
    "times the human band": "times the most that chance gives at these sizes",
}


@dataclass(frozen=True)
class Reading:
    """The reading of one rule, on one night, for one model and stratum.

    value  in `unit`; for a rule against the floor, in multiples of the floor
    n      model documents behind it
    """

    date: str
    model: str
    stratum: str
    value: float
    unit: str
    n: int


@dataclass(frozen=True)
class Outcome:
    """One rule, model and stratum, as a row of schema.CHECKS without the run's columns."""

    rule: str
    subject: str
    against: str
    model: str
    stratum: str
    value: float
    threshold: float
    outcome: str
    low: float
    high: float
    unit: str
    severity: str
    breached: bool
    nights: int
    nights_needed: int
    n_model: int
    acknowledged_until: str
    detail: str


def evaluate(
    checks: Sequence[Check],
    acknowledged: Sequence[Acknowledged],
    readings: Mapping[str, Sequence[Reading]],
    *,
    date: str,
    window: int,
    known: Mapping[str, Iterable[str]] | None = None,
) -> list[Outcome]:
    """Evaluates every rule on every model that it covers, in the order of the rules, then by model.

    `readings` has, by the name of the rule, tonight's readings (those of `date`) and the earlier
    ones. A rule that matches nothing tonight is itself breached, because a rule with a typing error
    must not stay silent. `known` are the existing names, by kind, for its message.
    """
    outcomes = []
    for check in checks:
        groups: dict[tuple[str, str], dict[str, Reading]] = {}
        for reading in readings.get(check.name, ()):
            if check.covers(reading.model) and reading.stratum == check.stratum:
                groups.setdefault((reading.model, reading.stratum), {})[reading.date] = reading
        tonight = {key: nights for key, nights in sorted(groups.items()) if date in nights}
        if not tonight:
            outcomes.append(_nothing_to_read(check, known or {}))
        outcomes += [
            _judged(check, nights, acknowledged, date, window) for nights in tonight.values()
        ]
    return outcomes


def worst(outcomes: Iterable[str]) -> str:
    """Returns the outcome of a run: fail, warn or pass."""
    found = set(outcomes)
    return next((name for name in ("fail", "warn") if name in found), "pass")


def _judged(
    check: Check,
    nights: dict[str, Reading],
    acknowledged: Sequence[Acknowledged],
    date: str,
    window: int,
) -> Outcome:
    reading = nights[date]
    low, high = _range(check, nights, date, window)
    breached = _breaks(check, reading, low, high)
    row = 0
    for night in _backwards(date, check.nights):
        earlier = nights.get(night)
        if earlier is None or not _breaks(check, earlier, *_range(check, nights, night, window)):
            break
        row += 1
    until = _silent_until(check, reading.model, acknowledged, date)
    outcome, detail = _outcome(check, reading, low, high, breached, row, until)
    return Outcome(
        rule=check.name,
        subject=check.subject,
        against=check.against,
        model=reading.model,
        stratum=reading.stratum,
        value=reading.value,
        threshold=_nearest(reading.value, low, high),
        outcome=outcome,
        low=low,
        high=high,
        unit=reading.unit,
        severity=check.severity,
        breached=breached,
        nights=row,
        nights_needed=check.nights,
        n_model=reading.n,
        acknowledged_until=until,
        detail=detail,
    )


def _outcome(
    check: Check, reading: Reading, low: float, high: float, breached: bool, row: int, until: str
) -> tuple[str, str]:
    """Returns (outcome, its description)."""
    shown = f"{check.subject} is {reading.value:.4g} {_SAID.get(reading.unit, reading.unit)}"
    if reading.n < check.min_documents:
        return "unknown", f"{reading.n} documents, fewer than min_documents {check.min_documents}"
    if math.isnan(reading.value):
        return "unknown", f"{check.subject} has no value tonight"
    if math.isnan(low) and math.isnan(high):
        return "unknown", f"{shown}; fewer than {LEAST_BASELINE} earlier nights to compare with"
    allowed = f"allowed {_side(low, 'from')}{_side(high, 'to')}".rstrip()
    if not breached:
        return "pass", f"{shown}, {allowed}"
    if row < check.nights:
        return "pass", f"{shown}, {allowed}: outside, on {row} of {check.nights} nights in a row"
    if until:
        return "acknowledged", f"{shown}, {allowed}: outside, acknowledged until {until}"
    times = f" on {row} nights in a row" if check.nights > 1 else ""
    return check.severity, f"{shown}, {allowed}: outside{times}"


def _side(end: float, word: str) -> str:
    return "" if math.isnan(end) else f"{word} {end:.4g} "


def _breaks(check: Check, reading: Reading, low: float, high: float) -> bool:
    """Returns False if nothing can be decided: too few documents, no value, or no range."""
    if reading.n < check.min_documents or math.isnan(reading.value):
        return False
    return bool(reading.value > high or reading.value < low)


def _range(
    check: Check, nights: Mapping[str, Reading], date: str, window: int
) -> tuple[float, float]:
    """Returns the allowed range on a night, with nan for an end that has no limit."""
    if check.against != "trailing":
        return tuple(math.nan if end is None else end for end in (check.below, check.above))  # type: ignore[return-value]
    days = _backwards(date, window + check.trailing)[window:]
    usable = {
        day: nights[day].value
        for day in days
        if day in nights
        and nights[day].n >= check.min_documents
        and math.isfinite(nights[day].value)
    }
    low, high = trailing_range(usable, window, check.false_alarms, check.change == "either")
    return (
        math.nan if check.change == "higher" else low,
        math.nan if check.change == "lower" else high,
    )


def trailing_range(
    baseline: Mapping[str, float], window: int, false_alarms: float, two_sided: bool
) -> tuple[float, float]:
    """Returns the range in which a night that shares no day with the `baseline` (date to value)
    lies, except for `false_alarms` of the nights; (nan, nan) for fewer than LEAST_BASELINE
    nights."""
    from scipy import special

    nothing = (math.nan, math.nan)
    if len(baseline) < LEAST_BASELINE:
        return nothing
    day = np.array(sorted(datetime.date.fromisoformat(d).toordinal() for d in baseline))
    values = np.array([baseline[datetime.date.fromordinal(d).isoformat()] for d in day])
    steps = np.diff(values)[np.diff(day) == 1]
    if len(steps) < LEAST_BASELINE // 2:
        return nothing
    variance = window / 2 * float(np.mean(steps**2))
    freedom = len(steps) / (1 + 0.5 * max(0.0, 1 - window / len(steps)))
    # How often each day is counted in the mean of the baseline's overlapping windows.
    present = np.zeros(day[-1] - day[0] + 1)
    present[day - day[0]] = 1
    counted = np.convolve(present, np.ones(window))
    of_mean = float(counted @ counted) / (len(day) ** 2 * window)
    tail = false_alarms / (2 if two_sided else 1)
    reach = float(special.stdtrit(freedom, 1 - tail)) * math.sqrt(variance * (1 + of_mean))
    center = float(values.mean())
    reach = max(reach, _ROUNDING * abs(center))
    return center - reach, center + reach


def _backwards(date: str, days: int) -> list[str]:
    """Returns the date and those before it, newest first; an audit without a date has no others."""
    if not date:
        return [date]
    last = datetime.date.fromisoformat(date)
    return [(last - datetime.timedelta(days=i)).isoformat() for i in range(days)]


def _nearest(value: float, low: float, high: float) -> float:
    ends = [end for end in (low, high) if not math.isnan(end)]
    return min(ends, key=lambda end: abs(end - value)) if ends else math.nan


def _silent_until(check: Check, model: str, acknowledged: Sequence[Acknowledged], date: str) -> str:
    ends = [
        silence.until.isoformat()
        for silence in acknowledged
        if silence.check == check.name and silence.covers(model)
    ]
    return max((end for end in ends if end >= date), default="")


def _nothing_to_read(check: Check, known: Mapping[str, Iterable[str]]) -> Outcome:
    kind, _, name = check.subject.partition(" ")
    near = difflib.get_close_matches(name, list(known.get(kind, ())), n=1)
    where = f" in stratum {check.stratum!r}" if check.stratum else ""
    detail = f"there is no {check.subject} for model {check.model!r}{where}" + (
        f"; did you mean {near[0]!r}?" if near and near[0] != name else ""
    )
    nan = math.nan
    return Outcome(
        rule=check.name,
        subject=check.subject,
        against=check.against,
        model=check.model,
        stratum=check.stratum,
        value=nan,
        threshold=nan,
        outcome=check.severity,
        low=nan,
        high=nan,
        unit="",
        severity=check.severity,
        breached=False,
        nights=0,
        nights_needed=check.nights,
        n_model=0,
        acknowledged_until="",
        detail=detail,
    )
