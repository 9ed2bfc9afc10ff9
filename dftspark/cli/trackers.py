"""The command that sends a run to an experiment tracker."""

from __future__ import annotations

from typing import Annotated

import typer

from dftspark.cli.shared import Prometheus, Store, app, opened
from dftspark.errors import ConfigError


@app.command("log")
def log_run(
    run: Store = "runs",
    mlflow: Annotated[bool, typer.Option("--mlflow", help="To MLflow.")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="To Weights & Biases.")] = False,
    trackio: Annotated[bool, typer.Option("--trackio", help="To Trackio.")] = False,
    prometheus: Prometheus = None,
    project: Annotated[
        str, typer.Option("--project", help="Project, or experiment of MLflow.")
    ] = "dftspark",
    into: Annotated[
        str | None, typer.Option("--into", metavar="ID", help="Into this run of the tracker.")
    ] = None,
    step: Annotated[int | None, typer.Option("--step", min=0, help="Training step.")] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="The step ends each model's name, as in ckpt-100.")
    ] = False,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="A table more to send; once per table.")
    ] = None,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Send the page, which has excerpts of texts.")
    ] = True,
) -> None:
    """Logs a run to a tracker: measures over training steps, settings, tables and the page.

    Where it goes is what the tracker's own package is set up for, such as MLFLOW_TRACKING_URI.
    Tables and page become an artifact. Each tracker is an extra: mlflow, wandb, trackio. To
    Prometheus, an extra too, go the measures, counts and checks as gauges.

    Example: `dftspark log runs --mlflow --by-name`

    Example: `dftspark log runs --prometheus /var/lib/node_exporter/dftspark.prom`

    Example: `dftspark log runs --wandb --project ours --into 3f9c2a1b --step 2000`
    """
    from dftspark.redaction import redact
    from dftspark.trackers import prometheus as metrics
    from dftspark.trackers.entry import tracked
    from dftspark.trackers.send import SENDERS

    asked = {"mlflow": mlflow, "wandb": wandb, "trackio": trackio}
    chosen = [name for name, wanted in asked.items() if wanted]
    if not chosen and not prometheus:
        raise ConfigError("name a tracker: --mlflow, --wandb, --trackio or --prometheus PLACE")
    if into is not None and len(chosen) > 1:
        raise ConfigError("--into is a run of one tracker; name one")
    if by_name and step is not None:
        raise ConfigError("--by-name and --step exclude each other")
    if prometheus:
        metrics.check_place(prometheus)
        metrics.send(opened(run), prometheus)
        print(f"prometheus: {redact(prometheus)}")
    if not chosen:
        return
    found = tracked(opened(run), step=step, by_name=by_name, more=table or (), page=page)
    for name in chosen:
        print(f"{name}: {SENDERS[name](found, project, into)}")
