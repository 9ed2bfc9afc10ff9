"""A judge's preferences on a page, with the controls beside them."""

from __future__ import annotations

import math
from functools import partial

import pyarrow.compute as pc

from dftspark.report.page.figure import Figure, draw
from dftspark.report.page.scale import linear
from dftspark.report.words.rows import Row, confidence_of
from dftspark.report.words.text import real
from dftspark.store.run import Run

_CONTROLS = 24  # lines of the table beside it
_draw = partial(draw, home=__package__)


def judge(run: Run, model: str, warned: bool = True) -> Figure | None:
    """Draws JMQ of each dimension and judge, with parity at 1; None where no judge said anything.

    Warnings are those of the run, about all models; `warned` False leaves them out.
    """
    if "win_rates" not in run.tables:
        return None
    where = (pc.field("model") == model) & (pc.field("stratum") == "")
    rows = [
        row
        for row in run.table("win_rates", where=where).to_pylist()
        if row["kind"] == "model" and not math.isnan(real(row["jmq"]))
    ]
    controls = _controls(run, model)
    if not rows and not controls:
        return None
    axis = linear([0.0, 2.0], zero=True)
    rows.sort(key=lambda row: (row["judge"], row["dimension"] != "overall", row["dimension"]))
    return _draw(
        "judge",
        model=model,
        rows=rows,
        axis=axis,
        several=len({row["judge"] for row in rows}) > 1,
        controls=controls,
        warnings=run.manifest.get("judge", {}).get("warnings", []) if warned else [],
        confidence=confidence_of(run),
    )


def _controls(run: Run, model: str) -> list[Row]:
    """Returns results where the answer is known (human against human, the model's broken text), and
    of the model against other models.
    """
    where = (pc.field("kind") != "model") & (pc.field("stratum") == "")
    rows: list[Row] = run.table("win_rates", where=where).to_pylist()
    own = [
        row
        for row in rows
        if row["kind"].startswith("human") or model in (row["model"], row["against"])
    ]
    return [row for row in own if row["pairs"]][:_CONTROLS]
