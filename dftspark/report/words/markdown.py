"""A run as Markdown, for a pull request or a step's summary.

Names and phrases are untrusted: they stand in code, where nothing links, pings or ends a table.
"""

from __future__ import annotations

import re

from dftspark.errors import ConfigError
from dftspark.report.words.summary import ModelLine, Summary, summary
from dftspark.report.words.text import MISSING, visible
from dftspark.report.words.verdict import short, span
from dftspark.store.run import Run

_CHIPS = 6
_WARY = 4
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def markdown(run: Run) -> str:
    """Returns the headline, a table of models by lenses, what gives them away, how sure that is and
    what to be wary of. Raises ConfigError for a run that compares nothing."""
    if "metrics" not in run.tables:
        raise ConfigError(f"run {run.id} compares nothing, so there is nothing to tell of it")
    told = summary(run, chips=_CHIPS)
    parts = [f"**{escaped(told.headline)}.**", _table(told), *_giveaways(told)]
    parts += [f"Rules: {escaped(told.checks)}."] if told.checks else []
    parts.append(escaped(" ".join(told.sure)))
    if told.wary:
        wary = [f"- {escaped(visible(said, 300))}" for said in told.wary[:_WARY]]
        more = len(told.wary) - len(wary)
        wary += [f"- and {more} more"] if more else []
        parts.append("Be wary of:\n\n" + "\n".join(wary))
    parts.append(f"<sub>{escaped(told.title)}, run {code(run.id)}</sub>")
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Escapes what Markdown would read, and keeps an @ from naming anyone."""
    return _MARKS.sub(r"\\\1", text).replace("@", "@<!-- -->")


def code(text: str) -> str:
    """Puts untrusted text into a code span that also holds inside a table."""
    shown = visible(text, 60).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}" if longest else f"`{shown}`"


def _table(told: Summary) -> str:
    if not (told.words or told.heads):
        return ""
    heads = ["model", *(f"by {escaped(word)}" for word in told.words), *map(escaped, told.heads)]
    rows = [_row(told, line) for line in told.lines]
    if told.between:
        half = len(rows) - len(rows) // 2
        rows.insert(half, [f"{told.between} more between", *[""] * (len(heads) - 1)])
    aligned = ["---", *["---:"] * (len(heads) - 1)]
    caption = "Documents a side that give a model away; the more it takes, the nearer to human."
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, aligned, *rows)]
    return "\n".join([caption, "", *lines] if told.words else lines)


def _row(told: Summary, line: ModelLine) -> list[str]:
    cells = []
    for size in line.sizes:
        inside = MISSING if size is None else span(size)
        said = MISSING if size is None else short(size)
        cells.append(said + (f" ({inside})" if inside != MISSING else ""))
    cells += [
        next((fact.big for fact in line.facts if fact.head == head), MISSING) for head in told.heads
    ]
    tied = " (tied with the one above)" if line.tied else ""
    return [f"{code(line.model)}{tied}", *cells]


def _giveaways(told: Summary) -> list[str]:
    lines = [line for line in told.lines if line.chips]
    if len(lines) == 1:
        return [f"It gives itself away by {_named(lines[0])}."]
    return ["\n".join(f"- {code(line.model)} by {_named(line)}" for line in lines)]


def _named(line: ModelLine) -> str:
    return ", ".join(code(chip.label) for chip in line.chips)
