"""The judge lens on a terminal: JMQ with its interval, the controls beside it, and warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dftspark.config import Judge
from dftspark.judge.plan import Estimate
from dftspark.judge.verdicts import LOST, NOT_ASKED
from dftspark.report.text import MISSING, number, real, visible
from dftspark.store.run import Run

Row = dict[str, Any]

_MANY = 0.05
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


def headline(metrics: pa.Table) -> str:
    """The first JMQ of the model farthest from parity, or of what stands in."""
    rows = metrics.to_pylist()
    jmq = [r for r in rows if r["metric"].startswith("jmq_") and not r["stratum"]]
    if jmq:
        name = jmq[0]["metric"]
        own = [row for row in jmq if row["metric"] == name]
        row = max(own, key=lambda r: abs(real(r["value"]) - 1))
        return f"{visible(row['model'])}: {spoken(name)} {number(real(row['value']))}"
    auc = [row for row in rows if row["metric"] == "c2st_auc"]
    return (
        f"no judge; {visible(auc[0]['model'])}: c2st_auc {number(real(auc[0]['value']))}"
        if (auc)
        else "no judge"
    )


def spoken(metric: str) -> str:
    """`jmq_overall:mini` as `JMQ (overall, mini)`."""
    kind, _, judge = metric.partition(":")
    return f"JMQ ({visible(kind.removeprefix('jmq_'))}, {visible(judge)})"


def unanswered(run: Run) -> str:
    """What is missing of a run's verdicts and why, or nothing."""
    told = run.manifest.get("judge", {})
    missing = int(told.get("unanswered", 0))
    if not missing:
        return ""
    why = "; ".join(told["stopped"]) or ", ".join(
        f"{error} {count:,}" for error, count in told["errors"].items()
    )
    lost = int(told["errors"].get(LOST, 0))
    left = "" if lost == missing else " The same command goes on where this run stopped."
    again = (
        f" {lost:,} were sent by a run that was killed, and may have been paid for; the same "
        f"command with --again sends them once more."
        if lost
        else ""
    )
    return f"{missing:,} of {told['requests']:,} requests have no answer: {why}.{left}{again}"


def unfinished(run: Run) -> str:
    """The same where the run ended early or lacks many answers: it is finished in part."""
    told = run.manifest.get("judge", {})
    early = told.get("stopped") or told.get("errors", {}).get(NOT_ASKED)
    many = told.get("unanswered", 0) > _MANY * told.get("requests", 0)
    return unanswered(run) if early or many else ""


def print_plan(estimates: Sequence[Estimate], settings: Judge, console: Console) -> None:
    """What will be asked and what it will cost, a line for each judge."""
    if not estimates:
        return _line(console, "No judge will be asked: there is no [[judge.endpoints]].")
    table = _table("judge", "requests", "stored", "to ask", "tokens in", "tokens out", "price",
                   "at most")  # fmt: skip
    for row in estimates:
        table.add_row(
            Text(visible(row.judge)), f"{row.requests:,}", f"{row.stored:,}", f"{row.missing:,}",
            f"{row.tokens_in:,}", f"{row.tokens_out:,}",
            _money(row.cost, row), _money(row.most, row),
        )  # fmt: skip
    console.print(table)
    lost = sum(row.lost for row in estimates)
    if lost:
        _line(console, f"{lost:,} were sent by a run that was killed before it heard of them; "
                       f"--again sends them once more.", "yellow")  # fmt: skip
    _line(
        console,
        f"Caps: {settings.max_requests:,} requests, {settings.max_tokens:,} tokens, price "
        f"{settings.max_cost:,.2f}. Tokens are estimated; judges without a price count as free.",
        "dim",
    )


def _confidence(run: Run) -> float:
    return float(run.manifest.get("config", {}).get("inference", {}).get("confidence", 0.95))


def _ci(confidence: float) -> str:
    return f"{confidence:.0%} CI"


