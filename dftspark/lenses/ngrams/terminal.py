"""Over- and under-used tokens and phrases, as two-sided bars."""

from __future__ import annotations

import math

from rich.console import Console
from rich.text import Text

from dftspark.report.terminal.drawing import bar, block, line, plain_table
from dftspark.report.words.rows import Row, of_pair, told_apart
from dftspark.report.words.text import MISSING, number, ratio, real, visible
from dftspark.store.run import Run

_COLUMNS = (
    "model stratum n text tokens per_million_human per_million_model log_odds q_value "
    "contribution share"
)
_BAR = 7
_NO_TEST = (
    "none has a test; they are in too few texts, or few long texts of one side stand beside many "
    "short ones of the other"
)


def show(run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
    """Prints tokens and phrases of one pair, `rows` lines of each, half of them over-used."""
    found = of_pair(run, "ngrams", model, stratum, _COLUMNS.split())
    listed = [row for row in found if row["text"] is not None]
    tokens = [row for row in listed if row["n"] == 1]
    phrases = [row for row in listed if row["n"] > 1 and any(map(str.isalnum, row["text"]))]
    for title, some in (("tokens", tokens), ("phrases", phrases)):
        _print(console, title, _two_sided(some, rows), any(map(_tested, some)))
    untold = sum(not told_apart(row) for row in [*tokens, *phrases])
    if untold:
        said = f"{untold:,} more in `ngrams` have no test, being too rare, or a q above 0.05"
        line(console, said, "dim")


def _two_sided(rows: list[Row], lines: int) -> list[Row]:
    """Returns the over-used rows, then the under-used ones, by their share of L2 squared. Rows
    without a significant test are left out."""
    told = [row for row in rows if told_apart(row)]
    over = [row for row in told if row["contribution"] > 0]
    under = [row for row in told if row["contribution"] < 0]
    half = lines // 2
    return [*_strongest(over, lines - half), *_strongest(under, half)]


def _strongest(rows: list[Row], lines: int) -> list[Row]:
    taken: list[Row] = []
    for row in sorted(rows, key=lambda row: (-real(row["share"]), row["text"])):
        if len(taken) == lines:
            break
        if not any(_same_phrase(row["tokens"], other["tokens"]) for other in taken):
            taken.append(row)
    return taken


def _same_phrase(first: list[str] | None, second: list[str] | None) -> bool:
    """Returns whether one phrase is inside the other, or both are parts of one longer phrase."""
    short, long = sorted((first or [], second or []), key=len)
    if len(short) < 2:
        return False
    least = max(2, len(short) - 1)
    shifts = range(least - len(short), len(long) - least + 1)
    return any(_agree(short, long, shift) for shift in shifts)


def _agree(short: list[str], long: list[str], shift: int) -> bool:
    inside = [(i, i + shift) for i in range(len(short)) if 0 <= i + shift < len(long)]
    return all(short[i] == long[j] for i, j in inside)


def _tested(row: Row) -> bool:
    return not math.isnan(real(row["q_value"]))


def _print(console: Console, title: str, rows: list[Row], tested: bool) -> None:
    console.print()
    if not rows:
        said = "none differ by more than chance" if tested else _NO_TEST
        line(console, f"{title}: {said}", "bold")
        return
    table = plain_table()
    table.add_column(Text(title, "bold"), overflow="fold", min_width=12)
    for name in ("human/M", "model/M", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("under", justify="right", no_wrap=True, min_width=_BAR)
    table.add_column("over", no_wrap=True, min_width=_BAR)
    table.add_column("of L2^2", justify="right", no_wrap=True)
    table.add_column("q", justify="right", no_wrap=True)
    longest = max(abs(real(row["log_odds"])) for row in rows)
    for row in rows:
        table.add_row(*_cells(row, longest, console))
    console.print(table)
    _explain(console, rows)


def _cells(row: Row, longest: float, console: Console) -> list[Text]:
    over, log_odds = row["contribution"] > 0, abs(real(row["log_odds"]))
    drawn = bar(log_odds / longest if longest else 0.0, _BAR, block(console))
    human, model, q = (
        real(row[name]) for name in ("per_million_human", "per_million_model", "q_value")
    )
    return [
        Text(visible(row["text"], 60)),
        Text(number(human)),
        Text(number(model)),
        Text(ratio(model / human) if human else "new"),
        Text("" if over else drawn, "blue"),
        Text(drawn if over else "", "red"),
        Text(_percent(real(row["share"]))),
        Text("<.001" if q < 0.001 else f"{q:.3f}"),
    ]


def _explain(console: Console, rows: list[Row]) -> None:
    if any(not row["per_million_human"] for row in rows):
        console.print(Text("new: the human text does not have it", "dim"))


def _percent(share: float) -> str:
    if math.isnan(share):
        return MISSING
    return "<0.1%" if share < 0.001 else f"{share:.1%}"
