"""One static page over the runs of a store: models by measures, nights by measures, and links.

Bounds  the last RUNS runs and NAMES audits, of each MODELS models and its last NIGHTS runs
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from dftspark import __version__
from dftspark.report import figures, figures_lines
from dftspark.report.figure import Figure, asset, draw, environment
from dftspark.report.figures import Row
from dftspark.report.measures import measure
from dftspark.report.page import LARGEST, policy
from dftspark.report.text import visible
from dftspark.report.verdict import ranked, real
from dftspark.store.run import Run, RunInfo, open_run

RUNS = 400
NIGHTS = 120
NAMES = 20
MODELS = 50
_SHOWN = (
    "l2_1gram", "l2_2gram", "js_1gram", "mmd", "energy_distance", "frechet_corrected",
    "structure_outside", "structure_factor", "c2st_auc",
)  # fmt: skip


def overview(root: str, infos: Sequence[RunInfo], pages: dict[str, str]) -> str:
    """HTML over `infos`, newest first, of the store `root`; `pages` has links by id of a run."""
    finished = [info for info in infos if info.state == "finished"][:RUNS]
    most = NAMES
    while True:
        html = _render(root, infos, finished, pages, most)
        if len(html.encode()) <= LARGEST or most <= 1:
            return html
        most //= 2


def matrix(run: Run) -> Figure | None:
    """Models by measures, in units of the human-human floor; None for a run without metrics."""
    if "metrics" not in run.tables:
        return None
    rows = run.table("metrics", where=pc.field("stratum") == "").to_pylist()
    order = [row["model"] for row in ranked(rows)]
    cells = {(row["model"], row["metric"]): row for row in rows}
    names = {row["metric"] for row in rows}
    shown = [name for name in _SHOWN if name in names]
    shown += sorted(n for n in names if n.startswith("jmq_overall"))[:2]
    return draw(
        "matrix",
        about=visible(str(run.manifest.get("name", run.id))),
        columns=[(name, measure(name)) for name in shown],
        rows=[
            (model, [_cell(cells.get((model, name))) for name in shown]) for model in order[:MODELS]
        ],
        left_out=len(order[MODELS:]),
    )


def _cell(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"kind": "", "value": None}
    beside = real(row["ratio_to_floor"])
    if row["better"] != "lower" or beside != beside:
        return {"kind": "value", "value": row["value"]}
    steps = (1.0, 2.0, 5.0, 10.0)
    return {"kind": "times", "value": beside, "level": sum(beside > step for step in steps)}


def _render(
    root: str, infos: Sequence[RunInfo], finished: list[RunInfo], pages: dict[str, str], most: int
) -> str:
    by_name: dict[str, list[RunInfo]] = defaultdict(list)
    for info in finished:
        by_name[info.audit or info.name].append(info)
    style = asset("style.css")
    template = environment().get_template("runs.html")
    return template.render(
        root=visible(root),
        audits=sorted(
            (_audit(root, name, own) for name, own in list(by_name.items())[:most]),
            key=lambda audit: audit["matrix"] is None,
        ),
        left_out=len(by_name) - min(len(by_name), most),
        infos=[(info, pages.get(info.id, "")) for info in list(infos)[:RUNS]],
        more=len(infos) - min(len(infos), RUNS),
        style=style,
        policy=policy(style, ""),
        version=__version__,
    )


def _audit(root: str, name: str, infos: list[RunInfo]) -> dict[str, Any]:
    """`infos` newest first."""
    runs = [run for info in infos[:NIGHTS] if "metrics" in
            (run := open_run(root, info.id)).tables]  # fmt: skip
    newest = runs[0] if runs else None
    return {
        "name": visible(name),
        "run": newest.id if newest else "",
        "date": visible(str(newest.manifest.get("date", ""))) if newest else "",
        "matrix": matrix(newest) if newest else None,
        "ladder": figures.ladder(newest) if newest else None,
        "history": figures_lines.history(runs),
    }
