"""Which documents a page shows: short excerpts with their side and why they stand there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow.compute as pc

from dftspark.report.figure import EXCERPT, times
from dftspark.report.figures import Row, farthest, of_pair
from dftspark.report.verdict import real
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


_ENDS = {
    ("model", "model_like"): "The model's texts that are most unlike human ones",
    ("model", "human_like"): "The model's texts that are most like human ones",
    ("human", "human_like"): "Human texts that are most unlike the model's",
}


def examples(run: Run, model: str, each: int = 3, constructions: int = 6) -> list[Examples]:
    """Ends of the cloud, then constructions that lie farthest outside the human band."""
    return [*_ends(run, model, each), *_constructions(run, model, constructions)]


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
        if row["outside"] and real(row["ratio"]) > 0 and math.isfinite(row["ratio"])
        and (row["example_model"] or row["example_human"])
    ]  # fmt: skip
    found = []
    for row in farthest([row for row in rows if row["kind"] == "pattern"] or rows, most):
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
    return Excerpt(side, (text or "")[: EXCERPT + 1], doc_id or "")
