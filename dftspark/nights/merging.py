"""The merging stages of a night: turn a window of stored profiles into one that is compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dftspark.config import Audit
from dftspark.errors import InputError
from dftspark.lenses.lens import chosen
from dftspark.lenses.ngrams import stored_wholes as document_states
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.making import Making
from dftspark.nights.calendar import Nights, profile_name, window_of
from dftspark.nights.days import check_alike, fingerprints
from dftspark.stages.profiling import Profile
from dftspark.store.integrity import check_files, naming_damage
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SUMMED = (
    "read",
    "documents",
    "rejected",
    "duplicates",
    "filtered",
    "repaired",
    "tokens",
    "bytes",
    "state_bytes",
    "keyed_bytes",
    "damaged",
    "unread_bytes",
    "lost",
)


@dataclass(frozen=True)
class Window:
    """The reference and the days that a night merges. Dates without a profile are missing, and
    dates whose profile has a damaged manifest are passed over as well."""

    reference: Run
    days: dict[str, Run]
    missing: tuple[str, ...]
    removed: tuple[str, ...]
    damaged: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        return [self.reference, *self.days.values()]

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "reference": self.reference.id,
            "profiles": {date: run.id for date, run in self.days.items()},
            "missing": list(self.missing),
            "removed": list(self.removed),
            **({"damaged": list(self.damaged)} if self.damaged else {}),
        }


def window(
    spark: SparkSession,
    config: Audit,
    date: str,
    reference: Run,
    nights: Nights,
    own: Run | None = None,
) -> Window:
    """Returns the current profiles of the window that ends with `date`; `own` is the date's own.

    Raises InputError if there are none, or one is damaged or of another format, UnlikeProfiles if
    two do not merge.
    """
    dates = window_of(date, config.nightly.window)
    days = {day: run for day in dates if (run := nights.profile(day))}
    if own:
        days[date] = own
    removed = tuple(day for day in dates if day not in days and nights.is_removed(day))
    damaged = tuple(
        day for day in dates if day not in days and nights.damaged(profile_name(config.name, day))
    )
    missing = tuple(day for day in dates if day not in {*days, *removed, *damaged})
    if not days:
        others = f", and damaged ones of {list(damaged)}" if damaged else ""
        raise InputError(
            f"{nights.root}: no profile of {config.name!r} from {dates[0]} to {date}{others}; "
            f"`dftspark nightly CONF --date {date}` makes one from the documents"
        )
    wanted = fingerprints(spark, config)
    check_alike("configuration", wanted, reference)
    found = Window(reference, days, missing, removed, damaged)
    wanted = {**reference.manifest["fingerprints"], **wanted}
    for run in days.values():
        check_alike(f"reference {reference.id}", wanted, run)
    states = [table for one in chosen(config, kept=True) for table in one.states]
    for run in found.runs:
        check_files(run, [*states, "clusters"])
    return found


def check_window(spark: SparkSession, config: Audit, date: str, nights: Nights) -> None:
    """Raises UnlikeProfiles before any document is read."""
    wanted = fingerprints(spark, config)
    for day in window_of(date, config.nightly.window)[:-1]:
        if run := nights.profile(day):
            check_alike("configuration", wanted, run)


def merged(making: Making, found: Window) -> tuple[Profile, dict[str, int]]:
    """Returns the window as one profile, and the distinct clusters of each corpus."""
    from dftspark.spark import tables
    from dftspark.spark.clusters import cluster_counts

    spark, config = making.session, making.config
    with making.stage("merge days"), damaged(found):
        clusters = tables.stored(spark, "clusters", found.runs)
        counts, shared = cluster_counts(clusters, config.human)
        states = {
            one.name: one.opened(spark, config, found.runs) for one in chosen(config, kept=True)
        }
    return Profile(states, shared, _returning(found, counts)), counts


def _returning(found: Window, clusters: dict[str, int]) -> frozenset[str]:
    """Returns the corpora that have fewer `clusters` in all than the sum over their days."""
    by_day: Counter[str] = Counter()
    for run in found.runs:
        table = run.table("corpora", ["corpus", "clusters"])
        by_day.update(dict(zip(*(column.to_pylist() for column in table.columns), strict=True)))
    return frozenset(name for name, count in by_day.items() if clusters.get(name, 0) < count)


def corpora(making: Making, found: Window, clusters: dict[str, int]) -> None:
    """Writes the table corpora: the sums over the reference and the days."""
    rows: dict[str, dict[str, Any]] = {}
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for run in found.runs:
        for row in run.table("corpora").to_pylist():
            rows[row["corpus"]] = row
            for column in _SUMMED:
                # Profiles of earlier versions have no column of damaged files.
                sums[row["corpus"]][column] += row.get(column) or 0
    of_run = {"run_id": making.writer.id, "date": making.date}
    copies = document_states.copies_columns(
        ProfileFiles(run.table_path("profile") for run in found.runs)
    )
    table = [
        {**row, **of_run, **sums[name], "clusters": clusters.get(name, 0), **copies.get(name, {})}
        for name, row in sorted(rows.items())
    ]
    making.write_corpora(table)


def damaged(found: Window) -> AbstractContextManager[None]:
    """Names the profile whose states cannot be read, if that is what went wrong."""
    return naming_damage(found.runs)
