"""Commands that make runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dftspark import logs
from dftspark.cli.shared import (
    Conf,
    Date,
    Human,
    Master,
    Model,
    ModelColumn,
    Out,
    Packages,
    Prometheus,
    PromptColumn,
    Quiet,
    SparkConf,
    TextColumn,
    app,
    compute,
    console,
    opened,
    spark_settings,
)
from dftspark.errors import ConfigError

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dftspark.config import Audit
    from dftspark.endpoints.plan import SpendEstimate


# Arguments beyond CONF are explained: mostly the shell has expanded a pattern.
_MORE = {"allow_extra_args": True}


def _asked(
    conf: Path | None,
    human: list[str],
    model: list[str],
    out: str | None,
    date: str,
    columns: tuple[str | None, ...] = (),
    more: Sequence[str] = (),
) -> Audit:
    """Returns the configuration after checking its run store and inputs, so that a wrong path or
    column is reported before Spark starts. `columns` are those of --text-column and its like,
    `more` the arguments that no option takes."""
    from dftspark.config import request
    from dftspark.corpus import fit
    from dftspark.location import check_store

    request.check_arguments(conf, list(more), human, model)
    config = request.audit(conf, human, model, out, date, request.NamedColumns(*columns))
    check_store(config.out)  # first, as it is the one that has a time limit
    fit.check(config.corpora)
    return config


@app.command(context_settings=_MORE)
def audit(
    context: typer.Context,
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    text_column: TextColumn = None,
    prompt_column: PromptColumn = None,
    model_column: ModelColumn = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Measures how far model text is from human text, and where; makes a run with its page.

    Example: `dftspark audit --human 'essays/*.txt' --model gpt.jsonl --model claude.jsonl`

    Example: `dftspark audit --human all.parquet --text-column answer --model-column generator`

    Example: `dftspark audit nightly.toml --date 2026-11-22`

    Example: `dftspark audit tables.toml --packages io.delta:delta-spark_2.13:VERSION`
    """
    from dftspark import runs

    columns = (text_column, prompt_column, model_column)
    config = _asked(conf, human or [], model or [], out, date, columns, context.args)
    settings = spark_settings(spark_conf, packages)
    compute(
        "audit",
        lambda spark, shown: runs.audit(spark, config, date, shown),
        master,
        quiet,
        conf,
        settings,
        small=config,
    )


