"""Kinds of answers: what a reply becomes, and how it is kept in journals and stores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

Hide = Callable[[str, int], str]  # cuts a text to so many characters and hides the key

MALFORMED, LOST = "malformed", "lost"
NOT_ASKED = "not asked"  # the error of a request that was never sent
UNHEARD = frozenset({MALFORMED, LOST})  # the model itself said nothing
_MOST_TOKENS = 10**9  # that a usage may report


class Answer(Protocol):
    """A frozen dataclass of plain values. `problem` says why there is no answer, if there is none:

    malformed   the reply does not follow the protocol
    lost        sent by a run that was killed before the answer came
    """

    @property
    def problem(self) -> str | None: ...
    @property
    def tokens_in(self) -> int: ...
    @property
    def tokens_out(self) -> int: ...


Parse = Callable[[bytes, Hide], Answer]


@dataclass(frozen=True)
class Kind:
    """plural   name of its answers
    of       the class of an answer, whose fields are columns of `schema`
    schema   of its store: key, the fields of `of`, seconds, attempts and at
    asked    name of whom is asked
    setting  of the configuration that names the store
    """

    plural: str
    of: type[Any]
    schema: pa.Schema
    asked: str
    setting: str

    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Makes an answer from the columns of `schema`; a null number becomes nan."""
        names, floats = self._columns
        made: Answer = self.of(*[row[name] for name in names])
        for name in floats:
            if row[name] is None:
                made = replace(made, **{name: math.nan})  # type: ignore[type-var]
        return made

    @cached_property
    def _columns(self) -> tuple[list[str], list[str]]:
        """Names of an answer's fields, and of those that are floating numbers."""
        names = [field.name for field in fields(self.of)]
        return names, [n for n in names if pa.types.is_floating(self.schema.field(n).type)]

    def row(self, answer: Answer) -> dict[str, Any]:
        """Returns the answer's columns; nan becomes null, since JSON has no nan."""
        found = dict(vars(answer))
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in found.items()
        }

    def lost(self) -> Answer:
        made: Answer = self.of(problem=LOST)
        return made


def count(usage: Any, name: str) -> int:
    """Reads a number of tokens from a reply's usage; 0 if there is no valid one."""
    value = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return 0


def storable(said: Any) -> str:
    """Replaces halves of characters, which JSON can spell and no table can hold."""
    return str(said or "").encode("utf-8", "replace").decode()
