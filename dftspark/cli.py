"""The command line. Commands parse, load, call and print; nothing is computed here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from dftspark import __version__
from dftspark.errors import ConfigError, DftsparkError, EnvironmentProblem

if TYPE_CHECKING:
    from rich.console import Console

    from dftspark.report.progress import Progress
    from dftspark.store.run import Run

    Work = Callable[[Any, Progress], Run]

app = typer.Typer(
    name="dftspark",
    help="Measures how far a body of model text is from a body of human text, and where.\n\n"
    "Start with `dftspark demo`, then `dftspark audit --human PATH --model PATH`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DEBUG = "DFTSPARK_DEBUG"

Conf = Annotated[Path | None, typer.Argument(help="TOML file; `dftspark init` writes one.")]
Out = Annotated[str | None, typer.Option("--out", help="Folder or URI of the run store.")]
Date = Annotated[str, typer.Option("--date", help="YYYY-MM-DD; {date} in paths becomes it.")]
Master = Annotated[str | None, typer.Option("--master", help="Spark master; else this machine.")]
Human = Annotated[list[str] | None, typer.Option("--human", help="Path, glob or URI of text.")]
Model = Annotated[list[str] | None, typer.Option("--model", help="The same; once per model.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no picture of the run.")]
Store = Annotated[str, typer.Argument(metavar="RUN_OR_STORE", help="A run, or its run store.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines, for programs.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns 0, or the exit code of the error that ended it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # text is any language; a terminal need not be
            stream.reconfigure(errors="backslashreplace")
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="dftspark")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except DftsparkError as error:
        if os.environ.get(_DEBUG, "") not in ("", "0"):
            raise
        _say_error(error)
        return error.exit_code
    return 0


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", help="Print it.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    if debug:
        os.environ[_DEBUG] = "1"


@app.command()
def demo(
    out: Annotated[str, typer.Option("--out", help="Folder of the run store.")] = "runs",
    master: Master = None,
    quiet: Quiet = False,
) -> None:
    """Audits the bundled sample on this machine, end to end.

    Example: `dftspark demo`
    """
    from dftspark import runs

    config = runs.demo_config(out)
    _compute("demo", lambda spark, shown: runs.audit(spark, config, "", shown), master, quiet)


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
    """Reads, profiles, compares and publishes a run.

    Example: `dftspark audit --human 'essays/*.txt' --model gpt.jsonl --model claude.jsonl`

    Example: `dftspark audit nightly.toml --date 2026-11-22`
    """
    from dftspark import runs
    from dftspark.config import request

    config = request.audit(conf, human or [], model or [], out, date)
    _compute("audit", lambda spark, shown: runs.audit(spark, config, date, shown), master, quiet)


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
    from dftspark.config import request

    config = request.audit(conf, human or [], model or [], out, date)
    _compute(
        "profile", lambda spark, shown: runs.profile(spark, config, date, shown), master, quiet
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
    from dftspark.config import request

    config = request.audit(conf, human or [], model or [], out, date)
    _compute("embed", lambda spark, shown: runs.embed(spark, config, date, shown), master, quiet)


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
    from dftspark.config import request
    from dftspark.report import judge as pages
    from dftspark.stages.judging import Asking

    if sum((dry_run, export_batch is not None, bool(ingest_batch))) > 1:
        raise ConfigError("give one of --dry-run, --export-batch and --ingest-batch")
    config = request.audit(conf, [], [], out, date)
    if dry_run or export_batch:
        from rich.console import Console

        from dftspark.report.progress import progress
        from dftspark.spark.session import session

        with session("judge", master) as spark:
            shown = progress(Console(stderr=True), quiet)
            ready = runs.judge_plan(spark, config, date, shown, again)
        pages.print_plan(ready.plan.estimates, config.judge, _console())
        if export_batch:
            from dftspark.judge import batch

            for path, count in batch.export(
                ready.plan, ready.pairs, ready.prompts, config.judge, export_batch
            ):
                print(f"{path}: {count:,} requests")
        return
    if ingest_batch:
        from dftspark.judge import batch

        taken = batch.ingest(ingest_batch, config)
        print(taken, file=sys.stderr)
    asking = Asking(
        ask=not ingest_batch, again=again,
        announce=None if quiet else lambda found: pages.print_plan(
            found, config.judge, _console(stderr=True)
        ),
    )  # fmt: skip
    _compute(
        "judge", lambda spark, shown: runs.judge(spark, config, date, shown, asking), master, quiet
    )


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

    config = request.audit(conf, [], [], out, date)
    run = _open(profiled or config.out)
    _compute("compare", lambda spark, shown: runs.compare(spark, config, run, shown), master, quiet)


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


@app.command("runs")
def list_runs(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")] = "runs",
    as_json: AsJson = False,
) -> None:
    """Lists the runs of a store, newest first.

    Example: `dftspark runs s3a://audits/nightly`
    """
    from dftspark.report.listing import print_runs
    from dftspark.store.run import runs

    found = runs(store)
    if as_json:
        for info in found:
            print(json.dumps(asdict(info)))
    else:
        print_runs(found, store, _console())


@app.command()
def history(
    metric: Annotated[str, typer.Argument(help="Name in the table metrics, such as l2_2gram.")],
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")] = "runs",
    model: Annotated[str | None, typer.Option("--model", help="Of several, which.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of several audits, which.")] = None,
    since: Annotated[str, typer.Option("--since", help="First date, YYYY-MM-DD.")] = "",
    as_json: AsJson = False,
) -> None:
    """Prints a metric of every night, by date.

    Example: `dftspark history l2_2gram runs --model assistant --since 2026-11-01`
    """
    from dftspark.nights import calendar
    from dftspark.report import table as tables

    columns = ["date", "model", "stratum", "metric", "value", "ci_low", "ci_high", "floor",
               "ratio_to_floor", "n_model", "run_id"]  # fmt: skip
    found = calendar.history(store, metric, model=model, name=name, since=since, columns=columns)
    if not found.num_rows:
        raise ConfigError(
            f"no night in {store} has {metric!r}" + (f" of {model!r}" if model else "")
        )
    if not as_json:
        return tables.print_table(found, metric, _console(), found.num_rows)
    for line in tables.json_lines(found):
        print(line)


@app.command()
def prune(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or URI.")],
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", min=1, help="Profiles of how many dates stay.")
    ] = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Older versions go.")] = False,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Killed runs go.")] = False,
    hours: Annotated[float, typer.Option("--hours", min=0, help="Only runs older than.")] = 24.0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without, only say what would.")
    ] = False,
) -> None:
    """Says which runs of nightly audits need not be kept, and with --yes deletes them.

    Example: `dftspark prune runs --keep-days 60 --superseded --unfinished`
    """
    from dftspark.nights import retention

    if keep_days is None and not (superseded or unfinished):
        raise ConfigError("say what may go: --keep-days N, --superseded, --unfinished")
    going = retention.doomed(
        store, keep_days=keep_days, superseded=superseded, unfinished=unfinished, hours=hours
    )
    for run in going:
        print(f"{run.id}  {run.why}, {run.bytes / 2**20:,.1f} MiB")
    if yes:
        retention.prune(store, going)
    total = sum(run.bytes for run in going) / 2**20
    number = f"{len(going)} run{'' if len(going) == 1 else 's'}"
    print(f"{number}, {total:,.1f} MiB {'deleted' if yes else 'would go; --yes deletes'}")


@app.command()
def show(
    run: Store = "runs",
    table: Annotated[str | None, typer.Argument(help="A table; without, the verdict.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many to show.")] = None,
    as_json: AsJson = False,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMN", help="-COLUMN: largest first.")
    ] = None,
) -> None:
    """Prints the verdict of a run, or one of its tables.

    Example: `dftspark show runs`

    Example: `dftspark show runs ngrams --sort -share --rows 50`

    Example: `dftspark show runs metrics --json`
    """
    from dftspark.report import table as tables
    from dftspark.report.terminal import render

    opened = _open(run)
    if table is None:
        if as_json or sort:
            raise ConfigError(f"--json and --sort go with a table; there are {opened.tables}")
        return render(opened, _console(), rows or 12)
    content = opened.table(table)
    content = tables.sort(content, sort) if sort else content
    if not as_json:
        return tables.print_table(content, table, _console(), rows or 20)
    for line in tables.json_lines(content if rows is None else content.slice(0, rows)):
        print(line)


@app.command()
def report(
    run: Store = "runs",
    out: Annotated[
        str | None,
        typer.Option("--out", help="File to write; else beside the run, or index.html in a store."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="In full; once per model. Else the first.")
    ] = None,
    swap: Annotated[
        bool | None,
        typer.Option("--copy-swap/--no-copy-swap", help="Swap words where excerpts are copied."),
    ] = None,
) -> None:
    """Writes one static page: of a run, or over all runs of a store, and prints where it is.

    An audit leaves report.html in its run, which never changes; this makes one anew, from the
    run's tables, with the history as it is now.

    Example: `dftspark report runs/20261122T010000Z-nightly-1a2b3c --out report.html`

    Example: `dftspark report runs`
    """
    from dftspark.report import written

    print(written.report(run, out, tuple(model or ()), swap))


@app.command()
def export(
    run: Store = "runs",
    model: Annotated[str | None, typer.Option("--model", help="Of several, which.")] = None,
    form: Annotated[
        str, typer.Option("--as", help="statistics, antislop, strings or lines.")
    ] = "statistics",
    ratio: Annotated[float, typer.Option("--ratio", min=1, help="Least model / human.")] = 3.0,
    q_value: Annotated[float, typer.Option("--q-value", min=0, max=1)] = 0.01,
    documents: Annotated[int, typer.Option("--documents", min=2, help="Least that have it.")] = 10,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 500,
) -> None:
    """Prints over-used words and phrases as a ban list for samplers.

    Example: `dftspark export runs --as antislop > slop_phrase_prob_adjustments.json`
    """
    from dftspark.report import ban_list

    if form not in ban_list.FORMS:
        raise ConfigError(f"--as is one of {', '.join(ban_list.FORMS)}, got {form!r}")
    entries = ban_list.of_run(
        _open(run), model, least_ratio=ratio, q_value=q_value, documents=documents, limit=limit
    )
    print(ban_list.written(entries, cast("ban_list.Form", form)), end="")


@app.command()
def doctor(
    out: Annotated[str, typer.Option("--out", help="Where runs will go.")] = "runs",
    spark: Annotated[
        bool,
        typer.Option("--spark/--no-spark", help="Start Spark and the embedder to see them work."),
    ] = True,
    master: Master = None,
    as_json: AsJson = False,
) -> None:
    """Checks Java, Spark, Python, packages, embedder, memory and storage, each with its remedy.

    Example: `dftspark doctor --out /mnt/audits`
    """
    from dftspark.doctor import examine
    from dftspark.report.listing import print_check

    console, failed = _console(), False
    for check in examine(out, spark, master):
        failed |= not check.ok
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
        else:
            print_check(check, console)
    if failed:
        raise typer.Exit(EnvironmentProblem.exit_code)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("audit.toml"),
) -> None:
    """Writes a commented configuration with every setting in it.

    Example: `dftspark init nightly.toml`
    """
    from dftspark.config import template

    template.write(path)
    print(f"{path}: set the two paths in it, then run: dftspark audit {path}")


def _compute(name: str, work: Work, master: str | None, quiet: bool) -> None:
    from rich.console import Console

    from dftspark.job import accept
    from dftspark.report.progress import progress
    from dftspark.report.terminal import render
    from dftspark.spark.session import session

    shown = progress(Console(stderr=True), quiet)
    with session(name, master) as spark:
        run = work(spark, shown)
    if quiet:
        print(run.path)
    else:
        render(run, _console())
    accept(run)


def _open(text: str) -> Run:
    from dftspark.store.run import is_run_id, open_run

    store, _, last = text.rstrip("/").rpartition("/")
    if is_run_id(last):
        return open_run(store or ".", last)
    return open_run(text)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


def _say_error(error: DftsparkError) -> None:
    from dftspark.location import redact
    from dftspark.report.text import visible_lines

    print(f"error: {visible_lines(redact(str(error)))}", file=sys.stderr)
