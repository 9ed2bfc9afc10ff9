"""The two clouds of embeddings: their map, and the regions that make them differ."""

from __future__ import annotations

from dftspark.report.figure import Figure, draw
from dftspark.report.figures import of_pair
from dftspark.report.verdict import real
from dftspark.store import Run


def cloud(run: Run, model: str) -> Figure | None:
    return None


def regions(run: Run, model: str, rows: int = 10) -> Figure | None:
    """Regions by their part of MMD squared, with their words and both sides' shares."""
    found = of_pair(run, "regions", model)
    parts = {row["region"]: real(row["mass"]) + real(row["within"]) for row in found}
    total = sum(parts.values())
    if not found or not total > 0:
        return None
    found.sort(key=lambda row: -parts[row["region"]])
    shown = found[:rows]
    longest = max(max(row["share_human"], row["share_model"]) for row in shown) or 1.0
    return draw(
        "regions",
        rows=[
            {
                **row,
                "part": parts[row["region"]] / total,
                "wide_human": f"{96 * row['share_human'] / longest:.2f}%",
                "wide_model": f"{96 * row['share_model'] / longest:.2f}%",
            }
            for row in shown
        ],
        of=len(found),
    )
