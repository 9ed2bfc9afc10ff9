"""One static page over the runs of a store: the newest models of all audits by lenses, each audit's
nights by lenses with what has moved, and links.

Bounds  the last RUNS runs and NAMES audits; for each audit 50 models and its last NIGHTS runs
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from dftspark import __version__
from dftspark.errors import DamagedRun
from dftspark.location import parted
from dftspark.redaction import redact
from dftspark.report.page import (
    figures,
    figures_lines,
    figures_models,
    figures_nights,
    figures_tables,
)
from dftspark.report.page.anchors import anchors
from dftspark.report.page.figure import asset, environment, policy
from dftspark.report.page.figures_models import sized
from dftspark.report.page.figures_nights import NO_CHANGE, Series, drifted, told_change
from dftspark.report.page.run import LARGEST
from dftspark.report.words import tell
from dftspark.report.words.summary import summary
from dftspark.report.words.text import visible
from dftspark.report.words.verdict import headline_of
from dftspark.store.listing import RunInfo, open_run

RUNS = 400
NIGHTS = 120
NAMES = 20
_MODELS = 6  # of an audit, in the table of all
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
    style, script = asset("style.css"), asset("page.js")
    places = anchors(by_name)
    audits = [
        _audit(root, name, own, places[name], pages) for name, own in list(by_name.items())[:most]
    ]
    audits.sort(key=lambda audit: not audit["compares"])
    template = environment().get_template("runs.html")
    return template.render(
        root=visible(redact(parted(root)[1] or root)),
        audits=audits,
        standing=_standing(audits),
        left_out=len(by_name) - min(len(by_name), most),
        infos=[(info, pages.get(info.id, "")) for info in list(infos)[:RUNS]],
        checked=any(info.checks for info in infos),
        words=figures_tables.OUTCOMES,
        more=len(infos) - min(len(infos), RUNS),
        style=style,
        script=script,
        policy=policy(style, script),
        version=__version__,
    )


def _audit(
    root: str, name: str, infos: list[RunInfo], anchor: str, pages: dict[str, str]
) -> dict[str, Any]:
    """Draws one audit; `infos` come newest first."""
    runs = [run for info in infos[:NIGHTS] if "metrics" in (run := open_run(root, info.id)).tables]
    outcomes = {info.id: info.checks for info in infos}
    shown = {"name": visible(name), "anchor": anchor, "runs": len(infos), "compares": bool(runs)}
    if not runs:
        return {**shown, "series": None, "gist": "Its runs compare nothing."}
    newest, series = runs[0], Series.of(runs)
    date = visible(str(newest.manifest.get("date", "")))
    return {
        **shown,
        "run": newest.id,
        "date": date,
        "page": pages.get(newest.id, ""),
        "rules": figures_tables.OUTCOMES.get(outcomes[newest.id], ""),
        "outcome": outcomes[newest.id],
        "series": series,
        "told": summary(newest, most=_MODELS, chips=2),
        "gist": f"{date or newest.id}: {headline_of(tell.of_run(newest))}.",
        "beside": figures_models.side_by_side(newest, {}),
        "matrix": figures.matrix(newest),
        "drift": figures_nights.drift(series),
        "nights": figures_nights.nights(series, pages, outcomes),
        "history": figures_lines.history(runs),
    }


def _still(changes: Sequence[tuple[float, str]]) -> str:
    return "less than 1%" if any(not math.isnan(ratio) for ratio, _ in changes) else ""


def _standing(audits: list[dict[str, Any]]) -> dict[str, Any]:
    """Puts the newest models of all audits into one table: sizes, and the largest change."""
    told = [audit for audit in audits if audit["series"] is not None]
    words = list(dict.fromkeys(word for audit in told for word in audit["told"].words))
    rows: list[dict[str, Any]] = []
    for audit in told:
        series: Series = audit["series"]
        newest = next(reversed(series.runs))
        for line in audit["told"].lines:
            sizes = dict(zip(audit["told"].words, line.sizes, strict=True))
            changes = [(series.change(newest, line.model, word), word) for word in series.words]
            known = [one for one in changes if told_change(one[0]) not in ("", NO_CHANGE)]
            ratio, word = max(known, key=lambda one: abs(one[0] - 1), default=(math.nan, ""))
            rows.append(
                {
                    "audit": audit,
                    "model": visible(line.model, 60),
                    "chips": [chip.label for chip in line.chips],
                    "cells": [sized(sizes.get(name)) for name in words],
                    "change": f"{told_change(ratio)} by {word}" if known else _still(changes),
                    "off": drifted(ratio),
                }
            )
    moved = sum(row["off"] for row in rows)
    failed = sum(audit["outcome"] == "fail" for audit in told)
    said = [
        f"{moved} of {len(rows)} models moved by 10% or more from their nights before",
        f"the rules of {failed} of {len(told)} audits failed",
    ]
    return {
        "words": words,
        "rows": rows,
        "ruled": any(audit["rules"] for audit in told),
        "said": "; ".join(one for one, shown in zip(said, (moved, failed), strict=True) if shown),
    }
