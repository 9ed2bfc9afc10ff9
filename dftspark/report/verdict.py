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
LEADS = {"mmd": "content and style", "structure_factor": "structure"}  # of other lenses
_L2 = re.compile(r"l2_(\d)gram")


def headline(metrics: pa.Table) -> str:
    """The outcome in one short line: the model farthest from human, and the nearest."""
    models = ranked(metrics.to_pylist())
    if not models:
        return ""
    if len(models) == 1:
        return _beside_floor(models[0])
    return f"farthest {_beside_floor(models[-1])}; nearest {_beside_floor(models[0])}"


def verdict(main: Row, confidence: float = 0.95, others: Sequence[Row] = ()) -> str:
    """One sentence on a model, from the row that `ranked` gives for it and those of `beside`."""
    return f"{finding(main, others)} ({evidence(main, confidence)})."


def finding(main: Row, others: Sequence[Row] = ()) -> str:
    """The verdict without its evidence and its full stop; `others` are what other lenses say."""
    name, times = visible(main["model"]), real(main["ratio_to_floor"])
    if main["metric"].startswith("jmq_"):
        won = real(main["value"]) / 2
        return f"A judge prefers {name} to the human text in {won:.0%} of the pairs; half is parity"
    if math.isnan(times):
        return f"{name} has no human-human floor to stand beside"
    far = f"{number(times, 2)} times as far from human as"
    far = far if times > 1 else "no farther from human than"
    said = f"{_by(main)}{name} is {far} two halves of the human text are from each other"
    more = [
        f"by {LEADS[row['metric']]} {number(real(row['ratio_to_floor']), 2)} times"
        for row in others
        if not math.isnan(real(row["ratio_to_floor"]))
    ]
    if not more:
        return said
    return f"{said}; {', '.join([f'{more[0]} as far', *more[1:]])}"


def _by(main: Row) -> str:
    return "By words, " if _L2.fullmatch(main["metric"]) else ""


def beside(metrics: Iterable[Row], main: Row) -> list[Row]:
    """The rows of the same pair that stand for other lenses."""
    pair = (main["model"], main["stratum"])
    rows = {row["metric"]: row for row in metrics if (row["model"], row["stratum"]) == pair}
    return [rows[name] for name in LEADS if name in rows]


def headline_of(models: list[Row]) -> str:
    """One sentence on several models, as `ranked` gives them."""
    near, far = models[0], models[-1]
    if near["metric"].startswith("jmq_"):
        return (
            f"A judge prefers the model to the human text in {real(near['value']) / 2:.0%} "
            f"({visible(near['model'])}) to {real(far['value']) / 2:.0%} ({visible(far['model'])}) "
            f"of the pairs; half is parity"
        )
    times = real(far["ratio_to_floor"])
    if math.isnan(times) or math.isnan(real(near["ratio_to_floor"])):
        return f"{visible(near['model'])} is nearest to human, {visible(far['model'])} farthest"
    if times <= 1:
        said = "no model is farther from human than two halves of the human text from each other"
        return f"{_by(far)}{said}" if _by(far) else f"N{said[1:]}"
    nearest = real(near["ratio_to_floor"])
    return (
        f"{_by(near)}{visible(near['model'])} is nearest to human, at {number(nearest, 2)} times "
        f"the distance of two halves of the human text; {visible(far['model'])} is farthest, at "
        f"{number(times, 2)}"
    )


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
        return "no value: one side has no such n-gram"
    if math.isnan(real(row["ci_low"])):
        return f"no interval: too few clusters ({row['blocks'] or 0} blocks a side)"
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


def _beside_floor(main: Row) -> str:
    times = real(main["ratio_to_floor"])
    value = f"{visible(main['model'])}: {spoken(main['metric'])} {number(real(main['value']))}"
    return value if math.isnan(times) else f"{value}, {ratio(times)} the floor"


def _standing(row: Row) -> tuple[bool, bool, bool, bool, str, str]:
    name = row["metric"]  # where only a judge was asked, its JMQ and no log odds
    judged = name.startswith("jmq_overall:"), name.startswith("jmq_")
    return row["stratum"] != "", name != MAIN, not judged[0], not judged[1], name, row["stratum"]


def _nearness(row: Row) -> tuple[bool, float, str]:
    value = real(row["value"])
    unknown = math.isnan(value)
    return unknown, 0.0 if unknown else value, row["model"]
