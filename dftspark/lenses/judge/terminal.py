"""The judge lens on a terminal: JMQ with its interval, the controls beside it, and warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from dftspark.config import Judge
from dftspark.endpoints.plan import SpendEstimate
from dftspark.judge.outcome import unanswered
from dftspark.report.terminal.drawing import line, table
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.store.run import Run

_CONTROLS = {
    "human": "two human texts",
    "human_unprompted": "two human texts, other prompts",
    "broken": "words shuffled",
    "models": "",
}
_NO_JUDGE = (
    "No judge was asked: the configuration has no [[judge.endpoints]]. What stands here instead is "
    "the classifier two-sample test on embeddings: whether the sides can be told apart, not which "
    "is better. It is not JMQ."
)


def print_plan(estimates: Sequence[SpendEstimate], settings: Judge, console: Console) -> None:
    """Prints the requests to be sent and their cost, a line for each judge."""
    if not estimates:
        return line(console, "No judge will be asked: there is no [[judge.endpoints]].")
    drawn = table(
        "judge", "requests", "stored", "to ask", "tokens in", "tokens out", "price", "at most"
    )
    for row in estimates:
        drawn.add_row(
            Text(visible(row.model)),
            f"{row.requests:,}",
            f"{row.stored:,}",
            f"{row.missing:,}",
            f"{row.tokens_in:,}",
            f"{row.tokens_out:,}",
            _money(row.cost, row),
            _money(row.most, row),
        )
    console.print(drawn)
    lost = sum(row.lost for row in estimates)
    if lost:
        line(
            console,
            f"{lost:,} were sent by a run that was killed before it heard of them; "
            f"--again sends them once more.",
            "yellow",
        )
    line(
        console,
        f"Caps: {settings.max_requests:,} requests, {settings.max_tokens:,} tokens, price "
        f"{settings.max_cost:,.2f}. Tokens are estimated; judges without a price count as free.",
        "dim",
    )


def _ci(confidence: float) -> str:
    return f"{confidence:.0%} CI"


def _money(value: float, row: SpendEstimate) -> str:
    if not value:
        return "free" if row.missing else "0.00"
    return f"{value:,.2f}" if value >= 0.01 else "<0.01"


def show(run: Run, console: Console) -> None:
    """Prints the section, or nothing where the run has no judge lens."""
    told = run.manifest.get("judge")
    if told is None:
        return
    console.print()
    console.rule(Text("judge", "bold"), align="left", style="dim")
    if "win_rates" not in run.tables:
        line(console, _NO_JUDGE, "yellow")
        _stand_in(run, console)
        return
    rows = [row for row in run.table("win_rates").to_pylist() if not row["stratum"]]
    confidence = confidence_of(run)
    _jmq(console, [row for row in rows if row["kind"] == "model"], confidence)
    _controls(console, [row for row in rows if row["kind"] != "model"], confidence)
    for warning in told["warnings"]:
        line(console, f"! {visible(warning, 600)}", "yellow")
    price = (
        f", price {number(told['cost'])}, of this run {number(told['cost_now'])}"
        if told["cost"]
        else ""
    )
    line(
        console,
        f"{told['requests']:,} judgements, {told['sent']:,} requests sent by this run; "
        f"{told['tokens_in']:,} tokens read, {told['tokens_out']:,} written{price}.",
        "dim",
    )
    if missing := unanswered(run):
        line(console, f"! {visible(missing, 1_000)}", "red")


def _jmq(console: Console, rows: list[Row], confidence: float) -> None:
    line(
        console,
        "JMQ = 2 x how often the judge prefers the model's text to the human text; 1 is parity.",
        "dim",
    )
    for model, judge in dict.fromkeys((row["model"], row["judge"]) for row in rows):
        drawn = table(
            f"{visible(model)}, by {visible(judge)}",
            "JMQ",
            _ci(confidence),
            "p",
            "equal length",
            "first wins",
            "flips",
            "pairs",
        )
        for row in rows:
            if (row["model"], row["judge"]) == (model, judge):
                drawn.add_row(
                    Text(visible(row["dimension"])),
                    Text(_two(row["jmq"]), _color(row)),
                    _interval(row["jmq_low"], row["jmq_high"]),
                    _p(row["p_value"]),
                    _two(2 * real(row["lc_win_rate"])),
                    _share(row["first_rate"]),
                    _share(row["flip_rate"]),
                    f"{row['pairs']:,}",
                )
        console.print(drawn)


def _controls(console: Console, rows: list[Row], confidence: float) -> None:
    if not rows:
        return
    console.print()
    drawn = table(
        "control",
        "judge",
        "asked",
        "wins",
        _ci(confidence),
        "first",
        "flips",
        "should be",
        left=("judge", "asked", "should be"),
    )
    for row in rows:
        name = _CONTROLS[row["kind"]]
        if row["kind"] == "broken":
            name = f"{visible(row['model'])}, {name}, against human"
        elif row["kind"] == "models":
            name = f"{visible(row['model'])} against {visible(row['against'])}"
        should = {"broken": "near 0%", "models": ""}.get(row["kind"], "50%")
        drawn.add_row(
            Text(name),
            Text(visible(row["judge"])),
            Text(visible(row["dimension"])),
            _share(row["win_rate"]),
            _shares(row["ci_low"], row["ci_high"]),
            _share(row["first_rate"]),
            _share(row["flip_rate"]),
            should,
        )
    console.print(drawn)


def _stand_in(run: Run, console: Console) -> None:
    rows = [r for r in run.table("metrics").to_pylist() if r["metric"] == "c2st_auc"]
    confidence = confidence_of(run)
    drawn = table("model", "c2st_auc", _ci(confidence), "p")
    for row in rows:
        drawn.add_row(
            Text(visible(row["model"])),
            _two(row["value"]),
            _interval(row["ci_low"], row["ci_high"]),
            _p(row["p_value"]),
        )
    console.print(drawn)


def _color(row: Row) -> str:
    if math.isnan(real(row["jmq_low"])):
        return "yellow"
    return "green" if row["jmq_low"] <= 1 <= row["jmq_high"] else "red"


def _interval(low: float | None, high: float | None) -> str:
    return f"{_two(low)}-{_two(high)}" if real(low) == real(low) else MISSING


def _two(value: float | None) -> str:
    found = real(value)
    return MISSING if found != found else f"{found:.2f}"


def _share(value: float | None) -> str:
    found = real(value)
    return MISSING if found != found else f"{found:.0%}"


def _shares(low: float | None, high: float | None) -> str:
    return f"{_share(low)}-{_share(high)}" if real(low) == real(low) else MISSING


def _p(value: float | None) -> str:
    found = real(value)
    return MISSING if found != found else f"{found:.2g}"
