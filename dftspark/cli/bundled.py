"""The command that audits the bundled sample."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from dftspark.cli.shared import Master, Quiet, app, compute

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
    quiet: Quiet = False,
) -> None:
    """Audits the bundled sample on this machine, end to end.

    Example: `dftspark demo`

    Example: `dftspark demo --generate`
    """
    from dftspark import runs, sample

    if generate:
        _demo_of_generating(out, master, quiet)
        return
    config = runs.demo_config(out)
    if not quiet:
        _LOG.info("%s", sample.NOTE)
    compute(
        "demo",
        lambda spark, shown: runs.audit(spark, config, "", shown),
        master,
        quiet,
        small=config,
    )


def _demo_of_generating(out: str, master: str | None, quiet: bool) -> None:
    from dftspark import sample
    from dftspark.cli.generating import audited, written
    from dftspark.generation import smollm2

    config = sample.generation(out, smollm2.folder())
    if not quiet:
        _LOG.info("%s", sample.GENERATED)
    audited(written(config, master, quiet), config, master, quiet)
