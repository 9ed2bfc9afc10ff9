"""What dftspark does, as plain functions: audit, profile, embed and compare.

Each makes one run in the store: stages write into its folder, the manifest makes it visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dftspark import check_stages, compare_stages, nightly_stages, profile_stages
from dftspark.config import Audit
from dftspark.making import Making
from dftspark.nights import NIGHT, Nights, night_name
from dftspark.report.progress import Progress
from dftspark.store import Run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def audit(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads, profiles, compares and publishes; the run has every table of schema.TABLES.

    Raises InputError for missing, empty or one-sided input and for too many rejects, ConfigError
    for a filter Spark cannot read, EnvironmentProblem where storage refuses.
    """
    profile_stages.check_extras(spark, config)
    check_stages.check_rules(config)
    making = Making.begin(spark, config, date, progress)
    profiled = profile_stages.profile(making)
    compared = compare_stages.compare(making, profiled)
    compared |= check_stages.check(making, profiled, window=1)
    if not config.keep_profile:
        making.drop(*profiled.tables)
    return making.publish("audit", **profiled.manifest, **compared)


def profile(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads and profiles only: a run with corpora, rejects and the tables of states."""
    profile_stages.check_extras(spark, config)
    making = Making.begin(spark, config, date, progress)
    return making.publish("profile", **profile_stages.profile(making).manifest)


def embed(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Fills the embedding store with what it lacks of this audit's texts: a run with corpora and
    rejects, whose manifest says under `embedding` what was embedded. An audit of the same
    configuration then embeds nothing.

    Raises what `audit` raises, and EnvironmentProblem for an embedder or a device that is absent.
    """
    making = Making.begin(spark, config, date, progress)
    return making.publish("embed", embedding=profile_stages.embed(making))


def compare(
    spark: SparkSession, config: Audit, profiled: Run, progress: Progress | None = None
) -> Run:
    """Compares the stored profiles of a run, without its documents: a run with the tables.

    Of the embedding lens it has what follows from the feature sums: MMD by all kernels and the
    energy distance. Regions, witnesses and copies are an audit's.

    Raises ConfigError where `profiled` keeps no profile.
    """
    stored = profile_stages.stored_profile(spark, config, profiled)
    making = Making.begin(spark, config, str(profiled.manifest["date"]), progress)
    compared = compare_stages.compare(making, stored)
    return making.publish("compare", profiled=profiled.id, **stored.manifest, **compared)


def nightly(
    spark: SparkSession,
    config: Audit,
    date: str,
    progress: Progress | None = None,
    *,
    read: bool = True,
    reference: bool = False,
) -> Run:
    """Profiles the documents of `date`, merges the window that ends with it, compares and checks.

    `config` is as it is written, with `{date}` in its paths. `read` False merges the profiles that
    are stored, without a document; `reference` True profiles the human side again. Tables are
    those of `compare`, and checks. The manifest names the profiles, and the dates that have none.

    Raises what `audit` raises, UnlikeProfiles for profiles that do not merge, and InputError for
    one that is damaged, or where the window has none.
    """
    nightly_stages.check_config(config)
    profile_stages.check_extras(spark, config)
    check_stages.check_rules(config)
    nights = Nights.of(config.out, config.name)
    if read:
        nightly_stages.check_window(spark, config, date, nights)
    human = nightly_stages.reference(spark, config, nights, progress, reference)
    own = nightly_stages.profile_day(spark, config, date, human, nights, progress) if read else None
    window = nightly_stages.window(spark, config, date, human, nights, own)
    name = night_name(config.name, date)
    making = Making.begin(spark, config.on(date), date, progress, name)
    profile, clusters = nightly_stages.merged(making, window)
    with nightly_stages.damaged(window):
        compared = compare_stages.compare(making, profile)
        compared |= check_stages.check(making, profile, config.nightly.window, nights)
    nightly_stages.corpora(making, window, clusters)
    return making.publish(
        NIGHT, version=nights.next_version(name), **window.manifest, **profile.manifest, **compared
    )


def demo_config(out: str) -> Audit:
    """The audit of the bundled sample, which is written below `out`."""
    from dftspark import sample

    return sample.audit(out)
