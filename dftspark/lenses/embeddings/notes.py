"""Warnings about the embeddings that a reader needs before any verdict."""

from __future__ import annotations

import pyarrow.compute as pc

from dftspark.report.words.text import real, visible
from dftspark.store.run import Run

_MOST = 3  # models that are named one by one


def coarse_features(run: Run) -> list[str]:
    """Names the models whose MMD the random features leave too uncertain."""
    if "metrics" not in run.tables:
        return []
    names = ["mmd_squared", "mmd_squared_feature_error"]
    where = pc.field("metric").isin(names) & (pc.field("stratum") == "")
    rows = run.table("metrics", ["model", "metric", "value", "std_error"], where).to_pylist()
    found = {(row["model"], row["metric"]): row for row in rows}
    models = [
        model
        for model, metric in found
        if metric == names[1]
        and (model, names[0]) in found
        and real(found[model, metric]["value"]) > real(found[model, names[0]]["std_error"]) / 2
    ]
    if not models:
        return []
    named = ", ".join(visible(model, 40) for model in models[:_MOST])
    more = f" and {len(models) - _MOST} more" if len(models) > _MOST else ""
    said = (
        f"the random features leave more than half a standard error of MMD open for {named}{more}; "
        f"double mmd.features, or look at mmd_squared_exact"
    )
    return [said]
