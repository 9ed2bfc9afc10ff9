"""Declarations of the n-gram lens for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dftspark.report.words.shown import (
    PLUG_IN,
    Chips,
    Section,
    Shown,
    ShownMeasure,
    Table,
    Telltale,
)
from dftspark.store.run import Run

if TYPE_CHECKING:
    from rich.console import Console

LONGER = ("2", "3", "4", "5")  # orders whose tell size errs upward


def order(n: str) -> str:
    """Writes 1 as `Token` and 3 as `3-gram`."""
    return "Token" if n == "1" else f"{n}-gram"


MEASURES = (
    ShownMeasure(
        r"l2_(\d)gram", "{n} frequencies, L2",
        "Distance of the frequencies of all n-grams, pooled over the text; a few frequent ones "
        "carry it.",
        "√ Σ (p − q)²", "0 to √2", PLUG_IN,
        upward=LONGER, group=order, spoken="{n} L2",
    ),
    ShownMeasure(
        r"l2_corrected_(\d)gram", "{n} frequencies, L2 without noise",
        "The same less what sampling noise adds; a root with its square's sign.",
        "± √ |Σ (p − q)² − bias|", "−√2 to √2",
        upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"l2_squared_corrected_(\d)gram", "{n} frequencies, L2² without noise",
        "The square, unbiased; it may be a little below 0.", "Σ (p − q)² − bias", "−2 to 2",
        main=True,
        square=True, upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"l2_docs_(\d)gram", "{n} frequencies per document, L2",
        "L2 of the mean over documents: long texts weigh no more.", "√ Σ (mean p − mean q)²",
        "0 to √2", PLUG_IN,
        upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"l2_docs_corrected_(\d)gram", "{n} frequencies per document, L2 without noise",
        "The same less what sampling noise adds.", "± √ |Σ (mean p − mean q)² − bias|",
        "−√2 to √2",
        upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"l2_docs_squared_corrected_(\d)gram", "{n} frequencies per document, L2² without noise",
        "The square, unbiased.", "Σ (mean p − mean q)² − bias", "−2 to 2",
        square=True, upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"js_(\d)gram", "{n} Jensen–Shannon divergence",
        "Information, in bits, that one n-gram gives on which side it is from; rare ones count. "
        "Its test and tell size are of differences over the fourth root of the pooled rate.",
        "H((p + q)/2) − (H(p) + H(q))/2", "0 to 1 bit", PLUG_IN, main=True,
        square=True, upward=LONGER, group=order,
    ),
    ShownMeasure(
        r"tv_(\d)gram", "{n} total variation",
        "Share of all n-grams that would have to change; tested as the divergence.",
        "½ Σ |p − q|", "0 to 1", PLUG_IN,
        upward=LONGER, group=order,
    ),
)  # fmt: skip


class NgramsShown(Shown):
    name = "ngrams"
    title = "Words and phrases"
    lead, word = "js_1gram", "words"
    stands = ("l2_1gram", "js_1gram")
    by_value = "l2_1gram"
    compared = ("js_1gram", "l2_squared_corrected_1gram", "l2_squared_corrected_2gram")
    brief = (r"(js|tv|l2_squared_corrected|l2)_\dgram",)
    no_value = "no value: one side has nothing to measure"
    measures = MEASURES
    tables: Mapping[str, Table] = {
        "ngrams": Table(
            "model stratum n text per_million_human per_million_model share q_value log_odds",
            listed=True,
            drawn=True,
        ),
        "document_ratios": Table(
            "model stratum token share_human share_model ratio q_value",
            drawn=True,
        ),
    }
    glossary: Mapping[str, str] = {
        "words": "All words and signs (tokens), the rare and the frequent, by the test of the "
        "Jensen–Shannon divergence of their frequencies.",
        "gives away": "Words that say something, and phrases with one, that more of the model's "
        "documents have than chance gives (q below 0.05): how many times as many, weighed with how "
        "many of them. Punctuation and the most frequent words are in the chapter on words.",
    }

    def where(self, run: Run, model: str, stratum: str, told: bool) -> list[Chips]:
        from dftspark.lenses.ngrams.figures import rarer, telling

        over, under = telling(run, model, stratum), rarer(run, model, stratum)
        word, after = ("gives itself away", " by") if told else ("over-uses", "")
        return [
            Chips("It ", over=over, key="gives away", word=word, after=after),
            Chips("and uses too rarely", under=under),
        ]

    def telltales(self, run: Run, model: str, stratum: str) -> list[Telltale]:
        from dftspark.lenses.ngrams.recognizable import telltales

        return telltales(run, model, stratum)

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        from dftspark.lenses.ngrams.figures import gist, parts

        if not {"ngrams", "document_ratios"} & set(run.tables):
            return None
        shown = parts(run, model, stratum)
        return Section("words", "Words", "Words and phrases", shown, gist(run, model, stratum))

    def show(self, run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
        from dftspark.lenses.ngrams.terminal import show

        if "ngrams" in run.tables:
            show(run, console, model, stratum, rows)


SHOWN = NgramsShown()