def _money(value: float, row: Estimate) -> str:
    if not value:
        return "free" if row.missing else "0.00"
    return f"{value:,.2f}" if value >= 0.01 else "<0.01"


def render(run: Run, console: Console) -> None:
    """Prints the section; nothing where the run has no judge lens."""
    told = run.manifest.get("judge")
    if told is None:
        return
    console.print()
    console.rule(Text("judge", "bold"), align="left", style="dim")
    if "win_rates" not in run.tables:
        _line(console, _NO_JUDGE, "yellow")
        _stand_in(run, console)
        return
    rows = [row for row in run.table("win_rates").to_pylist() if not row["stratum"]]
    confidence = _confidence(run)
    _jmq(console, [row for row in rows if row["kind"] == "model"], confidence)
    _controls(console, [row for row in rows if row["kind"] != "model"], confidence)
    for warning in told["warnings"]:
        _line(console, f"! {visible(warning, 600)}", "yellow")
    price = (
        f", price {number(told['cost'])}, of this run {number(told['cost_now'])}"
        if told["cost"]
        else ""
    )
    _line(
        console,
        f"{told['requests']:,} judgements, {told['sent']:,} requests sent by this run; "
        f"{told['tokens_in']:,} tokens read, {told['tokens_out']:,} written{price}.",
        "dim",
    )
    if missing := unanswered(run):
        _line(console, f"! {visible(missing, 1_000)}", "red")


def _jmq(console: Console, rows: list[Row], confidence: float) -> None:
    _line(
        console,
        "JMQ = 2 x how often the judge prefers the model's text to the human text; 1 is parity.",
        "dim",
    )
    for model, judge in dict.fromkeys((row["model"], row["judge"]) for row in rows):
        table = _table(
            f"{visible(model)}, by {visible(judge)}", "JMQ", _ci(confidence), "p", "equal length",
            "first wins", "flips", "pairs",
        )  # fmt: skip
        for row in rows:
            if (row["model"], row["judge"]) == (model, judge):
                table.add_row(
                    Text(visible(row["dimension"])), Text(_two(row["jmq"]), _color(row)),
                    _interval(row["jmq_low"], row["jmq_high"]), _p(row["p_value"]),
                    _two(2 * real(row["lc_win_rate"])), _share(row["first_rate"]),
                    _share(row["flip_rate"]), f"{row['pairs']:,}",
                )  # fmt: skip
        console.print(table)


def _controls(console: Console, rows: list[Row], confidence: float) -> None:
    if not rows:
        return
    console.print()
    table = _table(
        "control", "judge", "asked", "wins", _ci(confidence), "first", "flips", "should be"
    )
    for row in rows:
        name = _CONTROLS[row["kind"]]
        if row["kind"] == "broken":
            name = f"{visible(row['model'])}, {name}, against human"
        elif row["kind"] == "models":
            name = f"{visible(row['model'])} against {visible(row['against'])}"
        should = {"broken": "near 0%", "models": ""}.get(row["kind"], "50%")
        table.add_row(
            Text(name), Text(visible(row["judge"])), Text(visible(row["dimension"])),
            _share(row["win_rate"]), _shares(row["ci_low"], row["ci_high"]),
            _share(row["first_rate"]), _share(row["flip_rate"]), should,
        )  # fmt: skip
    console.print(table)


def _stand_in(run: Run, console: Console) -> None:
    rows = [r for r in run.table("metrics").to_pylist() if r["metric"] == "c2st_auc"]
    confidence = _confidence(run)
    table = _table("model", "c2st_auc", _ci(confidence), "p")
    for row in rows:
        table.add_row(
            Text(visible(row["model"])), _two(row["value"]),
            _interval(row["ci_low"], row["ci_high"]), _p(row["p_value"]),
        )  # fmt: skip
    console.print(table)


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


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(Text(first), overflow="fold")  # a name is no markup
    for name in others:
        left = name in ("judge", "asked", "should be")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)
