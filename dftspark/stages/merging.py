"""The stages of a night: profile the standing human side and the day, merge a window of days.

What merges is fixed by the reference: its key ranges, its random features. A day's documents are
settled and clustered within the day: an id or a prompt that comes again on another day is another
document and, in the n-gram variances, another cluster, though in the same block.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import schema
from dftspark.config import Audit, Corpus
from dftspark.errors import ConfigError, InputError, UnlikeProfiles
from dftspark.nights.calendar import (
    PROFILE,
    REFERENCE,
    Nights,
    profile_name,
    reference_name,
    window_of,
)
from dftspark.report.progress import Progress
from dftspark.stages import profiling
from dftspark.stages.making import Making
from dftspark.stages.profiling import Clouds, Fixed, Profile
from dftspark.store.run import Run
from dftspark.store.state_files import check_files, damaged_states

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DATE = "{date}"
_SUMMED = ("read", "documents", "rejected", "duplicates", "filtered", "repaired", "tokens",
           "bytes", "state_bytes", "keyed_bytes")  # fmt: skip


def check_config(config: Audit) -> None:
    """Raises ConfigError for what an audit may have and a nightly one may not."""
    mistakes = []
    if _DATE in config.out:
        mistakes.append("out: one store has all nights; take {date} out of it")
    human = config.corpora[config.human]
    if any(_DATE in path for path in human.paths):
        mistakes.append(
            f"corpora.{config.human}.path: the human side of a nightly audit stands; it has no "
            f"{{date}}"
        )
    mistakes += [
        f"corpora.{name}: which documents are of a date? put {{date}} into its path, or name its "
        f"columns.date"
        for name, corpus in config.corpora.items()
        if corpus.role == "model" and not _by_path(corpus) and corpus.columns.date is None
    ]
    if "variety" in config.lenses:
        mistakes.append(
            "lenses: variety compares documents, and a night merges states; leave it out"
        )
    if config.nightly.key_ranges > config.ngrams.sketch_width:
        mistakes.append("nightly.key_ranges: at most ngrams.sketch_width")
    if mistakes:
        raise ConfigError("not a nightly audit\n  " + "\n  ".join(mistakes))


def _by_path(corpus: Corpus) -> bool:
    return any(_DATE in path for path in corpus.paths)


def day_of(config: Audit, date: str) -> Audit:
    """The model corpora, and of them the documents of `date` alone."""
    corpora = {}
    for name, corpus in config.corpora.items():
        if corpus.role == "model" and not _by_path(corpus):
            own = f"substring(date, 1, 10) = '{date}'"
            kept = own if corpus.filter is None else f"({corpus.filter}) AND {own}"
            corpora[name] = corpus.model_copy(update={"filter": kept})
        elif corpus.role == "model":
            corpora[name] = corpus
    return config.model_copy(update={"corpora": corpora}).on(date)


def human_of(config: Audit) -> Audit:
    corpora = {config.human: config.corpora[config.human]}
    return config.model_copy(update={"corpora": corpora})


# --- what must agree -----------------------------------------------------------------------------


def fingerprints(spark: SparkSession, config: Audit) -> dict[str, str]:
    """What two profiles have in common when they merge, but for the random features."""
    from dftspark.features import models
    from dftspark.spark import embed, ngrams, structure

    found = {
        "text": ngrams.fingerprint(config),
        "orders": " ".join(map(str, config.ngrams.orders)),
        "sketch_width": str(config.ngrams.sketch_width),
        "key_ranges": str(config.nightly.key_ranges),
    }
    if "structure" in config.lenses:
        found["structure"] = structure.statistic(config).fingerprint
    if "embeddings" in config.lenses:
        device = embed.device_for(spark, config.embedding)
        found["embedder"] = models.recipe(config.embedding, device).fingerprint
    return found


def check_alike(of: str, wanted: dict[str, str], run: Run) -> None:
    """Raises UnlikeProfiles where the run's profile is not as `wanted`, which `of` says whose."""
    found = run.manifest["fingerprints"]
    for key, value in wanted.items():
        if found.get(key) != value:
            raise UnlikeProfiles(
                key,
                (of, value),
                (f"{run.manifest['date'] or 'reference'} {run.id}", found.get(key)),
            )


def _frozen(run: Run | None) -> Any:
    """The random features that a reference has frozen."""
    from dftspark.features.fourier import Frequencies
    from dftspark.stats.feature_sums import FeatureSums

    if run is None or "embedding" not in run.manifest:
        return None
    manifest = run.manifest["embedding"]
    kept = {name: value for name, value in manifest["features"].items() if name != "count"}
    return FeatureSums(frequencies=Frequencies(**kept), vectors=manifest["fingerprint"])


# --- profiles ------------------------------------------------------------------------------------


def reference(
    spark: SparkSession, config: Audit, nights: Nights, progress: Progress | None,
    again: bool = False,
) -> Run:  # fmt: skip
    """The profile of the human side: the stored one where its settings are the configuration's.

    A new one keeps the random features of the one before, where embedder and settings are the
    same, so that the days that were profiled beside that still merge.
    """
    prints = fingerprints(spark, config)
    settings = _digest(human_of(config), prints)
    stored = nights.reference
    if stored and stored.manifest["settings_sha256"] == settings and not again:
        return stored
    name = reference_name(config.name)
    making = Making.begin(spark, human_of(config), "", progress, name)
    old = stored.manifest if stored else {}
    same = (
        old.get("fingerprints", {}).get("embedder") == prints.get("embedder")
        and old.get("config", {}).get("mmd") == config.mmd.model_dump(mode="json")
    )  # fmt: skip
    fixed = Fixed(config.nightly.key_ranges, _frozen(stored) if same else None)
    found = profiling.profile(making, fixed)
    return _publish(making, found, REFERENCE, prints, nights.next_version(name), settings)


