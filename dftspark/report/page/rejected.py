"""The page of a run that did not finish: what was read, and why rows were rejected.

Bounds  the page has at most REASONS reasons and ROWS rejected rows
"""

from __future__ import annotations

from dftspark import __version__
from dftspark.report.page.figure import asset, environment, policy
from dftspark.report.words.rejected import reasons, rejected
from dftspark.report.words.text import visible
from dftspark.store.run import Run

REASONS = 40
ROWS = 200


def page(run: Run) -> str:
    """Returns HTML: what was read of each corpus, the reasons by frequency, and rejected rows."""
    style = asset("style.css")
    corpora = run.table("corpora").to_pylist() if "corpora" in run.tables else []
    rows = rejected(run) if "rejects" in run.tables else None
    return (
        environment()
        .get_template("rejected.html")
        .render(
            title=visible(run.id),
            corpora=corpora[:REASONS],
            reasons=reasons(run)[:REASONS],
            rows=rows.slice(0, ROWS).to_pylist() if rows else [],
            more=max(0, rows.num_rows - ROWS) if rows else 0,
            style=style,
            policy=policy(style, ""),
            version=__version__,
        )
    )
