"""Prints what was read and what was left out, one line per corpus."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import table
from dftspark.report.words.rows import Row
from dftspark.report.words.text import count, visible
from dftspark.store.run import Run

_ONE_BY_ONE = 12
_ALWAYS = ("documents", "rejected", "duplicates", "clusters", "tokens")
_IF_ANY = ("filtered", "repaired", "damaged", "lost")


def render(run: Run, console: Console) -> None:
    """Prints the corpora; if there are very many, the human one, the sum, and those with most
    rejects."""
    if "corpora" not in run.tables:
        return
    corpora: list[Row] = run.table("corpora").to_pylist()
    corpora.sort(key=lambda row: (row["role"] != "human", row["corpus"]))
    shown = corpora if len(corpora) <= _ONE_BY_ONE else _abridged(corpora)
    names = [
        "read",
        *_ALWAYS[:3],
        *(n for n in _IF_ANY if any(r.get(n) for r in shown)),
        *_ALWAYS[3:],
    ]
    drawn = table("corpus", *names)
    for row in shown:
        role = " (human)" if row["role"] == "human" != row["corpus"] else ""
        cells = [Text(count(row[name]), "yellow" * _is_loss(name, row)) for name in names]
        drawn.add_row(Text(visible(row["corpus"]) + role), *cells)
    console.print()
    console.print(drawn)


def _is_loss(name: str, row: Row) -> bool:
    return name in ("rejected", "damaged", "lost") and bool(row[name])


def _abridged(corpora: list[Row]) -> list[Row]:
    humans = [row for row in corpora if row["role"] == "human"]
    models = [row for row in corpora if row["role"] != "human"]
    worst = sorted(models, key=lambda row: -(row["rejected"] or 0))[:3]
    return [*humans, _summed(models), *(row for row in worst if row["rejected"])]


def _summed(rows: list[Row]) -> Row:
    names = ("read", *_ALWAYS, *_IF_ANY)
    total: Row = {name: sum(row.get(name) or 0 for row in rows) for name in names}
    return {**total, "role": "model", "corpus": f"all {len(rows)} together"}
