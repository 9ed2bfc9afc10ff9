"""The profiling stages of a night: the standing human side, and the documents of a day.

The reference fixes what two profiles need in order to merge: its key ranges, its random features. A
day's documents are deduplicated and clustered within the day: an id or a prompt that returns on
another day is another document and, in the n-gram variances, another cluster, though in the same
block.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dftspark.config import Audit, Corpus
from dftspark.corpus import files
from dftspark.errors import ConfigError, InputError, UnlikeProfiles
from dftspark.lenses.lens import Night, chosen, every, lens
from dftspark.making import Making
from dftspark.nights.calendar import PROFILE, REFERENCE, Nights, profile_name, reference_name
from dftspark.progress import Progress
from dftspark.stages import profiling
from dftspark.stages.profiling import Profile
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DATE = "{date}"


def check_config(config: Audit) -> None:
    """Raises ConfigError for settings that an audit may have and a nightly one may not."""
    mistakes = []
    if config.prompts != "all":
        mistakes.append(f"prompts: nights are of all prompts, got {config.prompts!r}")
    if _DATE in config.out:
        mistakes.append("out: one store has all nights; take {date} out of it")
    human = config.corpora[config.human]
    if any(_DATE in text for text in human.sources):
        mistakes.append(
            f"corpora.{config.human}: the human side of a nightly audit stands; its source has no "
            f"{{date}}"
        )
    mistakes += [
        f"corpora.{name}: which documents are of a date? put {{date}} into its source, or name its "
        f"columns.date"
        for name, corpus in config.corpora.items()
        if corpus.role == "model" and not _by_source(corpus) and corpus.columns.date is None
    ]
    mistakes += [
        f"lenses: {one.name} compares documents, and a night merges states; leave it out"
        for one in chosen(config)
        if not one.states
    ]
    if config.embedding.sample_error is not None:
        mistakes.append(
            f"embedding.sample: {config.embedding.sample!r} is found from both sides, and a night "
            f"profiles one; give a number, or 'all'"
        )
    if config.nightly.key_ranges > config.ngrams.sketch_width:
        mistakes.append("nightly.key_ranges: at most ngrams.sketch_width")
    if mistakes:
        raise ConfigError("not a nightly audit\n  " + "\n  ".join(mistakes))


def check_sides(config: Audit, date: str) -> None:
    """Raises ConfigError if the sides, which are read in separate runs, share texts."""
    with suppress(InputError):  # a missing file is reported when it is read, if it is to be read
        files.check(config.on(date).corpora)


def _by_source(corpus: Corpus) -> bool:
    return any(_DATE in text for text in corpus.sources)


def day_of(config: Audit, date: str) -> Audit:
    """Returns the audit with the model corpora only, and of them only the documents of `date`."""
    corpora = {}
    for name, corpus in config.corpora.items():
        if corpus.role == "model" and not _by_source(corpus):
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
    """Returns what two profiles must have in common to merge, except what the first of them
    froze."""
    found: dict[str, str] = {}
    for one in chosen(config, kept=True):
        found |= one.fingerprints(spark, config)
    return found


def check_alike(of: str, wanted: dict[str, str], run: Run) -> None:
    """Raises UnlikeProfiles if the run's profile differs from `wanted`; `of` says whose that is."""
    found = run.manifest["fingerprints"]
    for key, value in wanted.items():
        if found.get(key) != value:
            raise UnlikeProfiles(
                key,
                (of, value),
                (f"{run.manifest['date'] or 'reference'} {run.id}", found.get(key)),
            )


# --- profiles ------------------------------------------------------------------------------------


def reference(
    spark: SparkSession,
    config: Audit,
    nights: Nights,
    progress: Progress | None,
    again: bool = False,
) -> Run:
    """Returns the profile of the human side: the stored one if its settings are the
    configuration's.

    A new one keeps the random features of the one before if embedder and settings are the same, so
    that the days that were profiled with that still merge.
    """
    prints = fingerprints(spark, config)
    settings = _digest(human_of(config), prints)
    stored = nights.reference
    if stored and stored.manifest["settings_sha256"] == settings and not again:
        return stored
    name = reference_name(config.name)
    making = Making.begin(spark, human_of(config), "", progress, name)
    found = profiling.profile(making, Night(_last(config, nights)))
    return _publish(making, found, REFERENCE, prints, nights.numbered(name), settings)


def _last(config: Audit, nights: Nights) -> Run | None:
    """Returns the last reference, or if that is damaged the newest profile of a date."""
    found = nights.readable(reference_name(config.name))
    dates = iter(reversed(nights.profiled))
    while found is None and (date := next(dates, None)):
        found = nights.profile(date)
    return found


def profile_day(
    spark: SparkSession,
    config: Audit,
    date: str,
    reference: Run,
    nights: Nights,
    progress: Progress | None,
) -> Run:
    """Makes a new profile of the documents of a date."""
    name = profile_name(config.name, date)
    making = Making.begin(spark, day_of(config, date), date, progress, name)
    found = profiling.profile(making, Night(reference))
    return _publish(
        making,
        found,
        PROFILE,
        fingerprints(spark, config),
        nights.numbered(name),
        _digest(making.config, {}),
    )


def _publish(
    making: Making,
    found: Profile,
    kind: str,
    prints: dict[str, str],
    numbered: dict[str, Any],
    settings: str,
) -> Run:
    for name, state in found.states.items():
        prints = {**prints, **lens(name).frozen(state)}
    return making.publish(
        kind,
        **numbered,
        fingerprints=prints,
        settings_sha256=settings,
        **found.manifest,
    )


def _digest(config: Audit, prints: dict[str, str]) -> str:
    """Returns the digest of what a profile is made from: sources, columns, filters, cleaning,
    tokens, and the settings of the lenses that keep states."""
    sections = {section for one in every() for section in one.settings}
    made_from = config.model_dump(mode="json", include={"corpora", "cleaning", "tokens"} | sections)
    for corpus in made_from["corpora"].values():  # profiles older than tables are of files
        for kind in ("table", "query"):
            if corpus[kind] is None:
                del corpus[kind]
    text = json.dumps([made_from, prints, config.lenses], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
