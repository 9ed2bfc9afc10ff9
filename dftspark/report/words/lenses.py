"""The lenses that a report shows, and what the metrics table calls their measures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module

from dftspark.lenses.lens import home, names
from dftspark.report.words.shown import Shown, ShownMeasure, Table, Unknown


@cache
def lenses() -> tuple[Shown, ...]:
    """Returns what every registered lens declares, in the registry's order.

    Each is loaded by name, from `shown.py` beside the lens, since a lens imports what it is shown
    with.
    """
    return tuple(shown for name in names() if (shown := _shown(f"{home(name)}.shown")))


def _shown(module: str) -> Shown | None:
    try:
        found: Shown = import_module(module).SHOWN
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None  # another package's lens need not declare how it is shown
    return found


def lens(name: str) -> Shown:
    """Returns the lens of this name, or one that declares nothing."""
    return next((known for known in lenses() if known.name == name), Unknown(name))


def place(name: str) -> int:
    """Returns the place of the lens among all; an unknown one comes last."""
    return next((i for i, known in enumerate(lenses()) if known.name == name), len(lenses()))


@cache
def leads() -> dict[str, str]:
    """Maps each measure whose tell size stands for a lens to the word for that lens."""
    return {lens.lead: lens.word for lens in lenses() if lens.lead}


@cache
def tables() -> dict[str, Table]:
    """Returns how the tables of all lenses are shown, by name."""
    return {name: table for lens in lenses() for name, table in lens.tables.items()}


@cache
def measure(name: str) -> ShownMeasure:
    """Returns the measure that the table calls `name`; an unknown name gets a measure without
    text."""
    for known in (known for lens in lenses() for known in lens.measures):
        if found := re.fullmatch(known.pattern, name):
            group = (found[1] or "") if found.groups() else ""
            said = known.group(group)
            at_start = said.capitalize() if known.title.startswith("{n}") else said
            return replace(
                known,
                title=known.title.replace("{n}", at_start),
                spoken=known.spoken.replace("{n}", said.lower()) or name,
                at_most=group in known.upward,
            )
    return ShownMeasure(re.escape(name), name, "", "", "", spoken=name)


def stand_in(name: str) -> int:
    """Returns the rank of a measure among those that represent a model without a tell size."""
    patterns = [pattern for lens in lenses() for pattern in lens.stands]
    found = (i for i, pattern in enumerate(patterns) if re.fullmatch(pattern, name))
    return next(found, len(patterns))


def matching(names: Iterable[str], patterns: Sequence[str], most: int = 2) -> list[str]:
    """Returns at most `most` of `names` for each pattern, in the order of the patterns."""
    known = sorted(set(names))
    return [n for p in patterns for n in [n for n in known if re.fullmatch(p, n)][:most]]
