"""A run on the terminal, for a newcomer: the verdict, the numbers, the words."""

from __future__ import annotations

import math
import shlex

from rich.console import Console
from rich.text import Text

from dftspark.redaction import redact
from dftspark.report.terminal import choices, counts, rounds, sweeps
from dftspark.report.terminal.drawing import bar, block, line, table
from dftspark.report.terminal.program import program
from dftspark.report.words import losses, rejected, tell
from dftspark.report.words.lenses import lens, lenses, measure, tables
from dftspark.report.words.notes import notes
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.shown import chosen
from dftspark.report.words.tell import Size, Standing
from dftspark.report.words.text import MISSING, number, real, visible
from dftspark.report.words.verdict import (
    headline_of,
    interval,
    missing,
    p_value,
    plain_p,
    short,
    span,
    verdict,
)
from dftspark.store.run import Run

_LISTED = ("metrics", "differences", "samplers")  # next steps, for tables over all lenses
_IN_FULL = 4  # with more models than this, a ranking without pages
_BAR = 6
_PATH = 4096  # a path that is cut is useless
_NO_AUDIT = {"choose", "tune"}  # entries of runs that compare in another way


def render(run: Run, console: Console, rows: int = 12, conf: str = "") -> None:
    """Prints the run. `rows` is the number of lines of each table of words; `conf` the
    configuration file that the run was made with, if it is known."""
    title = f"{run.manifest.get('name', '')} {run.manifest.get('date', '')}".strip()
    line(console, visible(title or run.id), "bold")
    if run.manifest.get("status") == "unfinished":
        line(console, "This run did not finish; this is what it read.", "bold yellow")
        for reason in rejected.lines(run):
            line(console, reason)
    _checks(run, console)
    for said in losses.sentences(run.manifest.get("losses", {})):
        line(console, said, "bold yellow")
    of_one = any(own.name == run.manifest.get("kind") for own in lenses())  # its section says all
    metrics: list[Row] = run.table("metrics").to_pylist() if "metrics" in run.tables else []
    metrics = [] if of_one else [row for row in metrics if not lens(row["lens"]).apart]
    clusters = tell.clusters_of(run)
    models = tell.ranked(metrics, clusters)
    if models:
        _wary(console, run)
    if len(models) > 1:
        _ranking(console, run, models)
    if "super_baseline" in run.tables:
        sweeps.render(run, console)
    if len(models) <= _IN_FULL:
        for model in models:
            _model(console, run, metrics, model, rows)
        _strata(console, metrics, clusters)
    for own in lenses():
        own.show_run(run, console)
    choices.render(run, console)
    rounds.render(run, console)
    counts.render(run, console)
    _next_steps(console, run, bool(models) or of_one or bool(run.manifest.keys() & _NO_AUDIT), conf)


def _model(console: Console, run: Run, metrics: list[Row], model: Standing, rows: int) -> None:
    confidence = confidence_of(run)
    console.print()
    console.rule(Text(visible(model.model), "bold"), align="left", style="dim")
    console.print(Text(verdict(model, tell.fitted_below(run)), f"bold {_color(model)}"))
    console.print()
    pair = (model.model, model.stratum)
    found = [row for row in metrics if (row["model"], row["stratum"]) == pair]
    clusters = tell.clusters_of(run)
    brief = {own.word or own.name: chosen(found, own.brief) for own in lenses()}
    shown = [row for rows in brief.values() for row in rows]
    if not shown:
        brief, shown = {"measures": found}, found
    for name, own in brief.items():
        if own:
            _metrics(console, name, own, confidence, clusters)
    _notes(console, run, shown)
    if len(found) > len(shown):
        line(console, f"{len(found) - len(shown)} more are in the table `metrics`.", "dim")
    console.print()
    for one in reversed(lenses()):  # a terminal is read from its end
        one.show(run, console, *pair, rows)


def _metrics(
    console: Console, title: str, shown: list[Row], confidence: float, clusters: dict[str, int]
) -> None:
    drawn = table(title, "value", f"{confidence:.0%} CI", "floor", "p", "tells at")
    for row in shown:
        size = tell.size_of(row, clusters)
        said = MISSING if measure(row["metric"]).apart else _brief(size)
        drawn.add_row(
            Text(visible(row["metric"])),
            number(real(row["value"])),
            interval(row),
            number(real(row["floor"])),
            p_value(row),
            said,
        )
    console.print(drawn)


def _wary(console: Console, run: Run) -> None:
    """Prints the notes that precede any verdict, below a title that says so."""
    found = notes(run)
    if found:
        console.print()
        console.print(Text("Before you read it as style", "bold yellow"))
    for text in found:
        line(console, f"- {text.rstrip('.')}.", "yellow")


