"""Sampler sweeps: metrics of many corpora of one model to the tables that compare them.

Everything follows from what one comparison has found of each corpus: values, intervals, and the
same measures on parts of the blocks. Measures without such parts (the classifier, the Frechet
distance, regions, witnesses and copies need the vectors themselves, and `structure_factor` has
another set of measures for each setting) are ranked and have no honest value.

Cost     30 ms a measure for 20 settings, half a second for 200 that are alike
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dftspark import schema
from dftspark.config import Audit, Corpus
from dftspark.corpus.parts import corpus_of, values_of
from dftspark.errors import ConfigError
from dftspark.inference.multiple_testing import benjamini_hochberg
from dftspark.inference.super_baseline import (
    Grid,
    SuperBaseline,
    Value,
    challenge,
    front,
    may_be_best,
    no_common_best,
    regret,
    super_baseline,
)
from dftspark.lenses.structure_measures import all_measures

Row = dict[str, Any]
Floats = NDArray[np.float64]

RATE = "rate_"  # what the names of measures begin with that are followed one by one
ALL = ""  # `metric` and `other` in the row of all judged measures at once

_OF_THE_ESTIMATE = {"mmd_squared_feature_error", "frontier_at_equality"}  # of no setting


@dataclass(frozen=True)
class Sweep:
    """`settings` by corpus, in the order of their values; `challenger` is none of them."""

    name: str
    settings: dict[str, dict[str, str]]
    challenger: str | None


def check(config: Audit) -> None:
    """Raises ConfigError for a measure under sweep.rates that the structure lens has not, and for
    a challenger that no model corpus can be."""
    challenger = config.sweep.challenger
    models = [name for name, corpus in config.corpora.items() if corpus.role == "model"]
    if challenger is not None and corpus_of(challenger) not in models:
        raise ConfigError(
            f"sweep.challenger is a model corpus or a part of one as corpus/value, got "
            f"{challenger!r}; model corpora are {', '.join(models)}"
        )
    known = [m.id for m in all_measures() if m.kind != "distribution"]
    for name in config.sweep.rates:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"sweep.rates: there is no measure {name!r}; {hint}known: {', '.join(known)}"
            )


def found_in(config: Audit, models: Sequence[str]) -> list[Sweep]:
    """The sweeps that the corpora `models` make; one of a single setting is none."""
    found = []
    for name, corpus in config.corpora.items():
        parts = [m for m in models if corpus.split_by and m != name and corpus_of(m) == name]
        settings = {m: _settings(corpus, m) for m in parts}
        challenger = config.sweep.challenger if config.sweep.challenger in models else None
        if challenger is not None:
            settings.pop(challenger, None)
        if len(settings) > 1:
            order = sorted(settings, key=lambda m: [_ordered(v) for v in settings[m].values()])
            found.append(Sweep(name, {m: settings[m] for m in order}, challenger))
    return found


def _settings(corpus: Corpus, part: str) -> dict[str, str]:
    """By sampler setting, or by column where the column is none."""
    named = {column: setting for setting, column in corpus.columns.sampler.items()}
    names = [named.get(column, column) for column in corpus.split_by]
    return dict(zip(names, values_of(part, len(names)), strict=True))


def _ordered(value: str) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    try:
        return (False, float(value), "")
    except ValueError:
        return (True, 0.0, value)


def tables(rows: list[Row], config: Audit) -> dict[str, pa.Table]:
    """samplers, super_baseline and tradeoffs, from rows of the metrics table with `left_out` and
    `halves` as in schema.COMPARED; rows of tables without one where there is no sweep."""
    of: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row["metric"] in _OF_THE_ESTIMATE or row["better"] == "parity":
            continue  # nearest to parity is no matter of order alone
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


def judged(metric: str, config: Audit) -> bool:
    return any(fnmatchcase(metric, pattern) for pattern in config.sweep.measures)


@dataclass(frozen=True)
class _Measure:
    """One measure over the corpora of a sweep that have it; `grid` over those with parts."""

    metric: str
    rows: dict[str, Row]  # settings in their order, then the challenger
    grid: Grid | None
    corpora: list[str]  # of the grid
    challenger: int | None  # in the grid
    p_best: Floats

    @property
    def any_row(self) -> Row:
        return next(iter(self.rows.values()))


def _compared(
    sweep: Sweep, metrics: dict[str, dict[str, Row]], config: Audit
) -> dict[str, list[Row]]:
    measures = [_measure(sweep, metric, found, config) for metric, found in metrics.items()]
    inside = _front(sweep, measures, config)
    samplers, best = [], []
    for measure in measures:
        found = None
        if measure.grid is not None:
            found = super_baseline(
                measure.grid, confidence=config.inference.confidence, seed=config.inference.seed
            )
        samplers += _samplers(sweep, measure, found, inside)
        best.append(_best(sweep, measure, found, config))
    _verdicts(best, config)
    return {
        "samplers": samplers,
        "super_baseline": best,
        "tradeoffs": _tradeoffs(sweep, measures, config),
    }


def _measure(sweep: Sweep, metric: str, found: dict[str, Row], config: Audit) -> _Measure:
    order = [*sweep.settings, *([sweep.challenger] if sweep.challenger else [])]
    rows = {corpus: found[corpus] for corpus in order if corpus in found}
    within = [c for c, row in rows.items() if row.get("halves") and np.isfinite(row["value"])]
    candidates = np.array([c != sweep.challenger for c in within], np.bool_)
    if candidates.sum() < 2:
        return _Measure(metric, rows, None, [], None, np.empty(0))
    grid = Grid(
        values=np.array([rows[c]["value"] for c in within]),
        left_out=np.array([rows[c]["left_out"] for c in within], np.float64),
        halves=np.array([rows[c]["halves"] for c in within], np.float64).reshape(
            len(within), -1, 2
        ),
        blocks=np.array([rows[c]["blocks"] for c in within], np.int64),
        candidates=candidates,
    )
    last = None if candidates.all() else len(within) - 1
    return _Measure(metric, rows, grid, within, last, may_be_best(grid, seed=config.inference.seed))


def _front(sweep: Sweep, measures: list[_Measure], config: Audit) -> set[str]:
    main = [
        m for m in measures
        if judged(m.metric, config) and not m.metric.startswith(RATE)
        and all(corpus in m.rows for corpus in sweep.settings)
    ]  # fmt: skip
    if not main:
        return set()
    values = np.array([[_signed(m.rows[c]) for c in sweep.settings] for m in main])
    return {c for c, own in zip(sweep.settings, front(values), strict=True) if own}


def _signed(row: Row) -> float:
    return -float(row["value"]) if row["better"] == "higher" else float(row["value"])


def _ranks(measure: _Measure, sweep: Sweep) -> dict[str, int]:
    values = {c: _signed(measure.rows[c]) for c in sweep.settings if c in measure.rows}
    known = np.sort([v for v in values.values() if np.isfinite(v)])
    return {c: int(np.searchsorted(known, v)) + 1 for c, v in values.items() if np.isfinite(v)}


def _samplers(
    sweep: Sweep, measure: _Measure, found: SuperBaseline | None, inside: set[str]
) -> list[Row]:
    ranks = _ranks(measure, sweep)
    number = {c: i for i, c in enumerate(measure.corpora)}
    first = next((c for c, rank in ranks.items() if rank == 1), None)
    best = first if found is None else measure.corpora[found.best]
    out = []
    for corpus, row in measure.rows.items():
        own = corpus == sweep.challenger
        i = None if own else number.get(corpus)
        halves = row.get("halves")
        out.append(
            {
                **row,
                "sweep": sweep.name,
                "settings": list(sweep.settings.get(corpus, {}).items()),
                "challenger": own,
                "rank": ranks.get(corpus),
                "super_baseline": corpus == best,
                "chosen": None if i is None or found is None else float(found.chosen[i]),
                "p_best": None if i is None else float(measure.p_best[i]),
                "front": corpus in inside,
                "first_half": halves and halves[::2],
                "second_half": halves and halves[1::2],
            }
        )
    return out


def _best(sweep: Sweep, measure: _Measure, found: SuperBaseline | None, config: Audit) -> Row:
    ranks = _ranks(measure, sweep)
    best = next((c for c, rank in ranks.items() if rank == 1), None)
    if found is not None:
        best = measure.corpora[found.best]
    some = measure.any_row
    row: Row = {
        **{name: some[name] for name in ("run_id", "date", "human", "stratum", "lens", "unit")},
        "better": some["better"], "sweep": sweep.name, "metric": measure.metric,
        "judged": judged(measure.metric, config), "settings": len(ranks), "best": best,
        "naive": None if best is None else measure.rows[best]["value"],
        "naive_low": None if best is None else measure.rows[best]["ci_low"],
        "naive_high": None if best is None else measure.rows[best]["ci_high"],
        "challenger": sweep.challenger,
    }  # fmt: skip
    if sweep.challenger in measure.rows:
        row["challenger_value"] = measure.rows[sweep.challenger]["value"]
    if measure.grid is None or found is None:
        return row
    level = 1 - config.inference.confidence
    row |= {
        "settings": int(measure.grid.candidates.sum()),
        "honest": found.honest.value,
        "std_error": found.honest.std_error,
        "ci_low": found.honest.low,
        "ci_high": found.honest.high,
        "optimism": found.optimism,
        "optimism_if_alike": found.expected,
        "may_be_best": [
            c for c, p in zip(measure.corpora, measure.p_best, strict=True) if p > level
        ],
    }
    if measure.challenger is not None:
        against = challenge(
            measure.grid, measure.challenger, confidence=config.inference.confidence
        )
        row |= _interval("difference", against) | {"p_value": against.p_value}
    return row


def _interval(name: str, value: Value) -> Row:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _verdicts(rows: list[Row], config: Audit) -> None:
    """Adds q_value and verdict to those that are judged against a challenger."""
    asked = [row for row in rows if row["judged"] and row.get("p_value") is not None]
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in asked], np.float64))
    for row, q_value in zip(asked, q_values, strict=True):
        told = q_value <= 1 - config.inference.confidence
        row["q_value"] = float(q_value)
        row["verdict"] = (
            "not distinguishable" if not told else "better" if row["difference"] < 0 else "worse"
        )


def _tradeoffs(sweep: Sweep, measures: list[_Measure], config: Audit) -> list[Row]:
    """Each pair of judged measures over the settings that all of them have on halves."""
    main = [m for m in measures if m.grid is not None and judged(m.metric, config)]
    if len(main) < 2:
        return []
    common = [c for c in sweep.settings if all(c in m.corpora for m in main)]
    if len(common) < 2:
        return []
    grids = {m.metric: _only(m, common) for m in main}
    seed, confidence = config.inference.seed, config.inference.confidence
    p_best = {
        m.metric: m.p_best[: len(common)] if _settings_of(m, sweep) == common
        else may_be_best(grids[m.metric], seed=seed)
        for m in main
    }  # fmt: skip
    some = main[0].any_row
    shared = {
        **{name: some[name] for name in ("run_id", "date", "human", "stratum")},
        "sweep": sweep.name,
    }
    out: list[Row] = []
    for first, second in combinations(grids, 2):
        own, other = grids[first], grids[second]
        inside = front(np.stack([own.values, other.values]))
        order = np.argsort(own.values, kind="stable")
        out.append(
            {
                **shared,
                "metric": first, "other": second,
                "best": common[own.best], "best_other": common[other.best],
                **_interval("regret", regret(own, other, confidence=confidence)),
                **_interval("regret_other", regret(other, own, confidence=confidence)),
                "p_value": no_common_best([p_best[first], p_best[second]]),
                "front": [common[i] for i in order if inside[i]],
            }
        )  # fmt: skip
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in out], np.float64))
    for row, q_value in zip(out, q_values, strict=True):
        row |= {"q_value": float(q_value), "differ": bool(q_value <= 1 - confidence)}
    together = no_common_best(list(p_best.values()))
    everywhere = front(np.stack([grid.values for grid in grids.values()]))
    return [
        {
            **shared, "metric": ALL, "other": ALL, "p_value": together, "q_value": together,
            "differ": bool(together <= 1 - confidence),
            "front": [c for c, own in zip(common, everywhere, strict=True) if own],
        },
        *out,
    ]  # fmt: skip


def _settings_of(measure: _Measure, sweep: Sweep) -> list[str]:
    return [c for c in measure.corpora if c != sweep.challenger]


def _only(measure: _Measure, corpora: list[str]) -> Grid:
    grid = measure.grid
    assert grid is not None
    at = np.array([measure.corpora.index(c) for c in corpora])
    return Grid(
        grid.values[at], grid.left_out[at], grid.halves[at], grid.blocks[at], grid.candidates[at]
    )
