"""One static page over the runs of a store: models by measures, nights by measures, and links.

Bounds  the last RUNS runs and NAMES audits; for each audit 50 models and its last NIGHTS runs
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from dftspark import __version__
from dftspark.errors import DamagedRun
from dftspark.redaction import redact
from dftspark.report.page import figures, figures_lines, figures_tables
from dftspark.report.page.figure import asset, environment, policy
from dftspark.report.page.run import LARGEST
from dftspark.report.words.text import visible
from dftspark.store.listing import RunInfo, open_run

RUNS = 400
NIGHTS = 120
NAMES = 20
_READERS = 16


def overview(root: str, infos: Sequence[RunInfo], pages: dict[str, str]) -> str:
    """Returns HTML over `infos`, newest first, of the store `root`; `pages` has links by run id."""
    finished = [info for info in infos if info.state == "finished"][:RUNS]
    with ThreadPoolExecutor(_READERS) as pool:
        looked_at = {info.id: info for info in pool.map(partial(_checked, root), finished)}
    infos = [looked_at.get(info.id, info) for info in infos]
    finished = [info for info in infos if info.state == "finished"][:RUNS]
    most = NAMES
    while True:
        html = _render(root, infos, finished, pages, most)
        if len(html.encode()) <= LARGEST or most <= 1:
            return html
        most //= 2


def _checked(root: str, info: RunInfo) -> RunInfo:
    """Marks a run damaged if its metrics cannot be read, so that one such run does not cost the
    page."""
    try:
        run = open_run(root, info.id)
        if "metrics" in run.tables:
            run.dataset("metrics")
    except DamagedRun as error:
        return replace(info, state="damaged", headline=str(error))
    return info


def _render(
    root: str, infos: Sequence[RunInfo], finished: list[RunInfo], pages: dict[str, str], most: int
) -> str:
    by_name: dict[str, list[RunInfo]] = defaultdict(list)
    for info in finished:
        by_name[info.audit or info.name].append(info)
    style = asset("style.css")
    template = environment().get_template("runs.html")
    return template.render(
        root=visible(redact(root)),
        audits=sorted(
            (_audit(root, name, own) for name, own in list(by_name.items())[:most]),
            key=lambda audit: audit["matrix"] is None,
        ),
        left_out=len(by_name) - min(len(by_name), most),
        infos=[(info, pages.get(info.id, "")) for info in list(infos)[:RUNS]],
        checked=any(info.checks for info in infos),
        words=figures_tables.OUTCOMES,
        more=len(infos) - min(len(infos), RUNS),
        style=style,
        policy=policy(style, ""),
        version=__version__,
    )


def _audit(root: str, name: str, infos: list[RunInfo]) -> dict[str, Any]:
    """Draws one audit; `infos` come newest first."""
    runs = [run for info in infos[:NIGHTS] if "metrics" in (run := open_run(root, info.id)).tables]
    newest = runs[0] if runs else None
    return {
        "name": visible(name),
        "run": newest.id if newest else "",
        "date": visible(str(newest.manifest.get("date", ""))) if newest else "",
        "matrix": figures.matrix(newest) if newest else None,
        "ladder": figures.ladder(newest) if newest else None,
        "history": figures_lines.history(runs),
    }
