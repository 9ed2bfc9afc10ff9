"""The declarations of a lens for the report: its measures, its tables, and its sections.

A lens derives from `Shown` and returns what it has; what it leaves out is not shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dftspark.report.words.rows import Row
from dftspark.store.run import Run

if TYPE_CHECKING:
    from rich.console import Console

PLUG_IN = "above 0, less with more text"


def plainly(group: str) -> str:
    """Returns the part of a metric's name that its title repeats, in words."""
    return group.replace("_", " ").strip()


@dataclass(frozen=True)
class ShownMeasure:
    """pattern  of names in the table metrics; `{n}` in title and spoken is what its group holds
    main      in the first figure of a page, rather than among all measures
    equality  the value for equal corpora
    square    for squares, so that twice the difference gives four times the value
    apart     its tell size is of another kind, which shares no axis with the others
    parity    for a preference: 1 is as good as human, and a larger value is not a distance
    spoken    its name in a sentence, if that is not the name in the table
    upward    groups whose tell size is too high, so that it is known as at most that
    group     puts what the group holds into words
    """

    pattern: str
    title: str
    says: str
    formula: str
    span: str
    equality: str = "0 on average"
    main: bool = False
    square: bool = False
    apart: bool = False
    parity: bool = False
    spoken: str = ""
    upward: tuple[str, ...] = ()
    group: Callable[[str], str] = plainly
    at_most: bool = False  # of one metric: whether its tell size errs upward


@dataclass(frozen=True)
class Table:
    """The way a table of the lens is shown.

    columns  their names, the most telling first: what does not fit on a terminal is in the JSON
    listed   whether a terminal names it among the next steps
    drawn    whether figures of the page read it: the rows of the models in full, or all rows
    unread   columns that no figure draws
    """

    columns: str = ""
    listed: bool = False
    drawn: bool = False
    of_all: bool = False
    unread: str = ""


@dataclass(frozen=True)
class Chip:
    """A label of the first screen; `of` is the telltale whose places it opens, if it has one."""

    label: str
    of: str = ""


@dataclass(frozen=True)
class Chips:
    """Labels of what differs, below one phrase; the glossary explains its part `word` under
    `key`."""

    before: str
    over: Sequence[str | Chip] = ()
    under: Sequence[str | Chip] = ()
    key: str = ""
    word: str = ""
    after: str = ""


@dataclass(frozen=True)
class Fact:
    """A number of the first screen: `big` as it is printed, below it what it is, and `head` over a
    column of several models."""

    head: str
    big: str
    says: str
    key: str = ""  # of the glossary, which explains `word`, a part of `says`
    word: str = ""
    inside: str = ""  # its 95% interval


@dataclass(frozen=True)
class Excerpt:
    """An excerpt; `side` is human or model, `text` is untrusted and short."""

    side: str
    text: str
    doc_id: str


@dataclass(frozen=True)
class Telltale:
    """A phrase or a construction that a reader can look for, with places where it stands.

    kind    word, phrase or construction
    human   its rate on that side, in `unit`; so `model`
    q       of its test; nan where it has none
    low     95% interval of the model's rate over the human one; nan where it has none
    places  excerpts of both sides that have it
    """

    kind: str
    text: str
    human: float
    model: float
    unit: str
    q: float
    about: str = ""
    places: Sequence[Excerpt] = ()
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Examples:
    """Excerpts below one title; if `pairs`, every second one stands beside the one before it."""

    title: str
    excerpts: Sequence[Excerpt]
    about: str = ""
    pairs: bool = False


class Drawn(Protocol):
    """A figure of a page, already escaped."""

    def __html__(self) -> str: ...


@dataclass(frozen=True)
class Foldout:
    """Figures that a reader opens."""

    title: str
    figures: Sequence[Drawn]


@dataclass(frozen=True)
class Section:
    """A lens's section of a page: its anchor, its name among the contents, its heading, and what a
    reader finds in it, in one sentence."""

    anchor: str
    name: str
    heading: str
    parts: Sequence[Drawn | Foldout | Examples]
    gist: str = ""


class Shown:
    """The presentation of one lens. Methods read the run's tables and compute nothing new.

    name      as in the column `lens` of the table metrics
    title     heads its measures
    lead      the measure whose tell size represents the lens; none if it has no tell size
    word      by what a model is told apart, in a sentence; also a key of the glossary
    stands    patterns of the measures that represent a model if no tell size does
    by_value  the measure that represents the lens by its value
    compared  patterns of measures by which a page compares models
    brief     patterns of measures that a terminal shows of a model
    no_value  why a value of the lens is nan
    apart     whether the terminal shows its measures only in a section of the whole run
    """

    name: str
    title: str
    lead: str = ""
    word: str = ""
    stands: Sequence[str] = ()
    by_value: str = ""
    compared: Sequence[str] = ()
    brief: Sequence[str] = ()
    no_value: str = "no value: too few documents or clusters on a side"
    apart: bool = False
    measures: Sequence[ShownMeasure] = ()
    tables: Mapping[str, Table] = {}
    glossary: Mapping[str, str] = {}

    def notes(self, run: Run) -> list[str]:
        """Returns what a reader must know before any verdict."""
        return []

    def warnings(self, run: Run) -> list[str]:
        """Returns cautions about the lens's numbers."""
        return []

    def where(self, run: Run, model: str, stratum: str, told: bool) -> list[Chips]:
        """Returns the labels of the first screen; `told` says whether the model is told from
        human."""
        return []

    def facts(self, run: Run, model: str, stratum: str) -> list[Fact]:
        """Returns the numbers of the first screen beside the tell sizes."""
        return []

    def telltales(self, run: Run, model: str, stratum: str) -> list[Telltale]:
        """Returns the phrases and constructions that a reader can search, the clearest first."""
        return []

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        """Returns the lens's section about one model."""
        return None

    def examples(self, run: Run, model: str) -> list[Examples]:
        """Returns documents that show what differs."""
        return []

    def show(self, run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
        """Prints the lens's section about one model in about `rows` lines per table."""

    def show_run(self, run: Run, console: Console) -> None:
        """Prints the lens's section about all models."""


class Unknown(Shown):
    """A lens that is not installed here: its measures are shown under its name."""

    def __init__(self, name: str) -> None:
        self.name = self.title = name


def chosen(rows: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Returns the rows whose metric matches a pattern, in the order of the patterns."""
    return [row for p in patterns for row in rows if re.fullmatch(p, row["metric"])]
