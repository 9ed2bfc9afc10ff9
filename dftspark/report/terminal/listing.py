"""Lists for a terminal: runs of a store, checks of the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from dftspark.redaction import redact
from dftspark.report.words.text import visible
from dftspark.store.listing import RunInfo

if TYPE_CHECKING:
    from dftspark.doctor import Diagnosis

_COLORS = {"finished": "green", "unfinished": "yellow", "damaged": "red"}
_OUTCOMES = {"pass": "green", "warn": "yellow", "fail": "red"}
_CORPORA = 4


def print_runs(found: list[RunInfo], store: str, console: Console) -> None:
    """Prints two lines per run: its id and state, and its findings."""
    if not found:
        console.print(Text(f"no runs in {visible(redact(store))}; `dftspark audit` makes one"))
    for info in found:
        line = Text.assemble(visible(info.id), "  ", (info.state, _COLORS[info.state]))
        if info.date:
            line.append(f"  {visible(info.date)}")
        if info.standing:
            line.append(
                f"  {info.standing}, version {info.version}",
                "bold" if info.standing == "current" else "dim",
            )
        if info.checks:
            line.append(f"  checks: {visible(info.checks)}", _OUTCOMES.get(info.checks, "yellow"))
        console.print(line, soft_wrap=True)
        said = [_corpora(info.corpora), visible(info.headline, 300)]
        told = "; ".join(part for part in said if part)
        if told:
            console.print(Text(f"  {told}", "dim"), soft_wrap=True)


def print_check(check: Diagnosis, console: Console) -> None:
    """Prints one line, and the remedy of a problem on a second."""
    mark = Text("ok     " if check.ok else "problem", "green" if check.ok else "bold red")
    line = Text.assemble(mark, f" {check.name}: ", visible(check.found, 500))
    console.print(line, soft_wrap=True)
    if check.remedy:
        console.print(Padding(Text(check.remedy), (0, 0, 0, 8)), soft_wrap=True)


def _corpora(names: tuple[str, ...]) -> str:
    shown = ", ".join(visible(name) for name in names[:_CORPORA])
    return shown + (f" and {len(names) - _CORPORA} more" if len(names) > _CORPORA else "")
