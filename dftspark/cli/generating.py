"""Commands that make texts and choose among them: briefs, generate, choose."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dftspark.cli.shared import (
    Date,
    Master,
    Out,
    Packages,
    Quiet,
    SparkConf,
    app,
    compute,
    console,
    opened,
    spark_settings,
)
from dftspark.errors import ConfigError

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.config.generate import Generation, Writer
    from dftspark.progress import Progress
    from dftspark.store.run import Run


ExportBatch = Annotated[
    Path | None,
    typer.Option("--export-batch", metavar="DIR", help="Write requests as batch files; stop."),
]
IngestBatch = Annotated[
    list[Path] | None,
    typer.Option("--ingest-batch", metavar="FILE", help="Results of a batch; asks nothing."),
]


@app.command()
def briefs(
    conf: Annotated[Path, typer.Argument(help="The TOML file with [briefs].")],
    export_batch: ExportBatch = None,
    ingest_batch: IngestBatch = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Makes a brief of each human document, using a model that reads it, for models to write from.

    The reading model may leave out lines of a document and describe what is left; it cannot put a
    word into it. It costs what the endpoint charges, never more than the caps of [briefs], and no
    answer is paid for twice.

    Batch files come in two rounds: documents are cleaned first, and described when all are clean.

    Example: `dftspark briefs briefs.toml`

    Example: `dftspark briefs briefs.toml --export-batch first`
    """
    from dftspark.config.briefs import BriefMaking
    from dftspark.entry import accept
    from dftspark.generation import brief_run
    from dftspark.location import check_store
    from dftspark.progress import progress
    from dftspark.redaction import redact

    if export_batch is not None and ingest_batch:
        raise ConfigError("give one of --export-batch and --ingest-batch")
    config = BriefMaking.load(conf, out)
    check_store(config.out)
    if ingest_batch:
        _take_in(ingest_batch, config.store, [config.briefs.model])
    if export_batch or ingest_batch:
        stage, asked = brief_run.lacking(config)
        left = sum(map(len, asked.values()))
        if export_batch:
            _export(asked, export_batch)
        if left or export_batch:
            _LOG.info("%s requests are left of the round %r", f"{left:,}", stage)
            return
    made = brief_run.make(config, progress(console(stderr=True), quiet))
    told = made.manifest["generate"]
    if not quiet:
        print(f"{told['briefs']:,} briefs of {told['documents']:,} documents")
    print(redact(made.path))
    accept(made)


