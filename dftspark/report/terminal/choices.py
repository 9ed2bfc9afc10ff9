"""A run of a choice on a terminal: what was matched, and how it is judged."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.text import Text

from dftspark.location import below
from dftspark.redaction import redact
from dftspark.report.terminal.drawing import line, table
from dftspark.report.terminal.program import program
from dftspark.report.words.text import number, real, visible
from dftspark.store.run import Run

_PATH = 4096
_RATES = 8
_VERDICTS = {
    "matched": "within what one source gives at these sizes",
    "nearer": "nearer than the pool, and still told apart",
    "not_matched": "no nearer than the pool",
    "untold": "too few prompts to tell",
}


def render(run: Run, console: Console) -> None:
    """Prints the results of the referee's prompts for the chosen texts; nothing for other runs."""
    told = run.manifest.get("choose")
    if not told or "matched" not in run.tables:
        return
    prompts = sum(own["prompts"] for own in told["splits"].values())
    samples = sum(own["samples"] for own in told["splits"].values())
    console.print()
    line(console, f"{prompts:,} texts chosen of {samples:,} samples.", "bold")
    rows = [r for r in run.table("matched").to_pylist() if r["split"] == "referee"]
    drawn = table(
        "on prompts that nothing was chosen by", "pool", "chosen", "floor", "", left=("",)
    )
    for row in rows:
        drawn.add_row(
            Text(visible(row["part"])),
            *(number(real(row[name])) for name in ("pool", "chosen", "floor")),
            "" if row["matched"] else "looked at, not matched",
        )
    console.print(drawn)
    for verdict, meaning in _VERDICTS.items():
        parts = told["said"].get(verdict, [])
        if parts:
            line(console, f"- {', '.join(map(visible, parts))}: {meaning}")
    _rates(run, console)
    path = visible(shlex.quote(redact(below(run.path, told["audit"]))), _PATH)
    console.print()
    line(console, "Judge it against every setting of its pool:", "bold")
    line(console, f"  {program()} audit {path}")


def _rates(run: Run, console: Console) -> None:
    """Prints the rates that were farthest from human and still are."""
    rows = [r for r in run.table("matched_rates").to_pylist() if r["split"] == "referee"]
    rows.sort(key=lambda row: (-abs(row["apart_chosen"]), row["name"]))
    if rows:
        head = "a text's mean, farthest first"
        drawn = table(head, "human", "pool", "chosen", "apart, sd")
        for row in rows[:_RATES]:
            drawn.add_row(
                Text(visible(row["name"])),
                *(number(real(row[f"rate_{side}"])) for side in ("human", "pool", "chosen")),
                number(real(row["apart_chosen"])),
            )
        console.print(drawn)
