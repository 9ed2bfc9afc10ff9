"""The checking stage: tables of tonight and earlier nights to readings, and readings to
outcomes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dftspark import schema
from dftspark.checks.junit import junit
from dftspark.checks.rules import Outcome, Reading, evaluate, worst
from dftspark.config import Audit
from dftspark.config.nightly import Acknowledged, Check
from dftspark.errors import CheckFailed, ConfigError
from dftspark.lenses.metric import comparable
from dftspark.lenses.ngrams.watched import gram_of, occurrences
from dftspark.making import Making
from dftspark.nights.calendar import Nights, window_of
from dftspark.report.words.verdict import headline
from dftspark.stages.profiling import Profile
from dftspark.store.run import Run

JUNIT = "checks.junit.xml"
_HALF = 0.5  # occurrences that a ratio adds to each count

# Columns that a rule reads, of the tables that have them.
_METRIC = [
    "date",
    "model",
    "stratum",
    "metric",
    "value",
    "ratio_to_floor",
    "n_tell",
    "unit",
    "n_model",
]
_PATTERN = ["date", "model", "stratum", "pattern", "rate_model", "distance", "band", "unit"]
_PAST = ["date", "model", "stratum", "rule", "subject", "against", "value", "unit", "n_model"]


def check(
    making: Making, profile: Profile, window: int, nights: Nights | None = None
) -> dict[str, Any]:
    """Writes the table checks and, if there are rules, JUnit XML; returns the manifest's entry.

    `nights` are the earlier ones, None for a standalone audit.
    """
    config = making.config
    with making.stage("check"):
        source = _Source(making, profile, window, nights)
        outcomes = evaluate(
            config.checks,
            _in_force(config, making.date),
            {rule.name: source.readings(rule) for rule in config.checks},
            date=making.date,
            window=window,
            known={
                "metric": source.known("metrics", "metric"),
                "pattern": source.known("patterns", "pattern"),
            },
        )
        of_run = {"run_id": making.writer.id, "date": making.date, "human": config.human}
        rows = [{**of_run, **asdict(outcome)} for outcome in outcomes]
        making.writer.write("checks", pa.Table.from_pylist(rows, schema=schema.CHECKS))
        if outcomes:
            said = headline(making.writer.read("metrics")) if making.writer.has("metrics") else ""
            making.writer.write_file(JUNIT, junit(outcomes, config.name, making.date, said))
    return {"checks": _summary(outcomes)}


def check_rules(config: Audit) -> None:
    """Raises ConfigError for a phrase that is longer than any n-gram counted."""
    if not any(rule.phrase for rule in config.checks):
        return
    for rule in config.checks:
        n = gram_of(rule.phrase, config)[0] if rule.phrase else None
        if n is not None and n not in config.ngrams.orders:
            raise ConfigError(
                f"checks: {rule.name!r} watches {rule.phrase!r}, which has {n} tokens; "
                f"ngrams.orders = {list(config.ngrams.orders)} does not count such"
            )


def demand(made: list[Run]) -> None:
    """Raises CheckFailed if a check of one of these published runs failed."""
    failed = [run for run in made if run.manifest.get("checks", {}).get("outcome") == "fail"]
    if failed:
        said = "\n  ".join(line for run in failed for line in run.manifest["checks"]["said"])
        raise CheckFailed(f"checks failed; {failed[0].path} is complete\n  {said}")


def _in_force(config: Audit, date: str) -> list[Acknowledged]:
    """Returns the acknowledgments in force; an audit without a date uses today."""
    today = datetime.datetime.now(datetime.UTC).date()
    return [silence for silence in config.acknowledged if date or silence.until >= today]


def _summary(outcomes: list[Outcome]) -> dict[str, Any]:
    names = ("pass", "warn", "fail", "acknowledged", "unknown")
    return {
        "outcome": worst(o.outcome for o in outcomes),
        "counts": {name: sum(o.outcome == name for o in outcomes) for name in names},
        "said": [
            f"{o.rule}, {o.model}: {o.detail}" for o in outcomes if o.outcome in ("warn", "fail")
        ],
    }


class _Source:
    """Tables of tonight, and of as many earlier nights as the rules look back."""

    def __init__(
        self, making: Making, profile: Profile, window: int, nights: Nights | None
    ) -> None:
        self.making, self.profile, self.nights = making, profile, nights
        back = max((_looks_back(rule, window) for rule in making.config.checks), default=1)
        before = set(window_of(making.date, back)[:-1]) if nights else set()
        self.dates = [date for date in nights.dates if date in before] if nights else []
        self._tables: dict[str, pa.Table] = {}

    def readings(self, rule: Check) -> list[Reading]:
        kinds: dict[str, Callable[[Check], list[Reading]]] = {
            "metric": self._metric,
            "pattern": self._pattern,
            "phrase": self._phrase,
        }
        return kinds[rule.subject.split(" ", 1)[0]](rule)

    def known(self, table: str, column: str) -> list[str]:
        if not self.making.config.checks or not self.making.writer.has(table):
            return []
        return sorted(set(self.making.writer.read(table, [column])[column].to_pylist()))

    def _metric(self, rule: Check) -> list[Reading]:
        column = {"floor": "ratio_to_floor", "tell": "n_tell"}.get(rule.against, "value")
        units = {"floor": "times the floor", "tell": "documents or prompts a side"}
        rows = self._rows("metrics", _METRIC, "metric", rule.metric)
        tonight = {
            (row["model"], row["stratum"]): row["n_model"]
            for row in rows
            if row["date"] == self.making.date
        }
        if rule.against == "trailing":  # plug-in distances of nights of other sizes say nothing
            rows = [
                row
                for row in rows
                if comparable(
                    str(rule.metric),
                    (row["n_model"], tonight.get((row["model"], row["stratum"]), row["n_model"])),
                )
            ]
        return [
            Reading(
                row["date"],
                row["model"],
                row["stratum"],
                _number(row[column]),
                units.get(rule.against, row["unit"]),
                row["n_model"],
            )
            for row in rows
        ]

    def _pattern(self, rule: Check) -> list[Reading]:
        ratio = rule.against == "floor"
        documents = {
            (row["date"], row["model"], row["stratum"]): row["n_model"]
            for row in self._rows("metrics", _METRIC, "metric", "structure_outside")
        }
        return [
            Reading(
                row["date"],
                row["model"],
                row["stratum"],
                _over(row["distance"], row["band"]) if ratio else _number(row["rate_model"]),
                "times the human band" if ratio else row["unit"],
                documents.get((row["date"], row["model"], row["stratum"]), 0),
            )
            for row in self._rows("patterns", _PATTERN, "pattern", rule.pattern)
        ]

    def _phrase(self, rule: Check) -> list[Reading]:
        """Returns tonight's reading from the stored states, exactly, and earlier nights' from their
        checks."""
        past = self._past("checks", _PAST) if self.dates else None
        same = [("rule", rule.name), ("subject", rule.subject), ("against", rule.against)]
        return self._phrase_tonight(rule) + [
            Reading(
                row["date"],
                row["model"],
                row["stratum"],
                _number(row["value"]),
                row["unit"],
                row["n_model"],
            )
            for row in (past.to_pylist() if past else [])
            if all(row[column] == value for column, value in same)
        ]

    def _phrase_tonight(self, rule: Check) -> list[Reading]:
        config = self.making.config
        gram = gram_of(str(rule.phrase), config)
        counts = occurrences(self.profile.ngrams.files, gram, self.profile.ngrams.key_ranges)
        sides: dict[str, tuple[int, int, int]] = {}  # occurrences, tokens, documents
        for (corpus, stratum, n), total in self.profile.ngrams.files.totals.items():
            if n == gram[0] and rule.stratum in ("", stratum):
                count, tokens, documents = sides.get(corpus, (0, 0, 0))
                sides[corpus] = (
                    count + counts[corpus, stratum],
                    tokens + int(total["tokens"].sum()),
                    documents + int(total["documents"].sum()),
                )
        human = sides.pop(config.human, (0, 0, 0))
        return [
            Reading(
                self.making.date,
                model,
                rule.stratum,
                _over(own[0] + _HALF, own[1]) / _over(human[0] + _HALF, human[1])
                if rule.against == "floor"
                else 1e6 * _over(own[0], own[1]),
                "times the human rate" if rule.against == "floor" else "per million",
                own[2],
            )
            for model, own in sorted(sides.items())
        ]

    def _rows(
        self, table: str, columns: list[str], key: str, value: str | None
    ) -> list[dict[str, Any]]:
        """Returns the rows of tonight and of the nights before it."""
        if not self.making.writer.has(table):
            return []
        found = [self.making.writer.read(table, columns)]
        if self.dates:
            found.append(self._past(table, columns))
        own = pc.field(key) == value
        # One by one: Spark's part files may declare columns never null, and such do not join.
        return [row for part in found for row in part.filter(own).to_pylist()]

    def _past(self, table: str, columns: list[str]) -> pa.Table:
        assert self.nights is not None
        if table not in self._tables:
            rows = self.nights.dataset(table, self.dates)
            self._tables[table] = rows.to_table(columns=columns)
        return self._tables[table]


def _looks_back(rule: Check, window: int) -> int:
    """Returns how many nights a rule needs, including tonight."""
    return rule.nights + (window + rule.trailing if rule.against == "trailing" else 0)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _over(part: float | None, whole: float | None) -> float:
    top, bottom = _number(part), _number(whole)
    return top / bottom if bottom > 0 else float("nan")