def profile_day(
    spark: SparkSession, config: Audit, date: str, reference: Run, nights: Nights,
    progress: Progress | None,
) -> Run:  # fmt: skip
    """A new profile of the documents of a date."""
    name = profile_name(config.name, date)
    making = Making.begin(spark, day_of(config, date), date, progress, name)
    fixed = Fixed(config.nightly.key_ranges, _frozen(reference))
    found = profiling.profile(making, fixed)
    return _publish(
        making, found, PROFILE, fingerprints(spark, config), nights.next_version(name),
        _digest(making.config, {}),
    )  # fmt: skip


def _publish(
    making: Making, found: Profile, kind: str, prints: dict[str, str], version: int, settings: str
) -> Run:
    if found.clouds:
        prints = {**prints, "features": json.dumps(found.clouds.statistic.frequencies.manifest())}
    return making.publish(
        kind,
        version=version,
        fingerprints=prints,
        settings_sha256=settings,
        **found.manifest,
    )


def _digest(config: Audit, prints: dict[str, str]) -> str:
    """Of what a profile is made from: paths, columns, filters, cleaning, tokens, embedding."""
    made_from = config.model_dump(
        mode="json", include={"corpora", "cleaning", "tokens", "ngrams", "embedding", "mmd"}
    )
    text = json.dumps([made_from, prints, config.lenses], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


# --- the window ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """The reference and the days that a night merges; dates without a profile are missing."""

    reference: Run
    days: dict[str, Run]
    missing: tuple[str, ...]
    removed: tuple[str, ...]

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
        }


def window(
    spark: SparkSession, config: Audit, date: str, reference: Run, nights: Nights,
    own: Run | None = None,
) -> Window:  # fmt: skip
    """The current profiles of the window that ends with `date`; `own` is that of the date itself.

    Raises InputError without any, or where one is damaged or of another format, UnlikeProfiles
    where two do not merge.
    """
    dates = window_of(date, config.nightly.window)
    days = {day: run for day in dates if (run := nights.profile(day))}
    if own:
        days[date] = own
    removed = tuple(day for day in dates if day not in days and nights.is_removed(day))
    missing = tuple(day for day in dates if day not in days and day not in removed)
    if not days:
        raise InputError(
            f"{nights.root}: no profile of {config.name!r} from {dates[0]} to {date}; "
            f"`dftspark nightly CONF --date {date}` makes one from the documents"
        )
    wanted = fingerprints(spark, config)
    if "embeddings" in config.lenses:
        wanted["features"] = reference.manifest["fingerprints"].get("features", "")
    check_alike("configuration", {k: v for k, v in wanted.items() if k != "features"}, reference)
    found = Window(reference, days, missing, removed)
    for run in days.values():
        check_alike(f"reference {reference.id}", wanted, run)
    for run in found.runs:
        check_files(run, _tables(config))
    return found


def check_window(spark: SparkSession, config: Audit, date: str, nights: Nights) -> None:
    """Raises UnlikeProfiles before any document is read."""
    wanted = fingerprints(spark, config)
    for day in window_of(date, config.nightly.window)[:-1]:
        if run := nights.profile(day):
            check_alike("configuration", wanted, run)


def _tables(config: Audit) -> list[str]:
    lenses = {"structure": "structure", "embeddings": "feature_sums"}
    own = [table for lens, table in lenses.items() if lens in config.lenses]
    return ["profile", "phrases", "clusters", *own]


def merged(making: Making, found: Window) -> tuple[Profile, dict[str, int]]:
    """The window as one profile, and the distinct clusters of each corpus."""
    from dftspark.spark import nights

    spark, config = making.spark, making.config

    def rows(table: str) -> Any:
        # A day without documents may have no file of a table.
        paths = [run.table_path(table) for run in found.runs]
        return nights.stored(spark, table, paths)

    with making.stage("merge days"), damaged(found):
        counts, shared = nights.cluster_counts(rows("clusters"), config.human)
        clouds = None
        if "embeddings" in config.lenses:
            of = _frozen(found.reference)
            path = making.staging("feature_sums")
            nights.feature_sums(rows("feature_sums"), of).write.parquet(path)
            manifest = found.reference.manifest["embedding"]
            kept = {key: manifest[key] for key in ("fingerprint", "model", "revision", "features")}
            clouds = Clouds(of, spark.read.parquet(path), None, kept)
    profile = Profile(
        stored=[run.table_path("profile") for run in found.runs],
        phrases=rows("phrases"),
        structure=rows("structure") if "structure" in config.lenses else None,
        clouds=clouds,
        shared_clusters=shared,
        key_ranges=config.nightly.key_ranges,
    )
    return profile, counts


def corpora(making: Making, found: Window, clusters: dict[str, int]) -> None:
    """Writes the table corpora: what the reference and the days had, added up."""
    rows: dict[str, dict[str, Any]] = {}
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for run in found.runs:
        for row in run.table("corpora").to_pylist():
            rows[row["corpus"]] = row
            for column in _SUMMED:
                sums[row["corpus"]][column] += row[column] or 0
    of_run = {"run_id": making.writer.id, "date": making.date}
    table = [
        {**row, **of_run, **sums[name], "clusters": clusters.get(name, 0)}
        for name, row in sorted(rows.items())
    ]
    making.writer.write("corpora", pa.Table.from_pylist(table, schema=schema.CORPORA))


@contextmanager
def damaged(found: Window) -> Iterator[None]:
    """Names the profile whose states cannot be read, where that is what went wrong."""
    try:
        yield
    except Exception as error:
        for run in found.runs:
            if said := damaged_states(run):
                raise InputError(said) from error
        raise
