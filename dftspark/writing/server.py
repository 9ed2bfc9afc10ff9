"""Serves the page on this machine alone, to the one browser that opens the printed address."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dftspark.config.write import Write
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.generation.template import Template
from dftspark.store.run import Run

_HOST = "127.0.0.1"  # never another: the page is for one person on this machine
_AT_ONCE = 32  # connections


def serve(settings: Write, human: Run | None, port: int, announce: Callable[[str], None]) -> None:
    """Loads the models and serves the page until it is interrupted. `announce` gets the address,
    which works once. Port 0 takes any that is free.

    Raises ConfigError for a run without a human band and for an unusable template, and
    EnvironmentProblem for a missing library or key and for a port that is taken.
    """
    try:
        import uvicorn

        from dftspark.writing.app import application
        from dftspark.writing.band import HumanBand
        from dftspark.writing.desk import Desk
        from dftspark.writing.engines import engines
        from dftspark.writing.marks import marked
    except ImportError as error:
        raise EnvironmentProblem(
            f"the page needs {error.name}, which is not installed: pip install 'dftspark[page]'"
        ) from error
    template = Template.load(settings.template)
    band = None if human is None else HumanBand.of_run(human)
    kept = _folder(settings.picks) if settings.keep else None
    with _bound(port) as listening:
        desk = Desk(engines(settings), template)
        marked("It loads what the marks of the first text would wait for.")
        chosen = listening.getsockname()[1]
        gate = application(desk, band, kept, chosen)
        config = uvicorn.Config(
            gate,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,  # it would have the ticket
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_AT_ONCE,
            timeout_graceful_shutdown=2,
        )
        listening.listen()  # who is quick waits, and is not refused
        announce(f"http://{_HOST}:{chosen}/enter?ticket={gate.ticket}")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _folder(path: str) -> Path:
    if "://" in path:
        raise ConfigError(f"write.picks: {path} is no folder of this machine; name one")
    return Path(path).expanduser()


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((_HOST, port))
    except OSError as error:
        made.close()
        raise EnvironmentProblem(
            f"port {port} of {_HOST} cannot be used: {error.strerror}; name another with --port, "
            f"or leave it out for any that is free"
        ) from error
    return made
