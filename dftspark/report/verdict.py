"""What the metrics table says in words. Pure functions of its rows."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from dftspark.report.text import MISSING, number, ratio, visible

Row = dict[str, Any]

MAIN = "l2_1gram"
LEADS = {MAIN: "words", "mmd": "content and style", "structure_factor": "structure"}
_L2 = re.compile(r"l2_(\d)gram")
_SQUARES = re.compile(r"squared|energy|frechet")
_NO_FARTHER = "no farther from human than"
_MOST = 1e5  # times the floor, of a distance; its square is of a squared one


def headline(metrics: pa.Table) -> str:
    """The outcome in one short line: the model farthest from human, and the nearest."""
    rows = metrics.to_pylist()
    models = ranked(rows)
    if not models:
        return ""
    said = [_beside_floor(main, beside(rows, main)) for main in (models[-1], models[0])]
    return said[0] if len(models) == 1 else f"farthest {said[0]}; nearest {said[1]}"


def verdict(main: Row, confidence: float = 0.95, others: Sequence[Row] = ()) -> str:
    """One sentence on a model, from the row that `ranked` gives for it and those of `beside`."""
    return f"{finding(main, others)} ({evidence(leading(main, others)[0], confidence)})."


def finding(main: Row, others: Sequence[Row] = ()) -> str:
    """The verdict without its evidence and its full stop; `others` are what other lenses say."""
    lead, *rest = leading(main, others)
    name, far = visible(lead["model"]), times_floor(lead)
    if lead["metric"].startswith("jmq_"):
        won = real(lead["value"]) / 2
        return f"A judge prefers {name} to the human text in {won:.0%} of the pairs; half is parity"
    if math.isnan(far):
        why = "a floor of rounding size" if rounding(lead) else "no human-human floor"
        return f"{name} has {why} to stand beside"
    lens = LEADS.get(lead["metric"]) or ("words" if _L2.fullmatch(lead["metric"]) else "")
    said = f"{f'By {lens}, ' if lens else ''}{name} is "
    said += f"{number(far, 2)} times as far from human as" if far > 1 else _NO_FARTHER
    said += " two halves of the human text are from each other"
    more = [f"by {LEADS[row['metric']]} {number(times_floor(row), 2)} times" for row in rest]
    return f"{said}; {', '.join([f'{more[0]} as far', *more[1:]])}" if more else said


def leading(main: Row, others: Sequence[Row] = ()) -> list[Row]:
    """The rows with a place beside their floor, the farthest above it first; at least one row.

    A verdict that led with one lens would hide what another one sees.
    """
    if main["metric"].startswith("jmq_"):
        return [main]
    rows = [main, *others] if main["metric"] in LEADS or not others else list(others)
    known = [row for row in rows if not math.isnan(times_floor(row))]
    return sorted(known, key=lambda row: -times_floor(row)) or [main]


def times_floor(row: Row) -> float:
    """The value in units of the human-human floor; nan where that is none or rounding."""
    return math.nan if rounding(row) else real(row["ratio_to_floor"])


def rounding(row: Row) -> bool:
    """Whether the floor is so small beside the value that rounding alone may have made it."""
    most = _MOST**2 if _SQUARES.search(row["metric"]) else _MOST
    return abs(real(row["ratio_to_floor"])) > most


def beside(metrics: Iterable[Row], main: Row) -> list[Row]:
    """The rows of the same pair that stand for other lenses."""
    pair = (main["model"], main["stratum"])
    rows = {row["metric"]: row for row in metrics if (row["model"], row["stratum"]) == pair}
    return [rows[name] for name in LEADS if name in rows and name != main["metric"]]


def headline_of(models: list[Row], others: Sequence[Row] = ()) -> str:
    """One sentence on several models, as `ranked` gives them; `others` are rows of other lenses.

    It is by the lens in which some model is farthest above its floor.
    """
    if not models[0]["metric"].startswith("jmq_"):
        models = _farthest_lens(models, others)
    near, far = models[0], models[-1]
    if near["metric"].startswith("jmq_"):
        return (
            f"A judge prefers the model to the human text in {real(near['value']) / 2:.0%} "
            f"({visible(near['model'])}) to {real(far['value']) / 2:.0%} ({visible(far['model'])}) "
            f"of the pairs; half is parity"
        )
    times, nearest = times_floor(far), times_floor(near)
    if math.isnan(times) or math.isnan(nearest):
        return f"{visible(near['model'])} is nearest to human, {visible(far['model'])} farthest"
    lens = LEADS.get(near["metric"]) or ("words" if _L2.fullmatch(near["metric"]) else "")
    by = f"By {lens}, " if lens else ""
    if times <= 1:
        said = "no model is farther from human than two halves of the human text from each other"
        return f"{by}{said}" if by else f"N{said[1:]}"
    return (
        f"{by}{visible(near['model'])} is nearest to human, at {number(nearest, 2)} times "
        f"the distance of two halves of the human text; {visible(far['model'])} is farthest, at "
        f"{number(times, 2)}"
    )


def _farthest_lens(models: list[Row], others: Sequence[Row]) -> list[Row]:
    """The rows of the lens with the largest ratio, nearest to human first."""
    by_lens: dict[str, list[Row]] = defaultdict(list)
    names = {row["model"] for row in models}
    for row in others:
        if row["metric"] in LEADS and not row["stratum"] and row["model"] in names:
            by_lens[row["metric"]].append(row)
    whole = [models, *(sorted(rows, key=_nearness) for rows in by_lens.values())]
    whole = [rows for rows in whole if len(rows) == len(models)]
    return max(whole, key=lambda rows: max(map(_known_times, rows)))


def _known_times(row: Row) -> float:
    found = times_floor(row)
    return -1.0 if math.isnan(found) else found


def ranked(metrics: Iterable[Row]) -> list[Row]:
    """The row that stands for each model, nearest to human first, those without a value last."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in metrics:
        rows[row["model"]].append(row)
    mains = [min(of_model, key=_standing) for of_model in rows.values()]
    return sorted(mains, key=_nearness)


