"""Sampler sweeps: makes the tables that compare the metrics of many corpora of one model.

Everything follows from the results of one comparison for each corpus: values, intervals, and the
same measures on parts of the blocks. Measures without such parts are ranked and have no honest
value: the classifier, the Frechet distance, regions, witnesses and copies need the vectors
themselves, and `structure_factor` has another set of measures for each setting.

Cost     30 ms a measure for 20 settings, half a second for 200 that are alike
"""

from __future__ import annotations

import pyarrow as pa

from dftspark import schema
from dftspark.config import Audit
from dftspark.inference.super_baseline import super_baseline
from dftspark.sweeps.best import add_verdicts, baseline_row
from dftspark.sweeps.measure import Row, front_of, measured
from dftspark.sweeps.samplers import sampler_rows
from dftspark.sweeps.settings import RATE, SweepCorpora, check, found_in
from dftspark.sweeps.tradeoffs import tradeoff_rows

__all__ = ["RATE", "Sweep", "check", "found_in", "tables"]

_OF_THE_ESTIMATE = {"mmd_squared_feature_error", "frontier_at_equality"}  # of no setting


def tables(rows: list[Row], config: Audit) -> dict[str, pa.Table]:
    """Returns samplers, super_baseline and tradeoffs, from rows of the metrics table with
    `left_out` and `halves` as in schema.COMPARED; the tables have no rows if there is no sweep."""
    of: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row["metric"] in _OF_THE_ESTIMATE or row["better"] == "parity":
            continue  # nearness to parity is not a matter of order alone
        of.setdefault((row["stratum"], row["metric"]), {})[row["model"]] = row
    models = sorted({row["model"] for row in rows})
    strata = sorted({stratum for stratum, _ in of})
    made: dict[str, list[Row]] = {name: [] for name in schema.SWEEP_TABLES}
    for sweep in found_in(config, models):
        for stratum in strata:
            metrics = {
                metric: found
                for (own, metric), found in of.items()
                if own == stratum and sum(m in found for m in sweep.settings) > 1
            }
            for name, some in _compared(sweep, metrics, config).items():
                made[name] += some
    return {
        name: pa.Table.from_pylist(some, schema=schema.TABLES[name]) for name, some in made.items()
    }


def _compared(
    sweep: SweepCorpora, metrics: dict[str, dict[str, Row]], config: Audit
) -> dict[str, list[Row]]:
    measures = [measured(sweep, metric, found, config) for metric, found in metrics.items()]
    inside = front_of(sweep, measures, config)
    samplers, best = [], []
    for measure in measures:
        found = None
        if measure.grid is not None:
            found = super_baseline(
                measure.grid, confidence=config.inference.confidence, seed=config.inference.seed
            )
        samplers += sampler_rows(sweep, measure, found, inside)
        best.append(baseline_row(sweep, measure, found, config))
    add_verdicts(best, config)
    return {
        "samplers": samplers,
        "super_baseline": best,
        "tradeoffs": tradeoff_rows(sweep, measures, config),
    }
