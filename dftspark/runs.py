"""The work of dftspark as plain functions: audit, profile, embed, compare, judge and choose.

Each makes one run in the store: stages write into its folder, and the manifest makes it visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dftspark import lineage, schema, sweeps
from dftspark.checks import readings as checking
from dftspark.config import Audit, request
from dftspark.config.publishing import database
from dftspark.judge.outcome import headline as judge_headline
from dftspark.lenses.embeddings import lens as embeddings
from dftspark.lenses.judge import lens as judging
from dftspark.lenses.judge.lens import Asking, PreparedPairs
from dftspark.lenses.lens import Pairing, Texts, lens, rates
from dftspark.making import Making
from dftspark.nights import days, merging
from dftspark.nights.calendar import NIGHT, Nights, night_name
from dftspark.progress import Events, Progress
from dftspark.stages import comparing, profiling, stored
from dftspark.store.integrity import naming_damage
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.config.arrow import SupportsArrow
    from dftspark.spark.rows import Session

    Given = DataFrame | str | Sequence[str] | SupportsArrow | Mapping[str, Sequence[object]]


def audit(
    spark: Session | None = None,
    config: Audit | None = None,
    date: str = "",
    progress: Progress | None = None,
    asking: Asking | None = None,
    *,
    human: Given | None = None,
    models: Mapping[str, Given] | None = None,
    **settings: Any,
) -> Run:
    """Reads, profiles, compares and publishes; the run has every table of its lenses.

    `human` and `models`, by name, are paths, DataFrames of Spark, tables of pyarrow, pandas or
    Polars, or columns, `{"text": [...]}`. They stand for the corpora of those names in `config`;
    without one they are the audit, and `settings` are its settings: `out`, `lenses` and others of
    the page of settings, and `columns`, those of every corpus.

    `asking` says how judges are asked, if the lens 'judge' is on. Without `spark` a small audit is
    made in this process, and another one on a local Spark.

    Raises InputError for missing, empty or one-sided input and for too many rejects, ConfigError
    for settings, columns, a table, a query or a filter that do not fit, EnvironmentProblem if
    storage refuses; and NotPublished, which has the run, if only `publish.tables` could not be
    written.
    """
    given, frames = request.given(config, human, models, settings)
    if spark is None:
        from dftspark.spark import in_process

        rest: dict[str, Any] = {"human": human, "models": models, **settings}
        return in_process.made(
            "audit",
            lambda found: audit(found, config, date, progress, asking, **rest),
            given if all(isinstance(frame, pa.Table) for frame in frames.values()) else None,
        )
    config = given
    sweeps.check(config, rates())
    profiling.check(spark, config, orders={"judge": asking})
    checking.check_rules(config)
    _check_catalog(spark, config)
    making = Making.begin(spark, config, date, progress)
    making.frames = frames
    making.orders["judge"] = asking
    with lineage.told("audit", config) as done:
        with making.abandoned_if_for_spark():
            profiled = profiling.profile(making)
            compared = comparing.compare(making, profiled)
            compared |= checking.check(making, profiled, window=1)
        if not config.keep_profile:
            making.drop(*profiled.tables)
        run = done(making.publish("audit", **{**profiled.manifest, **compared}))
    return _in_catalog(spark, config, run, making.progress)


def profile(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Reads and profiles only: a run with corpora, rejects and the tables of states."""
    profiling.check(spark, config, kept=True)
    making = Making.begin(spark, config, date, progress)
    return making.publish("profile", **profiling.profile(making).manifest)


def embed(
    spark: SparkSession, config: Audit, date: str = "", progress: Progress | None = None
) -> Run:
    """Fills the embedding store with the missing texts of this audit: makes a run with corpora and
    rejects, whose manifest says under `embedding` what was embedded. An audit with the same
    configuration then embeds nothing.

    Raises what `audit` raises, and EnvironmentProblem for an embedder or a device that is absent.
    """
    making = Making.begin(spark, config, date, progress)
    return making.publish("embed", embedding=profiling.embed(making))


def compare(
    spark: SparkSession, config: Audit, profiled: Run, progress: Progress | None = None
) -> Run:
    """Compares the stored profiles of a run, without its documents: makes a run with the tables.

    For the embedding lens it has what follows from the feature sums: MMD by all kernels and the
    energy distance. Only an audit has regions, witnesses and copies, and the lenses that need
    texts, which the manifest names under `left_out`.

    Raises ConfigError if `profiled` keeps no profile, or one of other corpora, roles, orders,
    lenses or settings than those of `config`, and InputError if it is damaged.
    """
    sweeps.check(config, rates())
    found = stored.stored_profile(spark, config, profiled)
    making = Making.begin(spark, config, str(profiled.manifest["date"]), progress)
    with naming_damage([profiled]):
        compared = comparing.compare(making, found)
    left_out = [name for name in config.lenses if not lens(name).states]
    told = {"left_out": left_out} if left_out else {}
    told |= {**found.manifest, **compared}
    return making.publish("compare", profiled=profiled.id, **told)


