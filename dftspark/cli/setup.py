"""Commands about this machine and a new configuration."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dftspark.cli.shared import (
    AsJson,
    Master,
    Packages,
    SparkConf,
    app,
    console,
    spark_settings,
)
from dftspark.errors import EnvironmentProblem


@app.command()
def doctor(
    out: Annotated[str, typer.Option("--out", help="Where runs will go.")] = "runs",
    spark: Annotated[
        bool,
        typer.Option("--spark/--no-spark", help="Start Spark and the embedder to see them work."),
    ] = True,
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    as_json: AsJson = False,
) -> None:
    """Checks Java, Spark, Python, packages, embedder, memory and storage, each with its remedy.

    Example: `dftspark doctor --out /mnt/audits`
    """
    from dftspark.doctor import examine
    from dftspark.report.terminal.listing import print_check

    failed = False
    settings = spark_settings(spark_conf, packages)
    for check in examine(out, spark, master, settings):
        failed |= not check.ok
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
        else:
            print_check(check, console())
    if failed:
        raise typer.Exit(EnvironmentProblem.exit_code)


@app.command()
def warm() -> None:
    """Prepares this machine once, so that Spark starts in about half the time: compiles the
    kernels, and keeps the classes that Spark loads in a file of the user's cache folder.

    Example: `dftspark warm`
    """
    from dftspark.spark import class_archive

    console().print("auditing the bundled sample; a minute or two")
    file = class_archive.make()
    console().print(f"{file}: {file.stat().st_size / 2**20:,.0f} MiB")


@app.command()
def recipes(
    folder: Annotated[Path, typer.Argument(help="Where to put them.")] = Path("dftspark-recipes"),
) -> None:
    """Writes the jobs for spark-submit and examples for schedulers and clusters: cron, Airflow,
    Kubernetes with its Dockerfile, Databricks, GitHub Actions.

    Example: `dftspark recipes deploy`
    """
    from dftspark import recipes as shipped

    for path in shipped.copy(folder):
        print(path)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("audit.toml"),
    tune: Annotated[bool, typer.Option("--tune", help="One of `dftspark tune`.")] = False,
) -> None:
    """Writes a commented configuration with every setting in it.

    Example: `dftspark init nightly.toml`

    Example: `dftspark init --tune tune.toml`
    """
    from dftspark.config import template
    from dftspark.report.terminal.program import program

    if tune:
        template.write(path, template.tuning())
        print(f"{path}: set the paths in it, then run: {program()} tune {path}")
        return
    template.write(path, template.template())
    print(f"{path}: set the two paths in it, then run: {program()} audit {path}")
