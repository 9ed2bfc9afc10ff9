"""The two clouds of embeddings: their map, and the regions that make them differ."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from dftspark.errors import EnvironmentProblem
from dftspark.lenses.embeddings import labels
from dftspark.report.page.figure import Figure, draw
from dftspark.report.words.rows import Row, of_pair
from dftspark.report.words.text import real, visible
from dftspark.store.run import Run

Floats = NDArray[np.float64]

_HELD = (0.95, 0.8, 0.5)  # each contour is the smallest area that holds this share of the texts
_STEPS = (0.05, 0.12, 0.25, 0.45)  # shares of the highest density from which differences are tinted
_NAMED = 8
_draw = partial(draw, home=__package__)


def cloud(run: Run, model: str) -> Figure | None:
    """Draws both clouds on two axes, and their difference; None for a run without a map.

    Densities are counts of the table `cloud_map`, smoothed by a Gaussian for the eye.
    """
    rows = _cells(run, model)
    about = run.manifest.get("embedding", {}).get("map", {})
    cells = int(about.get("cells", 48))
    sides = {side: _grid(rows, side, cells) for side in ("human", "model")}
    if not all(grid.sum() for grid in sides.values()):
        return None
    human, other = (_density(grid) for grid in sides.values())
    top = max(human.max(), other.max())
    difference = (other - human) / top
    return _draw(
        "cloud",
        model=model,
        cells=cells,
        filled=[_filled(human, level, math.inf) for level in _levels(human)],
        human=[_lines(human, level) for level in _levels(human)],
        rings=[_lines(other, level) for level in _levels(other)],
        more=[_filled(difference, level, math.inf) for level in _STEPS],
        less=[_filled(-difference, level, math.inf) for level in _STEPS],
        spots=_spots(rows, of_pair(run, "regions", model), cells),
        explained=float(sum(about.get("explained", []))) if about.get("explained") else math.nan,
        held=_HELD,
    )


def regions(run: Run, model: str, rows: int = 10) -> Figure | None:
    """Lists the regions by their part of MMD squared, with their words and both sides' shares."""
    found = _by_part(of_pair(run, "regions", model))
    if not found:
        return None
    total = sum(row["part"] for row in found)
    shown = found[:rows]
    longest = max(max(row["share_human"], row["share_model"]) for row in shown) or 1.0
    return _draw(
        "regions",
        rows=[
            {
                **row,
                "part": row["part"] / total,
                "wide_human": f"{96 * row['share_human'] / longest:.2f}%",
                "wide_model": f"{96 * row['share_model'] / longest:.2f}%",
            }
            for row in shown
        ],
        of=len(found),
    )


def gist(run: Run, model: str) -> str:
    """Names the region that carries most of the distance."""
    found = _by_part(of_pair(run, "regions", model))
    if not found:
        return "How the documents of both sides lie in the space of the embedder."
    first, total = found[0], sum(row["part"] for row in found)
    name = ", ".join(visible(word, 30) for word in first["label"][:3]) or "without a name"
    share = f"{first['part'] / total:.0%}"
    return f"Of {len(found)} regions, “{name}” carries most of the distance, {share}."


def _by_part(found: list[Row]) -> list[Row]:
    """Sorts by part of MMD squared, largest first; empty unless the parts sum to more than 0."""
    rows = [{**row, "part": real(row["mass"]) + real(row["within"])} for row in found]
    rows.sort(key=lambda row: -row["part"])
    return rows if sum(row["part"] for row in rows) > 0 else []


def _cells(run: Run, model: str) -> list[Row]:
    if "cloud_map" not in run.tables:
        return []
    where = (pc.field("role") == "human") | (pc.field("corpus") == model)
    rows: list[Row] = run.table("cloud_map", where=where).to_pylist()
    return rows


def _grid(rows: list[Row], role: str, cells: int) -> Floats:
    """Returns counts `(cells, cells)` by y, x."""
    grid = np.zeros((cells, cells))
    for row in rows:
        if row["role"] == role:
            grid[row["y"], row["x"]] += row["documents"]
    return grid


def _density(grid: Floats) -> Floats:
    """Returns shares of documents, smoothed; the bandwidth falls with their number (Scott)."""
    cells = np.arange(len(grid))
    smooth = grid / grid.sum()
    for axis in (0, 1):
        share = smooth.sum(axis=1 - axis)
        spread = math.sqrt(float((share * (cells - share @ cells) ** 2).sum()))
        width = max(0.8 * spread * grid.sum() ** (-1 / 6), 0.7)
        kernel = np.exp(-0.5 * ((cells[:, None] - cells[None, :]) / width) ** 2)
        kernel /= kernel.sum(axis=0)
        smooth = kernel @ smooth if axis == 0 else smooth @ kernel.T
    return np.asarray(smooth)


def _levels(density: Floats) -> list[float]:
    """Returns heights above which the smallest area holds each share of _HELD."""
    falling = np.sort(density, axis=None)[::-1]
    held = np.cumsum(falling)
    last = len(falling) - 1
    return [float(falling[min(int(np.searchsorted(held, share)), last)]) for share in _HELD]


def _contours(density: Floats) -> Any:
    try:
        from contourpy import FillType, contour_generator
    except ImportError as error:
        raise EnvironmentProblem(
            "the map of the clouds needs contourpy: pip install 'dftspark[report]'"
        ) from error
    edge = np.pad(density, 1)
    return contour_generator(
        np.arange(-1, len(density) + 1) + 0.5,
        np.arange(-1, len(density) + 1) + 0.5,
        edge,
        fill_type=FillType.OuterOffset,
    )


def _lines(density: Floats, level: float) -> str:
    """Returns the SVG path of a contour, y upward."""
    return "".join(_path(line, len(density)) for line in _contours(density).lines(level))


def _filled(density: Floats, low: float, high: float) -> str:
    points, offsets = _contours(density).filled(low, high)
    return "".join(
        _path(polygon[start:end], len(density))
        for polygon, ends in zip(points, offsets, strict=True)
        for start, end in pairwise(ends)
    )


def _path(points: Floats, height: int) -> str:
    places = [f"{x:.1f} {height - y:.1f}" for x, y in points]
    return f"M{'L'.join(places)}Z" if len(places) > 2 else ""


def _spots(rows: list[Row], found: list[Row], cells: int) -> list[Row]:
    """Places the regions with the largest parts: at the peak of their documents, with a name."""
    spots, points = [], []
    for row in _by_part(found)[:_NAMED]:
        own = [{**cell, "role": "own"} for cell in rows if cell["region"] == row["region"]]
        if own:
            peak = _density(_grid(own, "own", cells)).argmax()
            y, x = divmod(int(peak), cells)
            spots.append({"number": row["region"] + 1, "label": row["label"]})
            name = visible(row["label"][0], labels.LONGEST) if row["label"] else ""
            points.append((x + 0.5, cells - y - 0.5, name))
    places = labels.placed(points, float(cells))
    return [{**spot, "at": place} for spot, place in zip(spots, places, strict=True)]
