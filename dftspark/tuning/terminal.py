"""The gate's decision on a terminal: the outcome first, then every measure."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import line, table
from dftspark.report.words.text import number, visible
from dftspark.tuning.gate import GateDecision, GatedRow, Guards


def print_decision(decision: GateDecision, guards: Guards, console: Console) -> None:
    line(console, decision.first_line, "bold")
    for reason in decision.reasons:
        line(console, f"- {reason}")
    head = "challenger less"
    drawn = table(head, "best setting", "q", "control", "p", "", "", left=("",))
    for row in decision.rows:
        drawn.add_row(
            Text(visible(row.name)),
            number(row.difference.value),
            number(row.q_value),
            number(row.control.value),
            number(row.control.p_value),
            row.verdict,
            _part(row),
        )
    console.print(drawn)
    console.print(_guards(guards))


def _part(row: GatedRow) -> str:
    if row.trained:
        return "trained on"
    return "primary" if row.primary else "judges"


def _guards(guards: Guards) -> str:
    calls = "not counted, without --calls"
    if guards.calls is not None:
        calls = f"{guards.calls[0]:,} texts, {guards.calls[1]:,} rewards"
    return (
        f"AUC {guards.auc[0]:.3f} (best setting {guards.auc[1]:.3f}); near copies "
        f"{guards.copies[0]:.1%} (human {guards.copies[1]:.1%}); cross-entropy "
        f"{guards.cross_entropy[0]:.3f} (before {guards.cross_entropy[1]:.3f}); calls: {calls}"
    )
