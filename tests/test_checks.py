"""Rules: what is a breach, what is silent, how often they cry wolf and how soon they see one."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from dftspark.checks.rules import LEAST_BASELINE, Outcome, Reading, evaluate, trailing_range, worst
from dftspark.config import Audit
from dftspark.config.nightly import Acknowledged, Check
from dftspark.errors import ConfigError

FIRST = datetime.date(2026, 1, 1)


def day(i: int) -> str:
    return (FIRST + datetime.timedelta(days=i)).isoformat()


def check(**settings: Any) -> Check:
    return Check(**{"name": "rule", "metric": "l2_2gram", **settings})


def readings(values: list[float], model: str = "gpt", n: int = 500) -> list[Reading]:
    """One night after another, from day 0 on."""
    return [Reading(day(i), model, "", value, "rate", n) for i, value in enumerate(values)]


def judged(
    rule: Check, found: list[Reading], night: int, window: int = 7, *silences: Acknowledged
) -> Outcome:
    (outcome,) = evaluate([rule], silences, {rule.name: found}, date=day(night), window=window)
    return outcome


# --- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "settings", "outcome"),
    [
        (2.0, {"above": 1.0}, "fail"),
        (2.0, {"above": 1.0, "severity": "warn"}, "warn"),
        (1.0, {"above": 1.0}, "pass"),
        (0.5, {"below": 1.0}, "fail"),
        (0.5, {"below": 0.2, "above": 1.0}, "pass"),
        (math.nan, {"above": 1.0}, "unknown"),
        (2.0, {"above": 1.0, "against": "floor"}, "fail"),
        (2.0, {"above": 1.0, "min_documents": 501}, "unknown"),
    ],
)
def test_a_line(value: float, settings: dict[str, Any], outcome: str) -> None:
    found = judged(check(**settings), readings([value]), 0)
    assert found.outcome == outcome
    assert found.breached == (outcome in ("warn", "fail"))
    assert found.subject == "metric l2_2gram"


def test_an_outcome_says_what_was_found_and_where_the_line_is() -> None:
    found = judged(check(below=0.25, above=1.5), readings([2.0]), 0)
    assert (found.low, found.high, found.threshold) == (0.25, 1.5, 1.5)
    assert found.detail == "metric l2_2gram is 2 rate, allowed from 0.25 to 1.5: outside"


@pytest.mark.parametrize("unit", ["times the floor", "times the human band"])
def test_an_outcome_says_what_a_floor_is_and_not_that_it_is_one(unit: str) -> None:
    """Its words go to people, by JUnit, chat and terminal; the unit of the reading to tables."""
    found = [replace(one, unit=unit) for one in readings([2.0])]
    outcome = judged(check(above=1.5, against="floor"), found, 0)
    assert outcome.unit == unit
    assert re.search("is 2 times the most that (one source|chance) gives at", outcome.detail)


def test_nights_in_a_row() -> None:
    rule = check(above=1.0, nights=3)
    found = readings([2, 2, 0, 2, 2, 2, 2])
    outcomes = [judged(rule, found, night) for night in range(7)]
    assert [o.outcome for o in outcomes] == ["pass"] * 5 + ["fail", "fail"]
    assert [o.nights for o in outcomes] == [1, 2, 0, 1, 2, 3, 3]
    assert [o.breached for o in outcomes] == [True, True, False, True, True, True, True]
    gap = [reading for reading in found if reading.date != day(4)]
    assert judged(rule, gap, 5).nights == 1  # a night that is missing breaks the row


def test_an_acknowledgement_ends() -> None:
    rule = check(above=1.0)
    silence = Acknowledged(check="rule", model="g*", until=FIRST + datetime.timedelta(days=1))
    found = readings([2, 2, 2])
    outcomes = [judged(rule, found, night, 7, silence) for night in range(3)]
    assert [o.outcome for o in outcomes] == ["acknowledged", "acknowledged", "fail"]
    assert outcomes[0].acknowledged_until == day(1)
    other = Acknowledged(check="rule", model="llama", until=datetime.date(2030, 1, 1))
    assert judged(rule, found, 0, 7, other).outcome == "fail"


def test_rules_are_for_the_models_that_they_name() -> None:
    found = readings([2.0], "gpt/a") + readings([2.0], "gpt/b") + readings([2.0], "llama")
    for pattern, models in (("*", 3), ("gpt/*", 2), ("llama", 1)):
        rule = check(above=1.0, model=pattern)
        outcomes = evaluate([rule], [], {"rule": found}, date=day(0), window=7)
        assert len(outcomes) == models


def test_a_rule_that_watches_nothing_does_not_keep_quiet() -> None:
    rule = check(metric="l2_2grm", above=1.0)
    (found,) = evaluate(
        [rule], [], {}, date=day(0), window=7, known={"metric": ["l2_1gram", "l2_2gram"]}
    )
    assert found.outcome == "fail"
    assert "did you mean 'l2_" in found.detail
    assert math.isnan(found.value)


def test_the_worst_outcome_is_that_of_the_run() -> None:
    assert worst([]) == worst(["pass", "unknown", "acknowledged"]) == "pass"
    assert worst(["pass", "warn"]) == "warn"
    assert worst(["warn", "fail", "pass"]) == "fail"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metric": None}, "one of metric, phrase and pattern, got none"),
        ({"phrase": "delve"}, "got ['metric', 'phrase']"),
        ({"metric": "  "}, "give one of metric"),
        ({}, "against = 'value' needs above or below"),
        ({"against": "trailing", "above": 2.0}, "remove ['above']"),
        ({"above": 1.0, "below": 2.0}, "below = 2.0 is more than above = 1.0"),
        ({"above": 1.0, "against": "flor"}, "'value', 'tell', 'floor' or 'trailing'"),
        ({"above": 1.0, "sevrity": "warn"}, "did you mean 'severity'"),
    ],
)
def test_rules_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    corpora = {"human": {"role": "human", "path": "h"}, "gpt": {"role": "model", "path": "m"}}
    rule = {"name": "rule", "metric": "l2_2gram", **settings}
    rule = {key: value for key, value in rule.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        Audit.parse({"corpora": corpora, "checks": [rule]}, "x")
    assert words in str(caught.value)


def test_an_acknowledgement_names_a_check_that_is_there() -> None:
    corpora = {"human": {"role": "human", "path": "h"}, "gpt": {"role": "model", "path": "m"}}
    rules = [{"name": "word pairs", "metric": "l2_2gram", "above": 1.0}]
    silence = {"check": "word pair", "until": datetime.date(2026, 1, 1)}
    document = {"corpora": corpora, "checks": rules, "acknowledged": [silence]}
    with pytest.raises(ConfigError, match="did you mean 'word pairs'"):
        Audit.parse(document, "x")
    with pytest.raises(ConfigError, match="a name of their own"):
        Audit.parse({"corpora": corpora, "checks": rules * 2}, "x")


# --- beside earlier nights -----------------------------------------------------------------------


def averaged(days: NDArray[np.float64], window: int) -> list[float]:
    """Night i averages days i - window + 1 .. i; the first nights average what there is."""
    sums = np.r_[0, np.cumsum(days)]
    ends = np.arange(1, len(days) + 1)
    starts = np.maximum(ends - window, 0)
    return [float(value) for value in (sums[ends] - sums[starts]) / (ends - starts)]


def breaches(values: list[float], rule: Check, window: int, first: int) -> list[bool]:
    found = readings(values)
    back = window + rule.trailing + rule.nights
    return [
        judged(rule, found[max(0, night - back) : night + 1], night, window).outcome == "fail"
        for night in range(first, len(values))
    ]


def test_too_few_nights_say_nothing() -> None:
    rule = check(against="trailing")
    found = readings(list(np.random.default_rng(0).normal(size=60)))
    assert judged(rule, found, 7 + LEAST_BASELINE - 2).outcome == "unknown"
    assert judged(rule, found, 7 + LEAST_BASELINE - 1).outcome in ("pass", "fail")


def test_the_baseline_shares_no_day_with_tonight() -> None:
    """A change of the nights that overlap with tonight's window does not move the line."""
    values = averaged(np.random.default_rng(0).normal(size=60), 7)
    rule = check(against="trailing")
    plain = judged(rule, readings(values), 50)
    shifted = [value + 9 if 43 < i < 50 else value for i, value in enumerate(values)]
    assert judged(rule, readings(shifted), 50).high == plain.high
    earlier = [value + 9 if i == 43 else value for i, value in enumerate(values)]
    assert judged(rule, readings(earlier), 50).high != plain.high


