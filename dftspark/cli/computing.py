"""Commands that make runs, all of which start Spark."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dftspark.cli.shared import (
    Conf,
    Date,
    Human,
    Master,
    Model,
    Out,
    Quiet,
    app,
    compute,
    console,
    opened,
)
from dftspark.errors import ConfigError

if TYPE_CHECKING:
    from dftspark.config import Audit


def _asked(
    conf: Path | None, human: list[str], model: list[str], out: str | None, date: str
) -> Audit:
    """The configuration, whose inputs are there: a wrong path is told before Spark starts."""
    from dftspark.config import request
    from dftspark.corpus import files

    config = request.audit(conf, human, model, out, date)
    files.check(config.corpora)
    return config


@app.command()
def demo(
    out: Annotated[str, typer.Option("--out", help="Folder of the run store.")] = "runs",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Audits the bundled sample on this machine, end to end.

    Example: `dftspark demo`
    """
    from dftspark import runs, sample

    config = runs.demo_config(out)
    if not quiet:
        print(sample.NOTE, file=sys.stderr)
    compute("demo", lambda spark, shown: runs.audit(spark, config, "", shown), master, quiet)


@app.command()
def audit(
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Measures how far model text is from human text, and where; makes a run with its page.

    Example: `dftspark audit --human 'essays/*.txt' --model gpt.jsonl --model claude.jsonl`

    Example: `dftspark audit nightly.toml --date 2026-11-22`
    """
    from dftspark import runs

    config = _asked(conf, human or [], model or [], out, date)
    compute(
        "audit", lambda spark, shown: runs.audit(spark, config, date, shown), master, quiet, conf
    )


@app.command()
def profile(
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Reads and counts only; `compare` works from the run that this makes.

    Example: `dftspark profile nightly.toml --date 2026-11-22`
    """
    from dftspark import runs

    config = _asked(conf, human or [], model or [], out, date)
    compute(
        "profile",
        lambda spark, shown: runs.profile(spark, config, date, shown),
        master,
        quiet,
        conf,
    )


@app.command()
def embed(
    conf: Conf = None,
    human: Human = None,
    model: Model = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Embeds the texts that the embedding store lacks; an audit then finds all of them there.

    Example: `dftspark embed nightly.toml --date 2026-11-22`
    """
    from dftspark import runs

    config = _asked(conf, human or [], model or [], out, date)
    compute(
        "embed", lambda spark, shown: runs.embed(spark, config, date, shown), master, quiet, conf
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
    quiet: Quiet = False,
) -> None:
    """Shows judges model text and human text on the same prompts and counts what they prefer.

    It costs what the judges charge, never more than the caps of [judge]. Verdicts are kept: a
    killed run goes on where it stopped, and the same question is never paid for twice.

    Example: `dftspark judge nightly.toml --dry-run`

    Example: `dftspark judge nightly.toml`

    Example: `dftspark judge nightly.toml --export-batch batch/`
    """
    from dftspark import runs
    from dftspark.lenses.judge.lens import Asking
    from dftspark.lenses.judge.terminal import print_plan

    if sum((dry_run, export_batch is not None, bool(ingest_batch))) > 1:
        raise ConfigError("give one of --dry-run, --export-batch and --ingest-batch")
    config = _asked(conf, [], [], out, date)
    if dry_run or export_batch:
        _show_plan(config, date, again, export_batch, master, quiet)
        return
    if ingest_batch:
        from dftspark.judge import batch

        print(batch.ingest(ingest_batch, config), file=sys.stderr)
    asking = Asking(
        ask=not ingest_batch, again=again,
        announce=None if quiet else lambda found: print_plan(
            found, config.judge, console(stderr=True)
        ),
    )  # fmt: skip
    compute(
        "judge", lambda spark, shown: runs.judge(spark, config, date, shown, asking), master, quiet
    )


def _show_plan(
    config: Audit, date: str, again: bool, folder: Path | None, master: str | None, quiet: bool
) -> None:
    """What would be asked and its price; the requests go to batch files in `folder`, if any."""
    from rich.console import Console

    from dftspark import runs
    from dftspark.judge import batch
    from dftspark.lenses.judge.terminal import print_plan
    from dftspark.progress import progress
    from dftspark.spark.session import session

    with session("judge", master) as spark:
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
    profiled: Annotated[
        str | None,
        typer.Option("--profile", metavar="RUN", help="The run to work from; the latest if none."),
    ] = None,
    out: Out = None,
    date: Date = "",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Compares the stored counts of a run, without reading its documents again.

    Example: `dftspark compare nightly.toml --profile runs/20261122T010000Z-nightly-1a2b3c`
    """
    from dftspark import runs
    from dftspark.config import request

    run = opened(profiled) if profiled else None
    of = str(run.manifest.get("date", "")) if run else ""
    config = request.audit(conf, [], [], out, date or of)
    run = run or opened(config.out)
    of = str(run.manifest.get("date", ""))
    if date and date != of:
        raise ConfigError(f"--date is {date}, and the profile {run.path} is of {of or 'no date'}")
    compute(
        "compare", lambda spark, shown: runs.compare(spark, config, run, shown), master, quiet, conf
    )


@app.command()
def briefs(
    conf: Annotated[Path, typer.Argument(help="The TOML file with [briefs].")],
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Makes a brief of each human document, by a model that reads it, for models to write from.

    The model may leave out lines of a document and describe what is left; it cannot put a word into
    it. It costs what the endpoint charges, never more than the caps of [briefs], and no answer is
    paid for twice.

    Example: `dftspark briefs briefs.toml`
    """
    from dftspark.config.briefs import BriefMaking
    from dftspark.generation import brief_run
    from dftspark.job import accept
    from dftspark.progress import progress
    from dftspark.redaction import redact

    config = BriefMaking.load(conf, out)
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
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Lets models write for briefs, at every sampler setting; makes a table and the audit of it.

    It costs what the endpoints charge, never more than the caps of [generate]. Texts are kept: a
    killed run goes on where it stopped, and the same text is never asked for twice.

    Example: `dftspark generate write.toml --dry-run`

    Example: `dftspark generate write.toml`
    """
    from dftspark.config.generate import Generation
    from dftspark.endpoints import batch
    from dftspark.endpoints.keys import hiding_those_set
    from dftspark.endpoints.store import AnswerStore
    from dftspark.generation import asking, run, texts
    from dftspark.generation.terminal import print_plan, print_run
    from dftspark.job import accept
    from dftspark.progress import progress

    if sum((dry_run, export_batch is not None, bool(ingest_batch))) > 1:
        raise ConfigError("give one of --dry-run, --export-batch and --ingest-batch")
    config = Generation.load(conf, out)
    if dry_run or export_batch:
        ready = asking.prepare(config, again)
        print_plan(ready.plan.estimates, config.generate, console())
        if export_batch:
            asked = asking.batch_requests(ready, config.generate)
            for path, count in batch.export(asked, export_batch):
                print(f"{path}: {count:,} requests")
        return
    if ingest_batch:
        writers = [one for writer in config.generate.models for one in writer.endpoints()]
        store = AnswerStore.of(config.store, texts.KIND)
        said = batch.ingest(ingest_batch, store, texts.parse, hiding_those_set(writers))
        print(said, file=sys.stderr)
    shown = progress(console(stderr=True), quiet)
    with ExitStack() as around:
        spark = None
        if any(writer.local for writer in config.generate.models):
            from dftspark.spark.session import session

            spark = around.enter_context(session("generate", master))
        made = run.generate(config, shown, spark=spark, ask=not ingest_batch, again=again)
    print_run(made, console(), quiet)
    accept(made)


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
    quiet: Quiet = False,
) -> None:
    """Chooses one of several samples of each prompt, so that the whole set matches human texts.

    The pool are the model corpora of the file, with several samples of each prompt_id: other seeds,
    sampler settings or models. The run has the chosen texts, what was matched and what was not, and
    the audit of it on prompts that nothing was chosen by.

    Example: `dftspark choose sweep.toml`

    Example: `dftspark choose sweep.toml --profile runs/20261122T010000Z-human-1a2b3c`
    """
    from dftspark import runs
    from dftspark.choose.stage import read_config
    from dftspark.config import request
    from dftspark.corpus import files

    config = request.audit(conf, [], [], out, date)
    run = opened(profiled) if profiled else None
    files.check(read_config(config, run).corpora)
    compute(
        "choose", lambda spark, shown: runs.choose(spark, config, date, shown, run), master, quiet
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
    log: Annotated[str, typer.Option("--log", help="auto, lines or json.")] = "auto",
    out: Out = None,
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Profiles one date, merges the window that ends with it, compares, checks and publishes.

    Example: `dftspark nightly nightly.toml --date 2026-11-22`

    Example: `dftspark nightly nightly.toml --date 2026-11-20 --remove --refresh`
    """
    from dftspark import night_shift
    from dftspark.config import request

    config, date = request.night(conf, out, date)
    order = night_shift.Order(date, not stored, remove, refresh, reference, reason, junit)
    night_shift.work(config, order, night_shift.logging(log, quiet), master)
