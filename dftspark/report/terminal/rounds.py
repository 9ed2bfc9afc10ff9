"""A run of a tuning on a terminal: its rounds, its control, and what judges it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from dftspark.redaction import redact
from dftspark.report.terminal.drawing import line, table
from dftspark.report.words.text import number, real, visible
from dftspark.store.run import Run

_PATH = 4096


def render(run: Run, console: Console) -> None:
    """Prints the rounds of a tuning; nothing for other runs."""
    told = run.manifest.get("tune")
    if not told or "rounds" not in run.tables:
        return
    console.print()
    count = told["rounds"]
    said = f"Tuned in {count} round{'s' * (count != 1)}" if count else "Not tuned"
    line(console, f"{said}, {told['tokens']:,} tokens; ended: {visible(told['stopped'], 400)}.")
    drawn = table("round", "distance", "words", "cross-entropy", "KL", "", left=("",))
    for row in run.table("rounds").to_pylist():
        name = "control" if row["system"] == "control" else f"scale {row['scale']:g}"
        values = (row["distance"], row["words"], row["cross_entropy"], row["kl"])
        drawn.add_row(
            Text(f"{row['round']} {name}"),
            *(number(real(value)) for value in values),
            "taken" if row["taken"] else "",
        )
    console.print(drawn)
    line(
        console,
        "Distances are on validation prompts, by what was trained on. They judge nothing: audit "
        "both models on the referee's prompts, then `dftspark gate`.",
        "dim",
    )
    for name in ("tuned", "control"):
        place = told[name]
        said = visible(redact(place), _PATH) if place else "none, the model stays as it was"
        line(console, f"{name.capitalize()}: {said}", "bold")
