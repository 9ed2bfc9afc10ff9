"""The judge's section of the terminal page: numbers, controls, warnings, what is missing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from dftspark import schema
from dftspark.config import Judge
from dftspark.endpoints.plan import SpendEstimate
from dftspark.judge import outcome
from dftspark.lenses.judge import terminal as judge
from dftspark.report.terminal.run import render
from dftspark.store.run import Run
from dftspark.store.writer import RunWriter

TOLD: dict[str, Any] = {
    "requests": 1000,
    "sent": 990,
    "tokens_in": 12_345,
    "tokens_out": 99,
    "cost": 1.5,
    "cost_now": 0.25,
    "errors": {},
    "unanswered": 0,
    "stopped": [],
    "warnings": [],
}


def rate(kind: str = "model", model: str = "m", **more: Any) -> dict[str, Any]:
    row = {
        "run_id": "r",
        "date": "",
        "human": "human",
        "model": model,
        "stratum": "",
        "kind": kind,
        "against": "human",
        "dimension": "overall",
        "judge": "mini",
        "pairs": 400,
        "win_rate": 0.3,
        "ci_low": 0.26,
        "ci_high": 0.34,
        "p_value": 0.001,
        "jmq": 0.6,
        "jmq_low": 0.52,
        "jmq_high": 0.68,
        "first_rate": 0.51,
        "flip_rate": 0.12,
        "lc_win_rate": 0.35,
    }
    return {**row, **more}


def run_with(out: Path, rows: list[dict[str, Any]], **told: Any) -> Run:
    writer = RunWriter.create(str(out), "judge")
    writer.write("win_rates", pa.Table.from_pylist(rows, schema=schema.WIN_RATES))
    return writer.publish({"kind": "judge", "name": "j", "judge": {**TOLD, **told}})


def console(width: int = 80) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=width), file


def shown(run: Run) -> str:
    target, file = console()
    render(run, target)
    return file.getvalue()


def test_numbers_and_controls_stand_in_their_columns(tmp_path: Path) -> None:
    rows = [
        rate(),
        rate("broken", win_rate=0.02),
        rate("human", model="human", win_rate=0.49),
        rate("models", against="n"),
    ]
    page = shown(run_with(tmp_path, rows))
    assert "m, by mini" in page
    (line,) = [line for line in page.splitlines() if line.startswith("overall")]
    assert line.split() == ["overall", "0.60", "0.52-0.68", "0.001", "0.70", "51%", "12%", "400"]
    assert "near 0%" in page
    (humans,) = [line for line in page.splitlines() if line.startswith("two human texts")]
    assert humans.split()[-7:] == ["mini", "overall", "49%", "26%-34%", "51%", "12%", "50%"]
    assert "m against n" in page
    assert "price 1.50, of this run 0.250" in page


def test_a_control_without_a_verdict_has_no_interval(tmp_path: Path) -> None:
    none = dict.fromkeys(("win_rate", "ci_low", "ci_high", "first_rate", "flip_rate"))
    page = shown(run_with(tmp_path, [rate(), rate("human", model="human", **none)]))
    (line,) = [line for line in page.splitlines() if line.startswith("two human texts")]
    assert line.split()[-7:] == ["mini", "overall", "-", "-", "-", "-", "50%"]


def test_names_are_no_markup(tmp_path: Path) -> None:
    page = shown(run_with(tmp_path, [rate(model="[/red][bold]x"), rate("broken", model="[b]")]))
    assert "[/red][bold]x, by mini" in page
    assert "[b]" in page


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    run = run_with(
        tmp_path,
        [rate()],
        unanswered=30,
        errors={"lost": 4, "status 500": 26},
        warnings=["judge mini: it looks away"],
    )
    page = " ".join(shown(run).split())
    assert "! judge mini: it looks away" in page
    assert "30 of 1,000 requests have no answer: lost 4, status 500 26" in page
    assert "--again sends them once more" in page
    assert outcome.unfinished(run) == "", "a few do not make a run unfinished"


def test_requests_that_were_lost_are_sent_again_only_when_asked(tmp_path: Path) -> None:
    page = outcome.unanswered(run_with(tmp_path, [rate()], unanswered=4, errors={"lost": 4}))
    assert "the same command with --again sends them once more" in page
    assert "goes on where" not in page, "without --again it asks nothing"


def test_a_run_that_ended_early_is_unfinished(tmp_path: Path) -> None:
    for told in (
        {"unanswered": 10, "stopped": ["mini: status 401"], "errors": {"not asked": 10}},
        {"unanswered": 10, "errors": {"not asked": 10}},
        {"unanswered": 60, "errors": {"status 500": 60}},
    ):
        assert "requests have no answer" in outcome.unfinished(run_with(tmp_path, [rate()], **told))


def test_the_estimate_names_price_and_caps() -> None:
    target, file = console(100)
    judge.print_plan(
        [SpendEstimate("mini", 900, 100, 3, 800, 10**6, 9600, 0.79, 1.2)], Judge(), target
    )
    page = file.getvalue()
    for part in ("mini", "900", "800", "1,000,000", "0.79", "1.20", "20,000 requests", "--again"):
        assert part in page
    stored = SpendEstimate("mini", 900, 900, 0, 0, 0, 0, 0.0, 0.0)
    cheap = SpendEstimate("mini", 900, 896, 0, 4, 9, 9, 0.002, 0.004)
    for estimate, price in ((stored, "0.00"), (cheap, "<0.01")):
        target, file = console(100)
        judge.print_plan([estimate], Judge(), target)
        (line,) = [line for line in file.getvalue().splitlines() if line.startswith("mini")]
        assert line.split()[-2:] == [price] * 2
    judge.print_plan([], Judge(), target)
    assert "No judge will be asked" in file.getvalue()