def test_one_sided_rules_have_one_end() -> None:
    found = readings(averaged(np.random.default_rng(0).normal(size=60), 7))
    for change, open_end in (("higher", "low"), ("lower", "high")):
        outcome = judged(check(against="trailing", change=change), found, 50)
        assert math.isnan(getattr(outcome, open_end))
        assert not math.isnan(outcome.threshold)


def test_a_constant_history_allows_rounding_only() -> None:
    rule = check(against="trailing")
    assert judged(rule, readings([0.3] * 50 + [0.3 + 1e-12]), 50).outcome == "pass"
    assert judged(rule, readings([0.3] * 50 + [0.31]), 50).outcome == "fail"


def test_a_closed_form() -> None:
    """w = 1, m nights: the textbook's prediction interval, with its variance from differences."""
    values = np.random.default_rng(3).normal(size=30)
    low, high = trailing_range({day(i): v for i, v in enumerate(values)}, 1, 0.05, True)
    variance = np.mean(np.diff(values) ** 2) / 2
    freedom = 29 / (1 + 0.5 * (1 - 1 / 29))
    reach = special.stdtrit(freedom, 0.975) * math.sqrt(variance * (1 + 1 / 30))
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))


@pytest.mark.simulation
@pytest.mark.parametrize(("window", "rhythm"), [(1, 0.0), (7, 0.0), (7, 3.0)])
@pytest.mark.parametrize(
    "years", [6, pytest.param(60, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_false_alarms_of_a_year_without_change(years: int, window: int, rhythm: float) -> None:
    """Averages of independent days, with a rhythm of the week that a window of 7 cancels: alarms
    on the stated share of nights, here 2%.

    Within three standard errors, where nights that share days count as one; the t variable's
    degrees of freedom are approximate, which is the 0.8% below.
    """
    rule = check(against="trailing", false_alarms=0.02)
    rng, alarms, nights = np.random.default_rng(11), 0, 0
    for _ in range(years):
        days = rng.normal(size=365 + 50) + rhythm * (np.arange(365 + 50) % 7 == 2)
        found = breaches(averaged(days, window), rule, window, 50)
        alarms, nights = alarms + sum(found), nights + len(found)
    rate, error = alarms / nights, math.sqrt(0.02 / nights * window)
    assert rate <= 0.02 + 3 * error
    assert rate >= 0.02 - 3 * error - 0.008


def delay(shift: float, rule: Check, window: int, years: int, seed: int) -> float:
    """Mean nights from a shift of the days, in their standard deviations, to the first alarm."""
    rng, first, waited = np.random.default_rng(seed), 100, []
    for _ in range(years):
        days = rng.normal(size=160)
        days[first:] += shift
        found = breaches(averaged(days, window), rule, window, first)
        waited.append(found.index(True) + 1 if True in found else 60)
    return float(np.mean(waited))


@pytest.mark.simulation
@pytest.mark.parametrize(("shift", "most"), [(4.0, 5.0), (8.0, 3.0)])
def test_delay_to_detection_of_a_planted_drift(shift: float, most: float) -> None:
    """Stated rate 0.1%, window of 7, baseline of 28 nights; docs/nightly.md has the table."""
    assert delay(shift, check(against="trailing"), 7, 40, seed=5) <= most


@pytest.mark.simulation
def test_k_nights_in_a_row_alarm_less_often_and_later() -> None:
    values = averaged(np.random.default_rng(2).normal(size=1_000), 7)
    one, two = (
        sum(breaches(values, check(against="trailing", false_alarms=0.05, nights=k), 7, 50))
        for k in (1, 2)
    )
    assert 0 < two < one
