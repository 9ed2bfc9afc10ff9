"""Who writes: a model behind an endpoint, or one that this process has loaded. Both give a text
piece by piece, and stop when they are told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from dftspark.config.generate import Writer
from dftspark.config.write import Write
from dftspark.endpoints.client import Client
from dftspark.endpoints.events import Delta, deltas
from dftspark.endpoints.keys import key_of
from dftspark.errors import EnvironmentProblem
from dftspark.generation.local import Local
from dftspark.generation.requests import encoded, path_of
from dftspark.generation.weights import digest

Sampler = dict[str, float | int]


class Draft(Protocol):
    """A text that is being written. One thread reads `pieces`; any other may `cancel`."""

    def pieces(self) -> Iterator[Delta]:
        """Yields what is added to the text, and nothing more once it is canceled. Raises
        EnvironmentProblem or InputError if the model cannot write it."""
        ...

    def cancel(self) -> None:
        """Stops the model; the pieces then end at once, or within one token."""
        ...


class Engine(Protocol):
    """A model, by its name in the configuration."""

    @property
    def name(self) -> str: ...

    def draft(self, prompt: str, seed: int) -> Draft:
        """Returns a text to be written; nothing is asked before its pieces are read."""
        ...


@dataclass(frozen=True)
class EndpointEngine:
    """A model behind an endpoint. It is asked once: nothing is sent again by itself."""

    writer: Writer
    sampler: Sampler

    @property
    def name(self) -> str:
        return self.writer.name

    def draft(self, prompt: str, seed: int) -> Draft:
        return _Asked(self.writer, encoded(self.writer, prompt, self.sampler, seed, stream=True))


class _Asked:
    def __init__(self, writer: Writer, body: bytes) -> None:
        self._body = body
        self._client = Client(writer.endpoints()[0], threads=1, retries=0, path=path_of(writer))
        self._lock = threading.Lock()
        self._connections: list[Any] = []
        self._canceled = False

    def pieces(self) -> Iterator[Delta]:
        try:
            with closing(self._client.lines(self._body, self._connected)) as lines:
                for delta in deltas(lines, self._client.hide):
                    if self._canceled:
                        return
                    yield delta
        except EnvironmentProblem:
            if not self._canceled:  # else the connection was cut by us
                raise
        finally:
            self._client.close()

    def cancel(self) -> None:
        with self._lock:
            self._canceled = True
            for connection in self._connections:
                self._client.cut(connection)

    def _connected(self, connection: Any) -> None:
        with self._lock:
            if self._canceled:
                raise EnvironmentProblem("canceled")
            self._connections.append(connection)


@dataclass(frozen=True)
class LocalEngine:
    """A model that this process has loaded."""

    writer: Writer
    sampler: Sampler
    model: Local

    @property
    def name(self) -> str:
        return self.writer.name

    def draft(self, prompt: str, seed: int) -> Draft:
        return _Drawn(self.model, prompt, seed, self.sampler)


class _Drawn:
    def __init__(self, model: Local, prompt: str, seed: int, sampler: Sampler) -> None:
        self._pieces = model.pieces(prompt, seed, sampler)
        self._canceled = threading.Event()

    def pieces(self) -> Iterator[Delta]:
        with closing(self._pieces):
            for delta in self._pieces:
                if self._canceled.is_set():
                    return
                yield delta

    def cancel(self) -> None:
        self._canceled.set()


def engines(settings: Write) -> list[Engine]:
    """Loads the models that have a path and looks for the keys of the others.

    Raises ConfigError for a folder that is no model's, EnvironmentProblem for a missing key or
    library.
    """
    return [_engine(writer, dict(settings.sampler)) for writer in settings.models]


def _engine(writer: Writer, sampler: Sampler) -> Engine:
    if writer.path is None:
        key_of(writer.endpoints()[0])
        Client(writer.endpoints()[0], threads=1, retries=0).close()
        return EndpointEngine(writer, sampler)
    digest(writer.path)
    return LocalEngine(writer, sampler, Local(writer, _device()))


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "cpu"  # Local says what to install
    return "cuda" if torch.cuda.is_available() else "cpu"