@app.command()
def generate(
    conf: Annotated[Path, typer.Argument(help="The TOML file with [generate].")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be asked and its price; stop.")
    ] = False,
    export_batch: ExportBatch = None,
    ingest_batch: IngestBatch = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Send again what was sent and brought no answer."),
    ] = False,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Go on: choose among the samples, audit all, make the page."),
    ] = False,
    out: Out = None,
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Lets models write for briefs, at every sampler setting; makes a table and its audit.

    It costs what the endpoints charge, never more than the caps of [generate]. Texts are kept: a
    killed run resumes where it stopped, and the same text is never asked for twice.

    Example: `dftspark generate write.toml --dry-run`

    Example: `dftspark generate write.toml`

    Example: `dftspark generate write.toml --audit`
    """
    from dftspark.config.generate import Generation
    from dftspark.generation import asking
    from dftspark.generation.terminal import print_plan
    from dftspark.location import check_store

    if sum((dry_run, export_batch is not None, bool(ingest_batch))) > 1:
        raise ConfigError("give one of --dry-run, --export-batch and --ingest-batch")
    config = Generation.load(conf, out)
    if dry_run or export_batch:
        ready = asking.prepare(config, again)
        print_plan(ready.plan.estimates, config.generate, console())
        if export_batch:
            asked = asking.batch_requests(ready, config.generate)
            _export(asked, export_batch)
        return
    if ingest_batch:
        _take_in(ingest_batch, config.store, config.generate.models)
    if audit and config.generate.human is None:
        raise ConfigError("--audit needs the human side: set it as [generate.human]")
    check_store(config.out)
    settings = spark_settings(spark_conf, packages)
    made = written(config, master, quiet, settings, ask=not ingest_batch, again=again)
    if audit:
        audited(made, config, master, quiet, settings)


def _export(asked: Mapping[str, Iterable[tuple[bytes, bytes]]], folder: Path) -> None:
    from dftspark.endpoints import batch

    for path, count in batch.export(asked, folder):
        print(f"{path}: {count:,} requests")


def _take_in(files: list[Path], store: str, writers: Iterable[Writer]) -> None:
    from dftspark.endpoints import batch
    from dftspark.endpoints.keys import hiding_those_set
    from dftspark.endpoints.store import AnswerStore
    from dftspark.generation import texts

    hide = hiding_those_set([one for writer in writers for one in writer.endpoints()])
    said = batch.ingest(files, AnswerStore.of(store, texts.KIND), texts.parse, hide)
    _LOG.info("%s", said)


def written(
    config: Generation,
    master: str | None,
    quiet: bool,
    settings: Mapping[str, str],
    *,
    ask: bool = True,
    again: bool = False,
) -> Run:
    """Makes and prints the run of texts; raises if it ended early."""
    from dftspark.entry import accept
    from dftspark.generation import run
    from dftspark.generation.terminal import print_run
    from dftspark.progress import progress

    local = any(writer.local for writer in config.generate.models)
    shown = progress(console(stderr=True), quiet)
    with _spark(master, settings) if local else nullcontext() as spark:
        made = run.generate(config, shown, spark=spark, ask=ask, again=again)
    print_run(made, console(), quiet)
    accept(made)
    return made


def audited(
    made: Run,
    config: Generation,
    master: str | None,
    quiet: bool,
    settings: Mapping[str, str],
) -> None:
    """Audits the texts of a run at every setting, with the chosen ones beside them if there are
    several samples of a brief."""
    from dftspark import runs
    from dftspark.choose.audits import FILE as OF_CHOICE
    from dftspark.config import Audit
    from dftspark.generation.sweep import FILE as OF_TEXTS

    texts = Audit.load(f"{made.path}/{OF_TEXTS}")

    def work(spark: SparkSession, shown: Progress) -> Run:
        judged = texts
        if config.generate.samples * len(config.generate.settings) > 1:
            chosen = runs.choose(spark, texts, "", shown)
            judged = Audit.load(f"{chosen.path}/{OF_CHOICE}")
        return runs.audit(spark, judged, "", shown)

    compute("generate", work, master, quiet, settings=settings)


def _spark(master: str | None, settings: Mapping[str, str]) -> AbstractContextManager[SparkSession]:
    from dftspark.spark.session import session

    return session("generate", master, settings)


@app.command()
def choose(
    conf: Annotated[Path, typer.Argument(help="The TOML file; its [choose] says what is matched.")],
    profiled: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="RUN", help="Match the human side that this run has profiled."
        ),
    ] = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Chooses one of several samples of each prompt, so that the whole set matches human texts.

    The pool consists of the model corpora of the file, with several samples of each prompt_id:
    other seeds, sampler settings or models. The run has the chosen texts, what was matched and what
    was not, and the audit of the choice on prompts that took no part in it.

    Example: `dftspark choose sweep.toml`

    Example: `dftspark choose sweep.toml --profile runs/20261122T010000Z-human-1a2b3c`
    """
    from dftspark import runs
    from dftspark.choose.stage import read_config
    from dftspark.config import request
    from dftspark.corpus import fit
    from dftspark.location import check_store

    config = request.audit(conf, [], [], out, date)
    check_store(config.out)
    run = opened(profiled) if profiled else None
    fit.check(read_config(config, run).corpora)
    settings = spark_settings(spark_conf, packages)
    compute(
        "choose",
        lambda spark, shown: runs.choose(spark, config, date, shown, run),
        master,
        quiet,
        settings=settings,
    )
