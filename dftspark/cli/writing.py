"""The command that opens the writing page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dftspark.cli.shared import app, opened
from dftspark.errors import ConfigError

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dftspark.config.write import WritePage


@app.command()
def write(
    conf: Annotated[
        list[str],
        typer.Argument(
            metavar="CONF|MODEL", help="The TOML file with [write]; or one or two model folders."
        ),
    ],
    human: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Its human side gives each construction's band."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of 127.0.0.1; 0: any that is free.")
    ] = 0,
) -> None:
    """Opens a page on this machine on which one states an intent and reads a model's text.

    The text appears while it is written; its constructions are then marked, beside the human
    band, and there is no score. Of two models both write, in random order, and are named after
    you have picked. The address works once, in one browser. Ctrl-C ends the page.

    A model is an endpoint of CONF, or a folder with safetensors, which this process loads.

    Example: `dftspark write write.toml`

    Example: `dftspark write models/sft models/tuned --human runs/20261122T010000Z-audit-1a2b3c`
    """
    from dftspark.writing.server import serve

    settings = _settings(conf).write
    run = human or settings.human
    _LOG.info("Loading %s ...", " and ".join(one.name for one in settings.models))
    serve(settings, opened(run) if run else None, port, _announce)


def _settings(given: list[str]) -> WritePage:
    from dftspark.config.write import WritePage

    folders = [text for text in given if Path(text).expanduser().is_dir()]
    if len(given) > 2 or (len(given) == 2 and len(folders) < 2):
        raise ConfigError(
            f"give one TOML file, or one or two folders of models; got {', '.join(given)}"
        )
    return WritePage.of_folders(given) if folders else WritePage.load(given[0])


def _announce(address: str) -> None:
    print(f"Open this address in a browser; it works once:\n  {address}\nCtrl-C ends.", flush=True)
