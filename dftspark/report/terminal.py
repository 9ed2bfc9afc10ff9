"""A run as a newcomer wants to see it on a terminal: the verdict, the numbers, the words."""

from __future__ import annotations

import math
import re
import shlex

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dftspark.report import clouds, counts, judge, patterns, sweeps, words
from dftspark.report.program import program
from dftspark.report.text import bar, block, number, ratio, visible
from dftspark.report.verdict import (
    Row,
    beside,
    interval,
    leading,
    missing,
    p_value,
    ranked,
    real,
    spoken,
    times_floor,
    verdict,
)
from dftspark.store.run import Run

_IN_FULL = 4  # more models than this are a ranking without pages
_FAMILIES = re.compile(r"(l2|l2_docs|js|tv)_\dgram")
_BAR = 6
_PATH = 4096  # a path that is cut is no path


def render(run: Run, console: Console, rows: int = 12, conf: str = "") -> None:
    """Prints the run. `rows` is the number of lines of each table of words; `conf` the
    configuration that it was made with, where that is known to be a file."""
    title = f"{run.manifest.get('name', '')} {run.manifest.get('date', '')}".strip()
    _line(console, visible(title or run.id), "bold")
    _checks(run, console)
    metrics: list[Row] = run.table("metrics").to_pylist() if "metrics" in run.tables else []
    judged = run.manifest.get("kind") == "judge"
    metrics = [] if judged else [row for row in metrics if row["lens"] != "judge"]
    models = ranked(metrics)
    if len(models) > 1:
        _ranking(console, models)
    if "super_baseline" in run.tables:
        sweeps.render(run, console)
    if len(models) <= _IN_FULL:
        for main in models:
            _model(console, run, metrics, main, rows)
        _strata(console, metrics, models)
    judge.render(run, console)
    counts.render(run, console)
    _next_steps(console, run, bool(models) or judged, conf)


def _model(console: Console, run: Run, metrics: list[Row], main: Row, rows: int) -> None:
    confidence = run.manifest.get("config", {}).get("inference", {}).get("confidence", 0.95)
    console.print()
    console.rule(Text(visible(main["model"]), "bold"), align="left", style="dim")
    others = beside(metrics, main)
    said = verdict(main, confidence, others)
    console.print(Text(said, f"bold {_color(leading(main, others)[0])}"))
    console.print()
    pair = (main["model"], main["stratum"])
    found = [row for row in metrics if (row["model"], row["stratum"]) == pair]
    ngrams = [row for row in found if _FAMILIES.fullmatch(row["metric"])]
    vectors = [row for name in clouds.MEASURES for row in found if row["metric"] == name]
    _metrics(console, "n-grams", ngrams or found, confidence)
    if vectors:
        console.print()
        _metrics(console, "embeddings", vectors, confidence)
    unseen = len(found) - len(ngrams or found) - len(vectors)
    if unseen:
        _line(console, f"{unseen} more are in the table `metrics`.", "dim")
    console.print()
    if "regions" in run.tables:
        clouds.render_regions(run, console, main["model"], rows // 2)
    if "patterns" in run.tables:
        patterns.render(run, console, *pair, rows)
    if "ngrams" in run.tables:
        words.render(run, console, *pair, rows)


def _metrics(console: Console, lens: str, shown: list[Row], confidence: float) -> None:
    table = _table(lens, "value", f"{confidence:.0%} CI", "floor", "ratio", "", "p", "mde")
    for row in shown:
        name = Text(visible(row["metric"]))
        table.add_row(name, *_numbers(row, shown, console), number(real(row["mde"])))
    console.print(table)
    _notes(console, shown)


def _checks(run: Run, console: Console) -> None:
    """How many rules passed, and what is said of the others; nothing without rules."""
    checks = run.manifest.get("checks") or {"counts": {}}
    told = [f"{count} {name}" for name, count in checks["counts"].items() if count]
    if told:
        style = {"fail": "bold red", "warn": "yellow"}.get(checks["outcome"], "green")
        _line(console, f"checks: {', '.join(told)}", style)
        for said in checks["said"]:
            _line(console, f"  {visible(said, 300)}", style)


def _ranking(console: Console, models: list[Row]) -> None:
    console.print()
    title = f"{len(models)} models by {spoken(models[0]['metric'])}, nearest to human first"
    _line(console, title, "bold")
    table = _table("model", "value", "CI", "floor", "ratio", "", "p")
    for row in models:
        table.add_row(Text(visible(row["model"])), *_numbers(row, models, console))
    console.print(table)
    _notes(console, models)


def _strata(console: Console, metrics: list[Row], models: list[Row]) -> None:
    mains = {row["metric"] for row in models}
    inside = [row for row in metrics if row["stratum"] and row["metric"] in mains]
    if not inside:
        return
    console.print()
    _line(console, f"{spoken(inside[0]['metric'])} within each stratum", "bold")
    table = _table("stratum", "value", "CI", "floor", "ratio", "", "p", "model")
    for row in sorted(inside, key=lambda row: (row["stratum"], row["model"])):
        names = [Text(visible(row[name])) for name in ("stratum", "model")]
        table.add_row(names[0], *_numbers(row, inside, console), names[1])
    console.print(table)
    _notes(console, inside)


def _next_steps(console: Console, run: Run, compared: bool, conf: str) -> None:
    path, command = visible(shlex.quote(run.path), _PATH), program()
    steps = [
        f"show {path} {name}"
        for name in (
            "metrics",
            "differences",
            "samplers",
            "ngrams",
            "patterns",
            "witness",
            "win_rates",
            "judgements",
        )
        if name in run.tables
    ]
    if run.manifest["tables"].get("rejects", {}).get("rows"):
        steps.append(f"show {path} rejects")
    if "profile" in run.tables and conf:
        date = f" --date {run.manifest['date']}" if run.manifest.get("date") else ""
        steps.append(f"compare {visible(shlex.quote(conf), _PATH)} --profile {path}{date}")
    console.print()
    if not compared:
        _line(console, "Nothing is compared yet.")
    _line(console, f"Run: {visible(run.path, _PATH)}", "bold")
    for step in steps:
        _line(console, f"  {command} {step}")
    made = run.manifest.get("page", {})
    if "problem" in made:
        _line(console, f"No page was made: {visible(made['problem'])}", "yellow")
        _line(console, f"  {command} report {path}")
    elif run.page:
        _line(console, f"Page: {visible(run.page, _PATH)}", "bold")


def _numbers(row: Row, beside: list[Row], console: Console) -> list[str | Text]:
    times = times_floor(row)
    known = [r for r in (times_floor(other) for other in beside) if not math.isnan(r)]
    longest = max(known, default=0.0)  # of equal corpora 0, or below where bias is taken off
    length = bar(times / longest if longest > 0 else 0.0, _BAR, block(console))
    return [
        number(real(row["value"])),
        interval(row),
        number(real(row["floor"])),
        ratio(times),
        Text(length, _color(row)),
        p_value(row),
    ]


def _notes(console: Console, rows: list[Row]) -> None:
    for reason in sorted({missing(row) for row in rows} - {""}):
        affected = sum(missing(row) == reason for row in rows)
        _line(console, f"- {reason}" + (f"; {affected} rows" if affected > 1 else ""), "dim")


def _color(row: Row) -> str:
    times = times_floor(row)
    return "yellow" if math.isnan(times) else "red" if times > 1 else "green"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold")
    for name in others:
        left = name in ("", "model")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)