@app.command(context_settings=_MORE)
def profile(
    context: typer.Context,
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    text_column: TextColumn = None,
    prompt_column: PromptColumn = None,
    model_column: ModelColumn = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Reads and counts only; `compare` works from the run that this makes.

    Example: `dftspark profile nightly.toml --date 2026-11-22`
    """
    from dftspark import runs

    columns = (text_column, prompt_column, model_column)
    config = _asked(conf, human or [], model or [], out, date, columns, context.args)
    settings = spark_settings(spark_conf, packages)
    compute(
        "profile",
        lambda spark, shown: runs.profile(spark, config, date, shown),
        master,
        quiet,
        conf,
        settings,
    )


@app.command(context_settings=_MORE)
def embed(
    context: typer.Context,
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    text_column: TextColumn = None,
    prompt_column: PromptColumn = None,
    model_column: ModelColumn = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Embeds the texts that the embedding store lacks; an audit then finds all of them there.

    Example: `dftspark embed nightly.toml --date 2026-11-22`
    """
    from dftspark import runs

    columns = (text_column, prompt_column, model_column)
    config = _asked(conf, human or [], model or [], out, date, columns, context.args)
    settings = spark_settings(spark_conf, packages)
    compute(
        "embed",
        lambda spark, shown: runs.embed(spark, config, date, shown),
        master,
        quiet,
        conf,
        settings,
    )


@app.command()
def judge(
    conf: Annotated[Path, typer.Argument(help="The TOML file; its [judge] names the judges.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be asked and its price; stop.")
    ] = False,
    export_batch: Annotated[
        Path | None,
        typer.Option("--export-batch", metavar="DIR", help="Write requests as batch files; stop."),
    ] = None,
    ingest_batch: Annotated[
        list[Path] | None,
        typer.Option("--ingest-batch", metavar="FILE", help="Results of a batch; asks nothing."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Send again what was sent and brought no answer."),
    ] = False,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Shows judges model text and human text on the same prompts and counts which they prefer.

    It costs what the judges charge, never more than the caps of [judge]. Verdicts are kept: a
    killed run resumes where it stopped, and the same question is never paid for twice.

    Example: `dftspark judge nightly.toml --dry-run`

    Example: `dftspark judge nightly.toml`

    Example: `dftspark judge nightly.toml --export-batch batch/`
    """
    from dftspark import runs
    from dftspark.lenses.judge.lens import Asking

    if sum((dry_run, export_batch is not None, bool(ingest_batch))) > 1:
        raise ConfigError("give one of --dry-run, --export-batch and --ingest-batch")
    config = _asked(conf, [], [], out, date)
    settings = spark_settings(spark_conf, packages)
    if dry_run or export_batch:
        _show_plan(config, date, again, export_batch, master, quiet, settings)
        return
    if ingest_batch:
        from dftspark.judge import batch

        _LOG.info("%s", batch.ingest(ingest_batch, config))
    shown = None if quiet else lambda found: _announce(found, config)
    asking = Asking(ask=not ingest_batch, again=again, announce=shown)
    compute(
        "judge",
        lambda spark, stages: runs.judge(spark, config, date, stages, asking),
        master,
        quiet,
        settings=settings,
    )


def _announce(estimates: Sequence[SpendEstimate], config: Audit) -> None:
    from dftspark.lenses.judge.terminal import print_plan

    if logs.as_json():
        logs.event(_LOG, "plan", judges=[asdict(one) for one in estimates])
    else:
        print_plan(estimates, config.judge, console(stderr=True))


def _show_plan(
    config: Audit,
    date: str,
    again: bool,
    folder: Path | None,
    master: str | None,
    quiet: bool,
    settings: dict[str, str],
) -> None:
    """Prints what would be asked and its price; the requests go to batch files in `folder`, if
    any."""
    from rich.console import Console

    from dftspark import runs
    from dftspark.judge import batch
    from dftspark.lenses.judge.terminal import print_plan
    from dftspark.progress import progress
    from dftspark.spark.session import session

    with session("judge", master, settings) as spark:
        shown = progress(Console(stderr=True), quiet)
        ready = runs.judge_plan(spark, config, date, shown, again)
    print_plan(ready.plan.estimates, config.judge, console())
    if folder is not None:
        written = batch.export(ready.plan, ready.pairs, ready.prompts, config.judge, folder)
        for path, count in written:
            print(f"{path}: {count:,} requests")


@app.command()
def compare(
    conf: Annotated[Path, typer.Argument(help="The TOML file of the audit.")],
    other: Annotated[str | None, typer.Argument(hidden=True)] = None,
    profiled: Annotated[
        str | None,
        typer.Option("--profile", metavar="RUN", help="The run to work from; the latest if none."),
    ] = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Compares the stored counts of a run, without reading its documents again.

    Two runs beside each other are shown by `dftspark diff RUN_A RUN_B`.

    Example: `dftspark compare nightly.toml --profile runs/20261122T010000Z-nightly-1a2b3c`
    """
    from dftspark import runs
    from dftspark.config import request
    from dftspark.location import check_store

    if other is not None or conf.is_dir():
        raise ConfigError(
            f"compare takes the TOML file of one audit, and --profile for its run; to set two runs "
            f"side by side: dftspark diff {conf} {other or 'RUN_B'}"
        )

    run = opened(profiled) if profiled else None
    of = str(run.manifest.get("date", "")) if run else ""
    config = request.audit(conf, [], [], out, date or of)
    run = run or opened(config.out)
    of = str(run.manifest.get("date", ""))
    if date and date != of:
        raise ConfigError(f"--date is {date}, and the profile {run.path} is of {of or 'no date'}")
    check_store(config.out)
    settings = spark_settings(spark_conf, packages)
    compute(
        "compare",
        lambda spark, shown: runs.compare(spark, config, run, shown),
        master,
        quiet,
        conf,
        settings,
    )


@app.command()
def nightly(
    conf: Annotated[Path, typer.Argument(help="The TOML file of the nightly audit.")],
    date: Annotated[str, typer.Option("--date", help="YYYY-MM-DD, or yesterday.")],
    stored: Annotated[
        bool, typer.Option("--stored", help="Read no document: merge the stored profiles.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the date's documents out of all later merges.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Then redo the nights that had the date before.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Profile the human side again.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="With --remove: why.")] = "",
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the checks as JUnit XML here too.")
    ] = None,
    prometheus: Prometheus = None,
    out: Out = None,
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Profiles one date, merges the window that ends with it, compares, checks and publishes.

    Example: `dftspark nightly nightly.toml --date 2026-11-22`

    Example: `dftspark nightly nightly.toml --date 2026-11-20 --remove --refresh`
    """
    from dftspark.config import request
    from dftspark.nights import shift
    from dftspark.progress import progress

    config, date = request.night(conf, out, date)
    order = shift.Order(date, not stored, remove, refresh, reference, reason, junit, prometheus)
    settings = spark_settings(spark_conf, packages)
    shift.work(config, order, progress(console(stderr=True), quiet), master, settings)
