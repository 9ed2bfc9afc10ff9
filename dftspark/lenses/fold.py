"""Sums of a lens over rows, in a pass that lenses share: see dftspark.spark.fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import pyarrow as pa

from dftspark.text.tokens import Tokenized

Group = tuple[str, str]  # corpus, stratum


class Key(NamedTuple):
    """The key by which states are merged; `part` is one of several of a large state."""

    corpus: str
    stratum: str
    n: int = 0
    part: int = 0


Left = Iterator[tuple[Key, bytes]]


@dataclass(frozen=True, eq=False)
class GroupRows:
    """Rows of one corpus and stratum. `tokens` of the column `text` are made once for all folds."""

    group: Group
    batch: pa.RecordBatch

    @cached_property
    def tokens(self) -> Tokenized:
        return Tokenized(self.batch["text"])


class Observer(Protocol):
    """A fold in a task: takes rows, and yields packed states by key at any time or at the end."""

    def add(self, rows: GroupRows) -> Left: ...

    def end(self) -> Left: ...


class Fold(Protocol):
    """Turns rows into the rows of a table of states. It travels to the tasks, so it is small.

    table    its name
    columns  of that table
    """

    @property
    def table(self) -> str: ...

    @property
    def columns(self) -> pa.Schema: ...

    def observer(self) -> Observer:
        """Returns an observer, one for each task."""
        ...

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        """Returns the table's row of a key, and a message about it for the driver."""
        ...
