"""A lens from elsewhere: what it declares is all that page and terminal know of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rich.console import Console

from dftspark.report.page.figure import Figure, draw
from dftspark.report.terminal.drawing import line
from dftspark.report.words.shown import (
    Chips,
    Examples,
    Excerpt,
    Foldout,
    Section,
    Shown,
    ShownMeasure,
    Table,
)
from dftspark.store.run import Run

_draw = partial(draw, home=__package__)


class VowelsShown(Shown):
    name = "vowels"
    title = "Vowels and their like"
    lead, word = "vowel_distance", "vowels"
    stands = ("vowel_distance",)
    compared = ("vowel_distance",)
    brief = ("vowel_.*",)
    measures = (
        ShownMeasure(r"vowel_(\w+)", "Vowels, {n}", "How far.", "|p - q|", "0 to 1", main=True),
    )
    tables: Mapping[str, Table] = {"vowels": Table("letter model", listed=True, drawn=True)}
    glossary: Mapping[str, str] = {"vowels": "The letters a, e, i, o and u."}

    def notes(self, run: Run) -> list[str]:
        return ["y is no vowel here"]

    def where(self, run: Run, model: str, stratum: str, told: bool) -> list[Chips]:
        return [Chips("Too many ", over=("<a>",), key="vowels", word="vowels", after=" of these")]

    def section(self, run: Run, model: str, stratum: str) -> Section:
        letters = run.table("vowels")["letter"].to_pylist()
        drawn = _draw("bars", letters=letters, model=model)
        fold = Foldout("All vowels", [Figure("<p>folded</p>")])
        return Section("vowels", "Vowels", "Which vowels", (drawn, fold))

    def examples(self, run: Run, model: str) -> list[Examples]:
        return [Examples("A text of vowels", [Excerpt("model", "a <e> i", "d1")])]

    def show(self, run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
        line(console, f"[bold]{model} says a")


SHOWN = VowelsShown()
