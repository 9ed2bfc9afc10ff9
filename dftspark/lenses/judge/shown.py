"""Declarations of the judge lens for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dftspark.report.words.rows import Row, of_pair
from dftspark.report.words.shown import Fact, Section, Shown, ShownMeasure, Table
from dftspark.report.words.text import real, visible
from dftspark.store.run import Run

if TYPE_CHECKING:
    from rich.console import Console


def asked(group: str) -> str:
    """Writes `overall:mini` as `overall (mini)`."""
    dimension, _, judge = group.partition(":")
    said = dimension.replace("_", " ")
    return f"{said} ({judge})" if judge else dimension


MEASURES = (
    ShownMeasure(
        r"jmq_lc_(.+)", "Judge at equal length, {n}",
        "The same as the judge would prefer if both texts were equally long.",
        "2 × win rate at equal lengths", "0 to 2", "1",
        group=asked, parity=True,
    ),
    ShownMeasure(
        r"jmq_odds_(.+)", "Judge by its probabilities, {n}",
        "The same by how sure the judge was of its first word.",
        "2 × mean probability of a win", "0 to 2", "1",
        group=asked, parity=True,
    ),
    ShownMeasure(
        r"jmq_(.+)", "Judge, {n}",
        "Twice the share of pairs in which a judge prefers the model's text to the human one.",
        "2 × wins / pairs", "0 to 2", "1",
        group=asked, parity=True,
    ),
    ShownMeasure(
        r"bradley_terry_(.+)", "Judge, all on one scale, {n}",
        "How strong the model is against humans, from all its comparisons with humans and models.",
        "log odds of a win (Bradley-Terry)", "any", "0",
        group=asked,
    ),
    ShownMeasure(
        r"judge_agreement_(.+)", "Agreement of judges, {n}",
        "How often two judges agree on the same pair and order, beyond chance.",
        "Krippendorff's alpha", "at most 1", "-",
        group=asked,
    ),
)  # fmt: skip


def _judge(row: Row) -> str:
    return visible(row["metric"].partition(":")[2], 40)


def _inside(row: Row) -> str:
    """Writes the interval of the share of pairs; empty if it has none."""
    ends = [real(row[name]) / 2 for name in ("ci_low", "ci_high")]
    return "" if any(map(math.isnan, ends)) else f"{ends[0]:.0%} to {ends[1]:.0%}"


def _won(row: Row) -> str:
    """Says what share of pairs it is, with its interval if it has one."""
    inside = f" ({_inside(row)})" if _inside(row) else ""
    return f"of pairs{inside} in which {_judge(row)} prefers the model's text; half is parity"


class JudgeShown(Shown):
    name = "judge"
    title = "Judge"
    stands = ("jmq_overall:.*", "jmq_.*")
    compared = ("jmq_overall.*",)
    apart = True
    measures = MEASURES
    tables: Mapping[str, Table] = {
        "win_rates": Table(listed=True, drawn=True, of_all=True),
        "judgements": Table(listed=True),
    }

    def warnings(self, run: Run) -> list[str]:
        found: list[str] = run.manifest.get("judge", {}).get("warnings", [])
        return found

    def facts(self, run: Run, model: str, stratum: str) -> list[Fact]:
        rows = of_pair(run, "metrics", model, stratum)
        asked = [row for row in rows if row["metric"].startswith("jmq_overall:")]
        return [
            Fact(
                f"{_judge(row)} prefers it",
                f"{real(row['value']) / 2:.0%}",
                _won(row),
                inside=_inside(row),
            )
            for row in asked
            if not math.isnan(real(row["value"]))
        ]

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        from dftspark.lenses.judge.figures import judge

        figure = judge(run, model, warned=False)
        if figure is None:
            return None
        said = " ".join(f"{fact.big} {fact.says}." for fact in self.facts(run, model, stratum))
        return Section("judge", "Judge", "What a judge prefers", [figure], said)

    def show_run(self, run: Run, console: Console) -> None:
        from dftspark.lenses.judge.terminal import show

        show(run, console)


SHOWN = JudgeShown()
