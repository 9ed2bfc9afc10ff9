"""Shared parts of the commands: the program, its options, and the frame around every command."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dftspark import logs
from dftspark.errors import ConfigError
from dftspark.redaction import redact

if TYPE_CHECKING:
    from rich.console import Console

    from dftspark.config import Audit
    from dftspark.progress import Progress
    from dftspark.store.run import Run

    Work = Callable[[Any, Progress], Run]

Log = Annotated[
    logs.LogKind,
    typer.Option("--log", help="What standard error gets.", envvar=logs.VARIABLE),
]


class Program(typer.Typer):
    """Commands that all take --log, which `main` reads before a command begins."""

    def command(self, *given: Any, **named: Any) -> Callable[[Any], Any]:
        register = super().command(*given, **named)

        def registered(function: Callable[..., Any]) -> Callable[..., Any]:
            register(_taking_log(function))
            return function

        return registered


def _taking_log(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def command(*given: Any, log: logs.LogKind, **named: Any) -> Any:
        return function(*given, **named)

    of = inspect.signature(function, eval_str=True)
    log = inspect.Parameter(
        "log", inspect.Parameter.KEYWORD_ONLY, default=logs.LogKind.AUTO, annotation=Log
    )
    command.__signature__ = of.replace(parameters=[*of.parameters.values(), log])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, "log": Log}
    return command


app = Program(
    name="dftspark",
    help="Measures how far a body of model text is from a body of human text, and where.\n\n"
    "Start with `dftspark demo`, then `dftspark audit --human PATH --model PATH`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOG = logging.getLogger(__name__)

Conf = Annotated[Path | None, typer.Argument(help="TOML file; `dftspark init` writes one.")]
Out = Annotated[str | None, typer.Option("--out", help="Folder or URI of the run store.")]
Date = Annotated[str, typer.Option("--date", help="YYYY-MM-DD; {date} in paths becomes it.")]
Master = Annotated[
    str | None,
    typer.Option("--master", help="Spark master; else this machine, small audits without Spark."),
]
Human = Annotated[list[str] | None, typer.Option("--human", help="File, folder, glob or URI.")]
Model = Annotated[list[str] | None, typer.Option("--model", help="The same; once per model.")]
TextColumn = Annotated[
    str | None, typer.Option("--text-column", help="Column of the texts; else `text`.")
]
PromptColumn = Annotated[
    str | None, typer.Option("--prompt-column", help="Column of the prompts, equal on both sides.")
]
ModelColumn = Annotated[
    str | None,
    typer.Option("--model-column", help="Column that says who wrote a row; null or human: human."),
]
SparkConf = Annotated[
    list[str] | None, typer.Option("--conf", metavar="KEY=VALUE", help="A setting of Spark.")
]
Packages = Annotated[
    str | None, typer.Option("--packages", help="Maven packages for Spark, as spark-submit's.")
]
Prometheus = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Metrics into NAME.prom, or to a Pushgateway's URL."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no picture of the run.")]
Store = Annotated[str, typer.Argument(metavar="RUN_OR_STORE", help="A run, or its run store.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines, for programs.")]


def spark_settings(conf: list[str] | None, packages: str | None) -> dict[str, str]:
    """Returns the settings of Spark that the command line names. Raises ConfigError for one that is
    not KEY=VALUE with a key of Spark's."""
    pairs = [one.partition("=") for one in conf or ()]
    for one, (key, sign, _) in zip(conf or (), pairs, strict=True):
        if not sign or not key.startswith("spark."):
            hint = ""
            if one.endswith(".toml"):
                hint = "; a configuration is given without an option: dftspark audit audit.toml"
            raise ConfigError(
                f"--conf takes a setting of Spark, as in --conf spark.driver.memory=4g, got "
                f"{redact(one)!r}{hint}"
            )
    settings = {key: value for key, _, value in pairs}
    return {**settings, "spark.jars.packages": packages} if packages else settings


def compute(
    name: str,
    work: Work,
    master: str | None,
    quiet: bool,
    conf: Path | None = None,
    settings: Mapping[str, str] | None = None,
    small: Audit | None = None,
) -> None:
    """Does `work` in a Spark session and prints its run; raises if the run is not as it should be.

    `conf` is the file that configures the run, if any; `settings` are Spark's. `small` is an audit
    that may do without Spark, where there is little to read.
    """
    from rich.console import Console

    from dftspark.entry import accept, kept
    from dftspark.progress import progress
    from dftspark.report.terminal.run import render
    from dftspark.spark import in_process

    shown = progress(Console(stderr=True), quiet)

    def shown_work(spark: Any) -> Run:
        return work(spark, shown)

    run, late = kept(lambda: in_process.made(name, shown_work, small, master, settings, quiet))
    if logs.as_json():
        told = {key: run.manifest.get(key) for key in ("kind", "headline", "checks")}
        logs.event(_LOG, "published", run=run.id, path=run.path, **told)
    if quiet or logs.as_json():
        print(redact(run.path))
    else:
        render(run, console(), conf=str(conf or ""))
    accept(run, late)


def opened(text: str, *, unfinished: bool = False) -> Run:
    """Opens the run that `text` names: a run, or the latest of a store.

    With `unfinished`, an unfinished run is opened too, as far as it records what was read.
    """
    from dftspark.location import parted
    from dftspark.store.listing import is_run_id, open_run

    store, last = parted(text)
    if is_run_id(last):
        return open_run(store or ".", last, unfinished=unfinished)
    return open_run(text)


def console(stderr: bool = False) -> Console:
    """Returns a console on the current standard output or error."""
    from rich.console import Console

    return Console(stderr=stderr)
