"""The command that audits the bundled sample."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated

import typer

from dftspark.cli.shared import (
    Master,
    Packages,
    Quiet,
    SparkConf,
    app,
    compute,
    spark_settings,
)

_LOG = logging.getLogger(__name__)


@app.command()
def demo(
    out: Annotated[str, typer.Option("--out", help="Folder of the run store.")] = "runs",
    generate: Annotated[
        bool,
        typer.Option(
            "--generate", help="Let a small model write too, from briefs to the page; minutes."
        ),
    ] = False,
    master: Master = None,
    spark_conf: SparkConf = None,
    packages: Packages = None,
    quiet: Quiet = False,
) -> None:
    """Audits the bundled sample on this machine, end to end.

    Example: `dftspark demo`

    Example: `dftspark demo --generate`
    """
    from dftspark import runs, sample
    from dftspark.location import check_store

    settings = spark_settings(spark_conf, packages)
    check_store(out)
    if generate:
        _demo_of_generating(out, master, quiet, settings)
        return
    config = runs.demo_config(out)
    if not quiet:
        _LOG.info("%s", sample.NOTE)
    compute(
        "demo",
        lambda spark, shown: runs.audit(spark, config, "", shown),
        master,
        quiet,
        settings=settings,
        small=config,
    )


def _demo_of_generating(
    out: str, master: str | None, quiet: bool, settings: Mapping[str, str]
) -> None:
    from dftspark import sample
    from dftspark.cli.generating import audited, written
    from dftspark.generation import smollm2

    config = sample.generation(out, smollm2.folder())
    if not quiet:
        _LOG.info("%s", sample.GENERATED)
    made = written(config, master, quiet, settings)
    audited(made, config, master, quiet, settings)
