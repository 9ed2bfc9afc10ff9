"""Two runs beside each other: what each measure says in both, and what else is different.

The error of a difference is that of two independent runs. Runs that read the same human text, or
answers to the same prompts, share a part of their errors, which then cancels: for these the error
given here is too large rather than too small. Within one run the table `differences` does better.

Cost    reads the tables metrics and corpora of both runs
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dftspark.errors import ConfigError
from dftspark.lenses.metric import comparable
from dftspark.report.words import tell
from dftspark.report.words.lenses import leads
from dftspark.report.words.rows import LEVEL, Row
from dftspark.report.words.text import real
from dftspark.store.run import Run

_ALL_NAMED = 12  # models that an error lists


@dataclass(frozen=True)
class RunDiff:
    """Two runs compared.

    rows     one for each measure that both runs have, as `row_of` makes them
    changed  settings, versions and sizes that differ: (name, in the first run, in the second)
    """

    rows: list[Row]
    changed: list[tuple[str, str, str]]


def diff(first: Run, second: Run, model: str | None = None) -> RunDiff:
    """Sets the second run beside the first: models of one name, or the only model of each.

    Raises ConfigError for a run without comparisons, and where no model is in both.
    """
    for run in (first, second):
        if "metrics" not in run.tables:
            raise ConfigError(
                f"run {run.id} is of the kind {run.manifest.get('kind', 'unknown')!r} and has no "
                f"table metrics; a diff needs two audits, comparisons or nights"
            )
    before, after = _by_place(first), _by_place(second)
    rows = []
    for old, new in _partners({key[0] for key in before}, {key[0] for key in after}, model):
        places = [key[1:] for key in before if key[0] == old and (new, *key[1:]) in after]
        rows += [row_of(before[(old, *key)], after[(new, *key)]) for key in places]
    return RunDiff(_adjusted(rows), list(_changed(first, second)))


def _by_place(run: Run) -> dict[tuple[str, str, str], Row]:
    rows: list[Row] = run.table("metrics").to_pylist()
    return {(row["model"], row["stratum"], row["metric"]): row for row in rows}


def _partners(before: set[str], after: set[str], model: str | None) -> list[tuple[str, str]]:
    both = sorted(before & after)
    if model is not None:
        if model not in both:
            raise ConfigError(f"--model: {model!r} is not in both runs; these are: {_listed(both)}")
        return [(model, model)]
    if both:
        return [(name, name) for name in both]
    if len(before) == len(after) == 1:
        return [(before.pop(), after.pop())]
    raise ConfigError(
        f"no model is in both runs: the first has {_listed(sorted(before))}, the second "
        f"{_listed(sorted(after))}. Give a model one name in both configurations, or audit them "
        f"in one run"
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _ALL_NAMED
    return ", ".join(map(repr, names[:_ALL_NAMED])) + (f" and {more} more" if more > 0 else "")


def row_of(first: Row, second: Row) -> Row:
    """Returns one measure in both runs, and the difference, second minus first.

    `why_not` says why there is no difference; it is empty where there is one. `p_value` is that of
    no difference, by the normal distribution.
    """
    values = real(first["value"]), real(second["value"])
    why_not = _why_not(first, second)
    value = math.nan if why_not else values[1] - values[0]
    error = math.hypot(real(first["std_error"]), real(second["std_error"]))
    known = not math.isnan(value) and error > 0
    return {
        **{key: first[key] for key in ("model", "stratum", "lens", "metric", "unit", "better")},
        "other": second["model"],
        "first": values[0],
        "second": values[1],
        "difference": value,
        "std_error": error if known else math.nan,
        "p_value": math.erfc(abs(value) / error / math.sqrt(2)) if known else math.nan,
        "n_tell_first": real(first.get("n_tell")),
        "n_tell_second": real(second.get("n_tell")),
        "why_not": why_not,
    }


def _why_not(first: Row, second: Row) -> str:
    if first["fingerprint"] != second["fingerprint"]:
        return "measured in another way"
    if math.isnan(real(first["value"])) or math.isnan(real(second["value"])):
        return "no value"
    sides = [(first[side], second[side]) for side in ("n_human", "n_model")]
    if not all(comparable(first["metric"], sizes) for sizes in sides):
        return "sizes differ, on which it depends"
    return ""


def _adjusted(rows: list[Row]) -> list[Row]:
    """Adds to each row what it says of the second run: nearer, farther, other, or nothing."""
    tested = [row for row in rows if not math.isnan(row["p_value"])]
    for row in rows:
        row["p_adjusted"], row["verdict"] = math.nan, ""
    for row, p_value in zip(tested, tell.holm([row["p_value"] for row in tested]), strict=True):
        row["p_adjusted"] = p_value
        if p_value < LEVEL:
            row["verdict"] = _nearer(row) if row["better"] in ("lower", "higher") else "other"
    return rows


def _nearer(row: Row) -> str:
    falls = row["difference"] < 0
    return "nearer" if falls == (row["better"] == "lower") else "farther"


def verdict(rows: Sequence[Row]) -> str:
    """States what the second run, B, is beside the first, A, for one model, by the measure that
    leads each lens."""
    said = {
        verdict: [leads()[row["metric"]] for row in own]
        for verdict in ("nearer", "farther")
        if (own := [r for r in rows if r["metric"] in leads() and r["verdict"] == verdict])
    }
    if not said:
        return "B is told from A by no lens."
    parts = [f"{verdict} to human by {' and '.join(words)}" for verdict, words in said.items()]
    return f"B is {', and '.join(parts)}.".replace("farther to", "farther from")


def _changed(first: Run, second: Run) -> Iterator[tuple[str, str, str]]:
    """Yields what differs between the manifests and the corpora."""
    sides = [_facts(run) for run in (first, second)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        before, after = (side.get(name, "not set") for side in sides)
        if before != after:
            yield name, before, after


def _facts(run: Run) -> dict[str, str]:
    config = run.manifest.get("config", {})
    found = {name: value for name, value in _flat(config) if name not in ("name", "out")}
    found |= {
        f"version of {name}": str(value) for name, value in run.manifest.get("versions", {}).items()
    }
    found["version of dftspark"] = str(run.manifest.get("code_version", ""))
    if "corpora" in run.tables:
        for row in run.table("corpora", ["corpus", "documents"]).to_pylist():
            found[f"documents of {row['corpus']}"] = f"{row['documents']:,}"
    return found


def _flat(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