def spoken(metric: str) -> str:
    """`l2_1gram` as `token L2`, `l2_3gram` as `3-gram L2`; other metrics by their own name."""
    order = _L2.fullmatch(metric)
    if order is None:
        return visible(metric)
    return "token L2" if order[1] == "1" else f"{order[1]}-gram L2"


def interval(row: Row) -> str:
    low, high = real(row["ci_low"]), real(row["ci_high"])
    if math.isnan(low) or math.isnan(high):
        return MISSING
    return f"{number(low)}{' to ' if low < 0 else '-'}{number(high)}"


def p_value(row: Row) -> str:
    p = real(row["p_value"])
    return MISSING if math.isnan(p) else f"{p:.2g}"


def missing(row: Row) -> str:
    """Why numbers of the row are nan; empty where none is."""
    if math.isnan(real(row["value"])):
        few = "no value: too few documents or clusters on a side"
        return few if row.get("lens") != "ngrams" else "no value: one side has no such n-gram"
    if math.isnan(real(row["ci_low"])):
        return f"no interval: too few clusters ({row['blocks'] or 0} blocks a side)"
    if rounding(row):
        return "no ratio: the human-human floor is at rounding size"
    if math.isnan(real(row["ratio_to_floor"])):
        return "no ratio: the human-human floor is missing or zero"
    return ""


def real(value: float | None) -> float:
    return math.nan if value is None else float(value)


def evidence(main: Row, confidence: float) -> str:
    """The numbers behind the finding: estimate, interval, floor, p-value and what is missing."""
    estimate = f"{spoken(main['metric'])} {number(real(main['value']))}"
    shown, p = interval(main), real(main["p_value"])
    parts = [f"{estimate}, {confidence:.0%} CI {shown}" if shown != MISSING else estimate]
    if not math.isnan(real(main["floor"])):
        parts.append(f"human-human floor {number(real(main['floor']))}")
    if not math.isnan(p):
        parts.append(f"p = {p:.2g}" + (", which may be chance" if p > 0.05 else ""))
    return "; ".join([*parts, missing(main)] if missing(main) else parts)


def _beside_floor(main: Row, others: Sequence[Row]) -> str:
    found = leading(main, others)
    if math.isnan(times_floor(found[0])):
        value = number(real(found[0]["value"]))
        return f"{visible(main['model'])}: {spoken(found[0]['metric'])} {value}"
    said = [
        f"{ratio(times_floor(row))}{' the floor' * (row is found[0])} by "
        f"{LEADS.get(row['metric'], spoken(row['metric']))}"
        for row in found
    ]
    return f"{visible(main['model'])}: {', '.join(said)}"


def _standing(row: Row) -> tuple[bool, bool, bool, bool, str, str]:
    name = row["metric"]  # where only a judge was asked, its JMQ and no log odds
    judged = name.startswith("jmq_overall:"), name.startswith("jmq_")
    return row["stratum"] != "", name != MAIN, not judged[0], not judged[1], name, row["stratum"]


def _nearness(row: Row) -> tuple[bool, float, str]:
    value = real(row["value"])
    unknown = math.isnan(value)
    return unknown, 0.0 if unknown else value, row["model"]
