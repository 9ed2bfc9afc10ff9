"""Documents at the ends of the two clouds, and near copies of human texts."""

from __future__ import annotations

import pyarrow.compute as pc

from dftspark.report.page.excerpts import excerpt
from dftspark.report.page.figure import percent
from dftspark.report.words.rows import Row, of_pair
from dftspark.report.words.shown import Examples, Excerpt
from dftspark.report.words.text import real
from dftspark.store.run import Run

_REPEATED = 0.2  # share of a text's five-word phrases, from which it is shown as a copy
_ENDS = {
    ("model", "model_like"): "The model's texts that are most unlike human ones",
    ("model", "human_like"): "The model's texts that are most like human ones",
    ("human", "human_like"): "Human texts that are most unlike the model's",
}


def copies(run: Run, model: str, most: int = 3) -> Examples | None:
    """Returns texts of the model that nearly repeat a human one, each followed by that human text,
    and says what their share means. Returns None for a run without the table."""
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
    sides = [side for row in repeated[:most] for side in _pair(row)]
    return Examples(title, sides, said, pairs=True)


def _pair(row: Row) -> list[Excerpt]:
    common = f"{percent(row['overlap'])} of its phrases are in the human text beside it"
    return [
        excerpt("model", row["excerpt"], f"{row['doc_id']}, {common}"),
        excerpt("human", row["neighbor_excerpt"], row["neighbor_id"]),
    ]


def ends(run: Run, model: str, each: int = 3) -> list[Examples]:
    """Returns documents that lie where the other side has the fewest, and where it has the most."""
    if "witness" not in run.tables:
        return []
    where = (pc.field("model") == model) & (pc.field("rank") <= each)
    rows: list[Row] = run.table("witness", where=where).to_pylist()
    rows.sort(key=lambda row: row["rank"])
    return [
        Examples(title, own)
        for (side, end), title in _ENDS.items()
        if (
            own := [
                excerpt(side, row["excerpt"], row["doc_id"])
                for row in rows
                if (row["side"], row["end"]) == (side, end)
            ]
        )
    ]
