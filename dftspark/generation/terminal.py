"""Prints the expected price of a generation, and its outcome, on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from dftspark.config.generate import Generate
from dftspark.endpoints.plan import SpendEstimate
from dftspark.generation import sweep
from dftspark.redaction import redact
from dftspark.report.terminal.drawing import line, table
from dftspark.report.terminal.program import program
from dftspark.report.words.text import visible
from dftspark.store.run import Run

_PATH = 4096


def print_plan(estimates: Sequence[SpendEstimate], settings: Generate, console: Console) -> None:
    """Prints what each model will be asked, and the caps."""
    names = ("requests", "stored", "lost", "missing", "tokens in", "tokens out", "cost", "at most")
    drawn = table("model", *names)
    for one in estimates:
        counts = (one.requests, one.stored, one.lost, one.missing, one.tokens_in, one.tokens_out)
        costs = (f"{one.cost:,.2f}", f"{one.most:,.2f}")
        drawn.add_row(Text(visible(one.model)), *(f"{count:,}" for count in counts), *costs)
    console.print(drawn)
    line(
        console,
        f"caps of a run: {settings.max_requests:,} requests, {settings.max_tokens:,} tokens, "
        f"{settings.max_cost:,.2f} in the currency of the prices",
        "dim",
    )


def print_run(run: Run, console: Console, quiet: bool) -> None:
    """Prints how much was written, what is odd about it, and the next command."""
    if quiet:
        print(redact(run.path))
        return
    told = run.manifest["generate"]
    line(
        console,
        f"{told['texts']:,} texts of {told['requests']:,} requests, of which "
        f"{told['stored_before']:,} were stored before; cost {told['cost']:,.2f}",
        "bold",
    )
    for said in told["warnings"]:
        line(console, f"- {visible(said, 400)}", "yellow")
    path = redact(run.path)
    line(console, f"Run: {visible(path, _PATH)}", "bold")
    line(console, f"  {program()} audit {visible(shlex.quote(f'{path}/{sweep.FILE}'), _PATH)}")
