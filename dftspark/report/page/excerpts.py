"""Which documents a page shows: short excerpts with their side and why they stand there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow.compute as pc

from dftspark.report.page.figure import EXCERPT, percent, times
from dftspark.report.words.rows import Row, most_apart, of_pair, told_apart
from dftspark.report.words.text import real
from dftspark.store.run import Run


@dataclass(frozen=True)
class Excerpt:
    """side is human or model; `text` is untrusted and at most EXCERPT characters."""

    side: str
    text: str
    doc_id: str


@dataclass(frozen=True)
class Examples:
    title: str
    excerpts: list[Excerpt]
    about: str = ""


_REPEATED = 0.2  # share of a text's five-word phrases, from which it is shown as a copy
_ENDS = {
    ("model", "model_like"): "The model's texts that are most unlike human ones",
    ("model", "human_like"): "The model's texts that are most like human ones",
    ("human", "human_like"): "Human texts that are most unlike the model's",
}


def examples(run: Run, model: str, each: int = 3, constructions: int = 6) -> list[Examples]:
    """Ends of the cloud, then constructions whose rates differ most, beyond chance."""
    return [*_ends(run, model, each), *_constructions(run, model, constructions)]


def copies(run: Run, model: str, most: int = 3) -> Examples | None:
    """Texts of the model that nearly repeat a human one, each before that one, and what their
    share says; None without the table."""
    if "copies" not in run.tables:
        return None
    where = (pc.field("model") == model) & (pc.field("side") == "model")
    rows: list[Row] = run.table("copies", where=where).to_pylist()
    rows.sort(key=lambda row: (-real(row["overlap"]), -real(row["cosine"]), row["doc_id"]))
    title = "Does it copy human texts?"
    if not rows:
        return Examples(title, [], "No text of the model is a near copy of a human one.")
    shares = {row["metric"]: row["value"] for row in of_pair(run, "metrics", model)}
    share, human = (shares.get(f"near_duplicates{end}") for end in ("", "_human"))
    repeated = [row for row in rows if real(row["overlap"]) >= _REPEATED]
    said = (
        f"{percent(share)} of its texts lie so near to a human text, at a cosine of 0.95 or more, "
        f"that they may repeat it; of human texts {percent(human)} lie so near to one on another "
        f"prompt. Of the {len(rows)} that the run lists, {len(repeated)} share a fifth or more of "
        f"their five-word phrases with it; the others are alike, not copied. Being near to human "
        f"by copying is no success."
    )
    return Examples(title, [excerpt for row in repeated[:most] for excerpt in _pair(row)], said)


def _pair(row: Row) -> list[Excerpt]:
    common = f"{percent(row['overlap'])} of its phrases are in the human text beside it"
    return [
        _excerpt("model", row["excerpt"], f"{row['doc_id']}, {common}"),
        _excerpt("human", row["neighbor_excerpt"], row["neighbor_id"]),
    ]


def _ends(run: Run, model: str, each: int) -> list[Examples]:
    if "witness" not in run.tables:
        return []
    where = (pc.field("model") == model) & (pc.field("rank") <= each)
    rows: list[Row] = run.table("witness", where=where).to_pylist()
    rows.sort(key=lambda row: row["rank"])
    return [
        Examples(title, own)
        for (side, end), title in _ENDS.items()
        if (own := [_excerpt(side, row["excerpt"], row["doc_id"]) for row in rows
                    if (row["side"], row["end"]) == (side, end)])
    ]  # fmt: skip


def _constructions(run: Run, model: str, most: int) -> list[Examples]:
    rows = [
        row
        for row in of_pair(run, "patterns", model)
        if told_apart(row) and real(row["ratio"]) > 0 and math.isfinite(row["ratio"])
        and (row["example_model"] or row["example_human"])
    ]  # fmt: skip
    found = []
    for row in most_apart([row for row in rows if row["kind"] == "pattern"] or rows, most):
        sides = ("model", "human") if row["ratio"] > 1 else ("human", "model")
        own = [
            _excerpt(side, row[f"example_{side}"], row[f"example_{side}_id"])
            for side in sides
            if row[f"example_{side}"]
        ]
        name = row["pattern"].replace("_", " ")
        found.append(
            Examples(f"{name}, {times(row['ratio'])} the human rate", own, row["definition"])
        )
    return found


def _excerpt(side: str, text: str | None, doc_id: str | None) -> Excerpt:
    """Where the text was cut, it ends with its last whole word."""
    whole = (text or "").strip()
    if len(text or "") >= EXCERPT:
        cut = whole[: EXCERPT - 1]
        whole = (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "\u2026"
    return Excerpt(side, whole, doc_id or "")
