"""What the gate judges, from the tables of a stored audit: a sweep with a challenger.

The audit is of the referee's prompts alone. Whether training saw a measure is read from its
fingerprint and from that of the target, so nobody has to say it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc

from dftspark.choose.splits import REFEREE, named
from dftspark.errors import ConfigError
from dftspark.inference.super_baseline import Grid
from dftspark.lenses.metric import comparable
from dftspark.store.run import Run
from dftspark.tuning.gate import GatedMeasure, Guards
from dftspark.tuning.target import Target

PRIMARY = ("mmd_squared", "structure_outside")
_AUC, _COPIES = "c2st_auc", "near_duplicates"
Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]


def measures(run: Run, target: Target, *, control: str, choice: str) -> list[GatedMeasure]:
    """Returns the judged measures of a run's sweep. `control` and `choice` are settings of it.

    Raises ConfigError for a run without a challenger or without these settings, and for one that
    has read prompts of the target.
    """
    challenger = _challenger(run)
    _demand_referee(run, challenger)
    rows = _by_metric(run)
    judged = {row["metric"] for row in _judged(run)}
    made = [
        _measure(metric, rows[metric], target, (challenger, control, choice), fingerprint)
        for metric, fingerprint in _fingerprints(run, challenger).items()
        if metric in judged and metric in rows
    ]
    usable = [each for each in made if each is not None]
    if not usable:
        raise ConfigError(
            f"{run.path}: no judged measure has {challenger!r}, {control!r} and {choice!r} on "
            f"parts of the blocks; --control and --choice name settings of its sweep, and "
            f"sweep.measures what judges"
        )
    return usable


def guards(
    run: Run,
    *,
    control: str,
    choice: str,
    cross_entropy: tuple[float, float],
    calls: tuple[int, int] | None,
) -> Guards:
    """Returns AUC and copies of the run's challenger; nan where the audit had no embeddings.
    `cross_entropy` is of the challenger and of the model before."""
    challenger = _challenger(run)
    auc = _values(run, _AUC, "value")
    settings = [
        corpus
        for corpus in next(iter(_by_metric(run).values()))
        if corpus in auc
        if corpus not in (challenger, control, choice)
    ]
    best = min((auc[corpus] for corpus in settings), default=np.nan)
    copies = _values(run, _COPIES, "value").get(challenger, np.nan)
    floor = _values(run, _COPIES, "floor").get(challenger, np.nan)
    return Guards((auc.get(challenger, np.nan), best), (copies, floor), cross_entropy, calls)


def _challenger(run: Run) -> str:
    names = {row["challenger"] for row in _judged(run)} - {None}
    if len(names) != 1:
        raise ConfigError(
            f"{run.path} has no sweep with a challenger, so there is nothing to judge: audit the "
            f"settings as one corpus with split_by, and name the tuned model in sweep.challenger"
        )
    return str(names.pop())


def _judged(run: Run) -> list[Row]:
    if "super_baseline" not in run.tables:
        return []
    table = run.table("super_baseline", ["stratum", "metric", "judged", "challenger"])
    kept = (pc.field("stratum") == "") & pc.field("judged")
    rows: list[Row] = table.filter(kept).to_pylist()
    return rows


def _demand_referee(run: Run, challenger: str) -> None:
    """Raises ConfigError for an audit of other prompts. Files of the referee's prompts alone are
    not enough: without the setting they fill eight blocks of 64, too few for errors."""
    kept = run.manifest["config"].get("prompts", "all")
    if kept != REFEREE:
        raise ConfigError(
            f"{run.path} is an audit of {kept} prompts; the gate judges {challenger!r} on the "
            f"referee's alone, {named(REFEREE)} of 64, which training never saw: audit again with "
            f'prompts = "{REFEREE}"'
        )


def _by_metric(run: Run) -> Rows:
    """Returns the rows of samplers by measure and corpus, settings first."""
    rows: Rows = {}
    table = run.table("samplers").filter(pc.field("stratum") == "")
    for row in sorted(table.to_pylist(), key=lambda row: row["challenger"]):
        rows.setdefault(row["metric"], {})[row["model"]] = row
    return rows


def _fingerprints(run: Run, challenger: str) -> dict[str, str]:
    """Returns the fingerprint behind each measure of the sweep; rates have their lens's."""
    table = run.table("metrics", ["model", "stratum", "lens", "metric", "fingerprint"])
    kept = (pc.field("stratum") == "") & (pc.field("model") == challenger)
    rows = table.filter(kept).to_pylist()
    of_lens = {row["lens"]: row["fingerprint"] for row in rows}
    known = {row["metric"]: row["fingerprint"] for row in rows}
    for metric, by_corpus in _by_metric(run).items():
        lens = next(iter(by_corpus.values()))["lens"]
        known.setdefault(metric, of_lens.get(lens, ""))
    return known


def _measure(
    metric: str, rows: dict[str, Row], target: Target, names: tuple[str, str, str], fingerprint: str
) -> GatedMeasure | None:
    """Returns None for a measure without parts of the blocks, or not comparable at these sizes."""
    within = [name for name, row in rows.items() if row["first_half"] and row["left_out"]]
    if not all(name in within for name in names):
        return None
    if not comparable(metric, [rows[name]["n_model"] for name in within]):
        return None
    sign = -1.0 if rows[names[0]]["better"] == "higher" else 1.0
    halves = [[rows[name]["first_half"], rows[name]["second_half"]] for name in within]
    grid = Grid(
        values=sign * np.array([rows[name]["value"] for name in within], np.float64),
        left_out=sign * np.array([rows[name]["left_out"] for name in within], np.float64),
        halves=sign * np.array(halves, np.float64).transpose(0, 2, 1),
        blocks=np.array([rows[name]["blocks"] for name in within], np.int64),
        candidates=np.array([name != names[0] for name in within]),
    )
    return GatedMeasure(
        metric,
        trained_on(target, str(rows[names[0]]["lens"]), fingerprint),
        metric in PRIMARY,
        grid,
        within.index(names[0]),
        within.index(names[1]),
    )


def trained_on(target: Target, lens: str, fingerprint: str) -> bool:
    """Returns whether a measure of this lens and fingerprint is of what the target holds: n-grams
    of its orders and tokenizer, vectors of its embedder, structure."""
    if lens == "ngrams":
        orders = any(f"(n={n}," in fingerprint for n in target.features.orders)
        return orders and target.fingerprints["tokenizer"] in fingerprint
    if lens == "embeddings":
        embedder = target.fingerprints["embedder"]
        return bool(embedder) and embedder in fingerprint
    return lens == "structure" and target.features.structure


def _values(run: Run, metric: str, column: str) -> dict[str, float]:
    table = run.table("metrics", ["model", "stratum", "metric", column])
    kept = (pc.field("stratum") == "") & (pc.field("metric") == metric)
    return {row["model"]: float(row[column]) for row in table.filter(kept).to_pylist()}
