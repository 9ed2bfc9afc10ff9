"""What a lens adds up over rows, in a pass that lenses share: see dftspark.spark.fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

Group = tuple[str, str]  # corpus, stratum


class Key(NamedTuple):
    """What states are merged by; `part` is one of several of a large state."""

    corpus: str
    stratum: str
    n: int = 0
    part: int = 0


Left = Iterator[tuple[Key, bytes]]


class Rows(NamedTuple):
    """Rows of one corpus and stratum."""

    group: Group
    batch: pa.RecordBatch


class Observer(Protocol):
    """In a task: takes rows, and leaves packed states by key as it likes, the rest at the end."""

    def add(self, rows: Rows) -> Left: ...

    def end(self) -> Left: ...


class Fold(Protocol):
    """How rows become the rows of a table of states. It travels to the tasks, so it is small.

    table    its name
    columns  of that table
    """

    @property
    def table(self) -> str: ...

    @property
    def columns(self) -> pa.Schema: ...

    def observer(self) -> Observer:
        """One for each task."""
        ...

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        """The table's row of a key, and what the driver is told of it."""
        ...