def _checks(run: Run, console: Console) -> None:
    """Prints how many rules passed, and the messages of the others; nothing without rules."""
    checks = run.manifest.get("checks") or {"counts": {}}
    told = [f"{count} {name}" for name, count in checks["counts"].items() if count]
    if told:
        style = {"fail": "bold red", "warn": "yellow"}.get(checks["outcome"], "green")
        line(console, f"checks: {', '.join(told)}", style)
        for said in checks["said"]:
            line(console, f"  {visible(said, 300)}", style)


def _ranking(console: Console, run: Run, models: list[Standing]) -> None:
    console.print()
    line(console, f"{headline_of(models)}.", "bold")
    console.print()
    if any(model.size for model in models):
        line(console, "By the documents a side that give them away, nearest to human first", "dim")
    drawn = table("model", "documents", "95% CI", "p", "", "by", left=("", "by"))
    longest = max((_length(model) for model in models), default=0.0) or 1.0
    before = None
    for model in models:
        tie = before is not None and tell.tied(before, model)
        size, told = model.size, model.told
        length = bar(_length(model) / longest, _BAR, block(console))
        by = "not told apart" if size and not told else model.lenses[0].name if told else ""
        drawn.add_row(
            Text(visible(model.model)),
            _brief(size) if size else MISSING,
            span(size) if size else MISSING,
            plain_p(model.p_value),
            Text(length, _color(model)),
            f"{by}{', tied with the one above' if tie else ''}",
        )
        before = model
    console.print(drawn)
    for reason in sorted({model.reason for model in models} - {""}):
        affected = sum(model.reason == reason for model in models)
        line(console, f"- {reason}" + (f"; {affected} models" if affected > 1 else ""), "dim")


def _strata(console: Console, metrics: list[Row], clusters: dict[str, int]) -> None:
    inside = [row for row in metrics if row["stratum"]]
    if not inside or len({row["stratum"] for row in metrics}) == 1:
        return
    console.print()
    line(console, "within each stratum", "bold")
    drawn = table("stratum", "documents", "95% CI", "p", "by", "model", left=("by", "model"))
    for stratum in sorted({row["stratum"] for row in inside}):
        for model in tell.ranked([row for row in inside if row["stratum"] == stratum], clusters):
            size = model.size
            drawn.add_row(
                Text(visible(stratum)),
                _brief(size) if size else MISSING,
                span(size) if size else MISSING,
                plain_p(model.p_value),
                model.lenses[0].name if model.told else "",
                Text(visible(model.model)),
            )
    console.print(drawn)


def _next_steps(console: Console, run: Run, compared: bool, conf: str) -> None:
    path, command = visible(shlex.quote(redact(run.path)), _PATH), program()
    listed = [*_LISTED, *(name for name, of in tables().items() if of.listed)]
    steps = [f"show {path} {name}" for name in listed if name in run.tables]
    if run.manifest["tables"].get("rejects", {}).get("rows"):
        steps.append(f"show {path} rejects")
    if "profile" in run.tables and conf:
        date = f" --date {run.manifest['date']}" if run.manifest.get("date") else ""
        steps.append(f"compare {visible(shlex.quote(conf), _PATH)} --profile {path}{date}")
    console.print()
    if not compared:
        line(console, "Nothing is compared yet.")
    line(console, f"Run: {visible(redact(run.path), _PATH)}", "bold")
    for step in steps:
        line(console, f"  {command} {step}")
    made = run.manifest.get("page", {})
    if "problem" in made:
        line(console, f"No page was made: {visible(made['problem'])}", "yellow")
        line(console, f"  {command} report {path}")
    elif run.page:
        line(console, f"Page: {visible(redact(run.page), _PATH)}", "bold")


def _brief(size: Size) -> str:
    """Shortens `short` to a few columns: <=16, ~1,200, >210."""
    said = short(size)
    for word, sign in (("at most ", "<="), ("about ", "~"), ("more than ", ">")):
        said = said.replace(word, sign)
    return f"{said} {size.unit}" if said != MISSING and size.unit == "prompts" else said


def _length(model: Standing) -> float:
    """Returns the logarithm of the tell size, so that a longer bar is nearer to human."""
    size = model.size
    n = math.nan if size is None else size.n if model.told else size.low
    return math.log(max(n, 2.0)) if math.isfinite(n) else 0.0


def _notes(console: Console, run: Run, rows: list[Row]) -> None:
    if any("n_tell" in row for row in rows):
        said = "tells at: documents a side at which it tells; value > floor where p < 0.05"
        below = tell.fitted_below(run)
        fitted = any(real(row["p_value"]) < below for row in rows)
        line(console, said + (f";\np below {below:.2g} is of a fitted tail" * fitted), "dim")
    for reason in sorted({missing(row) for row in rows} - {""}):
        affected = sum(missing(row) == reason for row in rows)
        line(console, f"- {reason}" + (f"; {affected} rows" if affected > 1 else ""), "dim")


def _color(model: Standing) -> str:
    if model.size is None:
        return "yellow"
    return "red" if model.told else "green"