def judge(
    spark: SparkSession,
    config: Audit,
    date: str = "",
    progress: Progress | None = None,
    asking: Asking | None = None,
) -> Run:
    """Only asks the judges of `config`: makes a run with corpora, rejects, judgements, win_rates
    and the judge's metrics. Verdicts that were already received come from the verdict store.

    Without judges the run has the classifier two-sample test of the embeddings, under its usual
    name. A run that its caps or judges end early is published with what it has, and its
    `unfinished` says what is missing.

    Raises what `audit` raises; InputError if the sides share no prompt, ConfigError for unusable
    prompts, EnvironmentProblem for a key that is not in the environment and if another run is
    asking for the same store.
    """
    how = asking or Asking()
    judging.check(config, how.ask)
    making = Making.begin(spark, config, date, progress)
    documents, counted = profiling.read(making)
    profiling.write_corpora(making, counted, {})
    models = sorted(row["corpus"] for row in counted if row["corpus"] != config.human)
    if config.judge.endpoints:
        making.orders["judge"] = how
        pairing = Pairing({}, texts=Texts(documents.kept, counted))
        found = lens("judge").compare(making, None, pairing)
        rows = comparing.metric_rows(making, lens("judge"), found.rows)
        told = found.manifest["judge"]
    else:
        told = judging.NO_JUDGE
        apart = embeddings.stand_in(making, Texts(documents.kept, counted))
        rows = comparing.metric_rows(making, lens("embeddings"), apart)
    table = pa.Table.from_pylist(rows, schema=schema.METRICS)
    making.writer.write("metrics", table)
    return making.publish(
        "judge", judge=told, headline=judge_headline(table), corpora=[config.human, *models]
    )


def judge_plan(
    spark: SparkSession,
    config: Audit,
    date: str = "",
    progress: Progress | None = None,
    again: bool = False,
) -> PreparedPairs:
    """Returns pairs and requests of `judge`, the answers that the store has, and an estimate. Sends
    nothing and publishes nothing."""
    judging.check(config, asking=False)
    making = Making.begin(spark, config, date, progress)
    try:
        documents, _ = profiling.read(making)
        return judging.prepare(making, documents.kept, again)
    finally:
        making.abandon()


def choose(
    spark: SparkSession,
    config: Audit,
    date: str = "",
    progress: Progress | None = None,
    profiled: Run | None = None,
) -> Run:
    """Chooses one sample of each prompt of the pool, so that the chosen texts together lie where
    the human texts lie: makes a run with corpora, rejects, chosen, unchosen, matched and
    matched_rates, and its audit as audit.toml.

    The target is the human corpus of `config`, from which the run then has the table reference, or
    the human side of the states that `profiled` keeps, and then no human text is read.

    Raises what `audit` raises; InputError for a pool without prompts or with one sample of each,
    ConfigError and IncomparableProfiles for a profile that does not fit.
    """
    from dftspark.choose import stage as choosing

    choosing.read_config(config, profiled)
    profiling.check(spark, config, kept=True)
    making = Making.begin(spark, config, date, progress)
    return making.publish(choosing.KIND, **choosing.choose(making, profiled))


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

    `config` is as written, with `{date}` in its paths. With `read` False it merges the profiles
    that are stored, without reading a document; with `reference` True it profiles the human side
    again. Its tables are those of `compare`, and checks. The manifest names the profiles, and the
    dates that have none.

    Raises what `audit` raises, UnlikeProfiles for profiles that do not merge, and InputError if one
    is damaged, or the window has none.
    """
    days.check_config(config)
    if read:
        days.check_sides(config, date)
    profiling.check(spark, config, kept=True)
    checking.check_rules(config)
    _check_catalog(spark, config)
    with lineage.told("nightly", config.on(date)) as done:
        run = done(_night(spark, config, date, progress, read, reference))
    return _in_catalog(spark, config, run, progress)


def _night(
    spark: SparkSession,
    config: Audit,
    date: str,
    progress: Progress | None,
    read: bool,
    reference: bool,
) -> Run:
    """Makes the run of a night."""
    nights = Nights.of(config.out, config.name)
    if read:
        merging.check_window(spark, config, date, nights)
    human = days.reference(spark, config, nights, progress, reference)
    own = days.profile_day(spark, config, date, human, nights, progress) if read else None
    nights = Nights.of(config.out, config.name)  # profiling takes long: a date may be taken out
    window = merging.window(spark, config, date, human, nights, own)
    name = night_name(config.name, date)
    making = Making.begin(spark, config.on(date), date, progress, name)
    profile, clusters = merging.merged(making, window)
    with merging.damaged(window):
        compared = comparing.compare(making, profile)
        compared |= checking.check(making, profile, config.nightly.window, nights)
    merging.corpora(making, window, clusters)
    return making.publish(
        NIGHT, **nights.numbered(name), **window.manifest, **{**profile.manifest, **compared}
    )


def publish(
    spark: SparkSession, run: Run, tables: str, progress: Progress | None = None
) -> dict[str, int]:
    """Adds the result tables of a published run to the tables of a catalog's database; returns
    their rows by name. Done twice, it changes nothing.

    Raises ConfigError and EnvironmentProblem if the database does not take them, NotPublished if
    not all got there.
    """
    from dftspark.spark import catalog

    catalog.check(spark, database(tables))
    titles = catalog.titles(run)
    with (progress or Events()).stage("publish", len(titles), "tables") as stage:
        return catalog.publish(spark, run, tables, stage.advance)


def _check_catalog(spark: Session, config: Audit) -> None:
    """Raises what `publish` raises before anything is written, if `publish.tables` is set."""
    if config.publish.tables is not None:
        from dftspark.spark import catalog
        from dftspark.spark.rows import on_spark

        catalog.check(on_spark(spark), config.publish.tables)


def _in_catalog(spark: Session, config: Audit, run: Run, progress: Progress | None) -> Run:
    """Returns the run, after publishing its tables where `publish.tables` says."""
    if config.publish.tables is not None:
        from dftspark.spark import catalog
        from dftspark.spark.rows import on_spark

        with (progress or Events()).stage("publish", len(catalog.titles(run)), "tables") as stage:
            catalog.publish(on_spark(spark), run, config.publish.tables, stage.advance)
    return run


def demo_config(out: str) -> Audit:
    """Returns the audit of the bundled sample, which is written below `out`."""
    from dftspark import sample

    return sample.audit(out)
