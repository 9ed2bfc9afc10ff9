"""The writing page in a thread of the test, on a port of its own; a client that can misbehave."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import uvicorn

from dftspark.config.generate import Writer
from dftspark.generation.template import Template
from dftspark.writing.app import application
from dftspark.writing.band import HumanBand
from dftspark.writing.desk import Desk
from dftspark.writing.engines import EndpointEngine, Engine

FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Served:
    """`address` works once. `cookie` and `token` are those of the session, once it is entered."""

    port: int
    address: str
    desk: Desk
    cookie: str = ""
    token: str = ""
    fields: dict[str, str] = field(
        default_factory=lambda: {
            "prompt": "A note on foxes",
            "outline": "",
            "style": "",
            "use_case": "",
            "words": "200",
            "em_dashes": "none",
        }
    )

    def ask(self, method: str, path: str, body: str | None = None, **headers: str | None) -> Answer:
        """Sends a request as the page would, with these headers instead; None leaves one out."""
        made: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie}
        if body is not None:
            made["Origin"] = f"http://127.0.0.1:{self.port}"
            made["Content-Type"] = FORM
            made["Content-Length"] = str(len(body.encode()))
        made |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in made.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders((body or "").encode())
            reply = connection.getresponse()
            text = reply.read().decode()
            return Answer(reply.status, {n.lower(): v for n, v in reply.getheaders()}, text)

    def enter(self) -> None:
        """Opens the session, as a browser does with the printed address."""
        answer = self.ask("GET", self.address.partition(str(self.port))[2])
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        hidden = re.search(r'name="token" value="([^"]+)"', self.ask("GET", "/").text)
        assert hidden is not None
        self.token = hidden[1]

    def form(self, **more: str) -> str:
        return urlencode({"token": self.token, **self.fields, **more})


def asked(url: str, name: str = "tuned", **more: object) -> EndpointEngine:
    """A model at an address."""
    settings = {"name": name, "urls": (url,), "model": "m", "timeout": 20.0, **more}
    return EndpointEngine(Writer.model_validate(settings), {"temperature": 0.7})


@contextlib.contextmanager
def serving(
    engines: Sequence[Engine], band: HumanBand | None = None, kept: Path | None = None
) -> Iterator[Served]:
    """The page of these models until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        desk = Desk(list(engines), Template.load())
        gate = application(desk, band, kept, port)
        config = uvicorn.Config(
            gate, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            address = f"http://127.0.0.1:{port}/enter?ticket={gate.ticket}"
            yield Served(port, address, desk)
        finally:
            server.should_exit = True
            thread.join(10)
