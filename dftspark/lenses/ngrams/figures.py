"""Words and phrases on a page: the parts of the distance, and the words that give the model
away.
"""

from __future__ import annotations

import math
from functools import partial

from dftspark.lenses.ngrams.recognizable import LONGEST, Recognized, recognized
from dftspark.report.page.figure import Figure, draw, seen, times, typeset
from dftspark.report.page.scale import ratios
from dftspark.report.words.rows import LEVEL, Row, of_pair, test_of, told_apart
from dftspark.report.words.shown import Chip, Foldout
from dftspark.report.words.text import count, real
from dftspark.store.run import Run

_LONGEST = 40  # characters of a word there
_FEW = 8  # words and phrases that the first screen names
_FEWER = 5  # of those that the model has too rarely
_draw = partial(draw, home=__package__)


def shift(run: Run, model: str, n: int = 1, stratum: str = "", rows: int = 24) -> Figure:
    """Draws the n-grams that carry the distance, over-used to the right; all parts sum to it."""
    columns = [
        "model",
        "stratum",
        "n",
        "text",
        "per_million_human",
        "per_million_model",
        "q_value",
        "contribution",
        "share",
    ]
    found = [
        row
        for row in of_pair(run, "ngrams", model, stratum, columns)
        if row["n"] == n and row["share"] is not None  # nothing has a share of a distance of 0
    ]
    listed = [row for row in found if row["text"] is not None]
    listed.sort(key=lambda row: (-real(row["share"]), row["text"]))
    shown, further = listed[:rows], listed[rows:]
    rest = sum(real(row["share"]) for row in found if row["text"] is None)
    longest = max((math.sqrt(real(row["share"])) for row in shown), default=1.0) or 1.0
    distance = [
        row for row in of_pair(run, "metrics", model, stratum) if row["metric"] == f"l2_{n}gram"
    ]
    parts = {
        "shown": sum(real(row["share"]) for row in shown),
        "further": sum(real(row["share"]) for row in further),
        "rest": rest,
    }
    return _draw(
        "shift",
        rows=[_shifted(row, longest) for row in shown],
        parts=parts | {"all": sum(parts.values())},
        further=len(further),
        n=n,
        distance=real(distance[0]["value"]) if distance else math.nan,
    )


def giveaways(run: Run, model: str, stratum: str = "", rows: int = 16) -> Figure:
    """Draws the tokens that more of the model's documents have than chance explains."""
    found = of_pair(run, "document_ratios", model, stratum)
    telling = overused(found)
    shown = telling[:rows]
    return _draw(
        "giveaways",
        rows=shown,
        axis=ratios([real(row["ratio"]) for row in shown], least=1.0),
        told=len(telling),
        of=len(found),
        tested=not found or "q_value" in found[0],
    )


def overused(rows: list[Row]) -> list[Row]:
    """Keeps the words of document_ratios that significantly more of the model's documents have, and
    sorts them by how over-used they are."""
    telling = [
        row
        for row in rows
        if real(row.get("q_value")) < LEVEL
        and real(row["ratio"]) > 1
        and any(map(str.isalpha, row["token"]))
    ]
    return sorted(
        telling, key=lambda row: (-real(row["ratio"]), -real(row["share_model"]), row["token"])
    )


def _shifted(row: Row, longest: float) -> Row:
    human, model = real(row["per_million_human"]), real(row["per_million_model"])
    length = 46 * math.sqrt(real(row["share"])) / longest
    return {
        **row,
        "length": f"{length:.2f}%",
        "start": f"{50 - length:.2f}%",
        "over": real(row["contribution"]) > 0,
        "times": "new" if not human else None,
        "ratio": model / human if human else math.nan,
        "told": told_apart(row),
        "test": test_of(row),
    }


def parts(run: Run, model: str, stratum: str) -> list[Figure | Foldout]:
    """Draws the section of a model: the words that give it away, then each order's shift."""
    columns = ["model", "stratum", "n"]
    orders = sorted({row["n"] for row in of_pair(run, "ngrams", model, stratum, columns)})
    shifts = [shift(run, model, n, stratum, 24 if n == 1 else 16) for n in orders]
    longer = [Foldout("Longer phrases", shifts[2:])] if shifts[2:] else []
    return [giveaways(run, model, stratum), *shifts[:2], *longer]


def telling(run: Run, model: str, stratum: str) -> list[Chip]:
    """Returns the phrases and words that give the model away, with their factors."""
    return [_chip(one) for one in recognized(run, model, stratum, most=_FEW)]


def rarer(run: Run, model: str, stratum: str) -> list[Chip]:
    """Returns the phrases and words that too few of the model's documents have."""
    return [_chip(one) for one in recognized(run, model, stratum, over=False, most=_FEWER)]


def gist(run: Run, model: str, stratum: str) -> str:
    """Says how many words and n-grams differ by more than chance."""
    words = len(overused(of_pair(run, "document_ratios", model, stratum)))
    rows = of_pair(run, "ngrams", model, stratum, ["model", "stratum", "text", "q_value"])
    listed = sum(row["text"] is not None and told_apart(row) for row in rows)
    if not words and not listed:
        return "None differs by more than chance."
    many = "1 word is" if words == 1 else f"{count(words)} words are"
    said = f"{many} in more of the model's documents than chance gives"
    if listed:
        said += (
            f"; of the words and phrases that carry the distance, {count(listed)} are told apart"
        )
    return f"{said}."


def _chip(one: Recognized) -> Chip:
    text = seen(one.text, _LONGEST)
    factor = times(one.ratio) if one.ratio >= 0.5 else f"1/{typeset(count(1 / one.ratio))}"
    return Chip(f"{text} {factor}", seen(one.text, LONGEST))
